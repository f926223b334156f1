"""One tab a file: a thing that a visitor does, for every system that has the verbs it needs."""
