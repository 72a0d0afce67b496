"""Code that many tests use: threads, fresh interpreters, two generations at once, source checks."""
