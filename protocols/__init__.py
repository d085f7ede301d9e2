"""What should happen: protocols as data, and their verdicts on what did happen."""
