"""The ways to look at a latent space: one file each, drawn side by side by `tabs/latent.py`."""
