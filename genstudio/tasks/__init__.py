"""Tasks of several steps: batch translation of files, model comparison, labelled data sets of generated images."""
