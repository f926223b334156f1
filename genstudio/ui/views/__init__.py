"""The views of a latent space, a file each; `tabs/latent.py` draws them."""
