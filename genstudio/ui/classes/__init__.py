"""The views of the Classes tab: a grid of classes and seeds, two classes and what lies between, the board, a data set."""
