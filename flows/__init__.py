"""What moves: exports in, facts, verdicts, metrics and a published report out."""

__version__ = "0.1.0"
