"""The parts of the Translate tab: one picture, a canvas, all systems on one picture, many files."""
