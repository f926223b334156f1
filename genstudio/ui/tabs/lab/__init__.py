"""The Lab tab: games of GANs, and other models, trained live on points in the plane."""
