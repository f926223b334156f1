"""Weights in the formats of other projects, read into our own models. Nothing in a file is ever run."""
