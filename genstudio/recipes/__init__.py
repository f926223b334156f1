"""Recipes, all that makes a picture again: read recipe.py first; replay, links and commands are made of it."""
