"""Blocks that two models or more share."""
