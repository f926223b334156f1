"""The parts of the Diffusion tab: a run step by step, samplers side by side, noise schedules, the model's training."""
