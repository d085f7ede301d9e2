"""One command a file; `flows.cli` gathers them."""
