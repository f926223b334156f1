"""Training: read loop.py first, then run.py. jobs.py runs trainings of the page, runs.py exports and imports runs."""
