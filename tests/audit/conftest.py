"""One published month for all tests here; each writes its packs into a folder of its own."""

from __future__ import annotations

import pytest

from tests.audit.network import may
from tests.publish.nights import Nights


@pytest.fixture(scope="session")
def month(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    return may(tmp_path_factory.mktemp("audit"))
