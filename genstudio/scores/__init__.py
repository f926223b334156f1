"""Scores of models. `measure` picks those that apply to a checkpoint; each comes with a 95 % confidence interval."""
