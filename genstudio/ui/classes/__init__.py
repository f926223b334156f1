"""The views of the Classes tab: a grid of classes and seeds, interpolation between two classes, the board, a data set."""
