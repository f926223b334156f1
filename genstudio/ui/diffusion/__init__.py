"""The parts of the Diffusion tab: a run to watch, samplers side by side, the schedules, and how the model learned."""
