"""How good a model is, in numbers. `measure` picks those that apply to a checkpoint; none is given without its interval."""
