"""The parts of the Translate tab: one picture, a sheet to draw on, all systems on one picture, many files."""
