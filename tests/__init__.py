"""Laws of the studio, and `tests.bench`, which measures it."""
