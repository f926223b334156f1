"""Tasks of several steps: many files, several models on one class, data sets of what a model draws."""
