"""Great Expectations and the report have their own tests: publishing is tried without them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.publish.nights import Nights, plain_nights


@pytest.fixture(scope="module", autouse=True)
def _plain() -> Iterator[None]:
    with plain_nights():
        yield


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path)
