"""The parts of the Train tab: the form for a training, its progress, and its GAN game step by step."""
