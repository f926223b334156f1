"""The parts of the Train tab: an order for a training, the training as it goes, and its game step by step."""
