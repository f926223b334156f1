"""Losses as functions of tensors, an equation each."""
