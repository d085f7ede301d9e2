"""Great Expectations takes seconds to import and has its own tests: loading is tried without."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.load.network import Network


@pytest.fixture(autouse=True)
def _no_expectations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.load.validate", lambda *_: [])


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return Network(tmp_path)
