"""What others would do: the same answer by hand, each in a process of its own."""
