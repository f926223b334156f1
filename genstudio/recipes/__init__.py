"""Recipes: the inputs that reproduce an image. Read recipe.py first; replay, links and commands build on it."""
