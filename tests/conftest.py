"""Examples of hypothesis: the same in every run of the suite, so that a change alone can break it;
new ones each time with `--hypothesis-profile random`, as the long runs ask for."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("same", derandomize=True, database=None)
settings.register_profile("random", print_blob=True)
settings.load_profile("same")
