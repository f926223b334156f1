"""A file per tab, each for all systems with the verbs that it needs."""
