"""Checkpoints on the Hugging Face Hub, and the page on Spaces."""
