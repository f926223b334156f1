"""The tests: a folder for each package of genstudio, whose tests run alone."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent  # of the checkout
