"""GenStudio: deep generative image models that one can see, steer and train.

Start at `model.py` (what a model may do), then `models/` (one family a file), then `engine/` and `training/`.
"""

__version__ = "0.1.0"
