"""`python -m tests.faults.raced_night FOLDER AS_OF`: `keel nightly --plain`, quicker."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from flows.cli import main
from tests.e2e.networks import nightly
from tests.faults.plain_night import without_expectations

if __name__ == "__main__":
    folder, as_of = sys.argv[1:]
    os.environ |= {
        "KEEL_PROTOCOLS": str(Path(folder) / "protocols"), "KEEL_BUILTIN_PROTOCOLS": "false"
    }  # fmt: skip
    sys.argv = ["keel", *map(str, nightly(Path(folder), as_of))]
    with without_expectations():
        main()
