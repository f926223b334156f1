"""Weights and files of other projects: identify.py identifies a file, keep.py imports it. Nothing in it is executed."""
