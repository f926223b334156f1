"""The views of the Classes tab: grid of classes and seeds, interpolation between two classes, board, data set."""
