"""`python -m flows` is `keel`."""

from flows.cli import main

if __name__ == "__main__":
    main()
