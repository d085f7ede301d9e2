"""Metrics: one family a file; frames in, frames out."""
