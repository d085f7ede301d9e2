"""Examples of hypothesis: the same in every run of the suite, so that a change alone can break it;
new ones each time with `--hypothesis-profile random`, as the long runs ask for. None has a
deadline, as machines are shared.
"""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("same", derandomize=True, database=None, deadline=None)
settings.register_profile("random", print_blob=True, deadline=None)
settings.load_profile("same")
