"""Training: read loop.py first, then run.py. jobs.py owns trainings of the page, runs.py moves them between machines."""
