"""What many tests use: threads that start together, fresh interpreters, two generations at once."""
