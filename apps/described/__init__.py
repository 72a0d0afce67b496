"""One application a file, as data: see `description` for what each value means."""
