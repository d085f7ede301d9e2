"""`python -m tests.privacy.killed_purge FOLDER STEP before|after`: a purge that kills itself."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from flows import purge as purging
from tests.privacy.test_purge import apply, network
from tests.publish.nights import plain_nights

if __name__ == "__main__":
    folder, step, when = sys.argv[1:]
    real = getattr(purging, step)

    def killed(*given: Any) -> None:
        if when == "after":
            real(*given)
        os.kill(os.getpid(), signal.SIGKILL)

    nights = network(Path(folder), with_old=True)
    with plain_nights(), patch.object(purging, step, killed):
        apply(nights)
