"""Latents and styles as numbers: paths between them, directions among them, projection of a picture."""
