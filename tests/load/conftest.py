"""Great Expectations takes seconds to import and has its own tests: loading is tried without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.load.network import Network
from tests.publish.nights import plain_nights


@pytest.fixture(scope="module", autouse=True)
def _plain() -> Iterator[None]:
    with plain_nights():
        yield


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return Network(tmp_path)
