"""Weights and files of other projects: identify.py tells what a file is, keep.py takes it in. Nothing in it is run."""
