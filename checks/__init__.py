"""Is the data fit to be judged: data contracts, typing, validation, quarantine."""
