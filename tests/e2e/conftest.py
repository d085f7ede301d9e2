"""One network that `keel nightly` has published, which all end-to-end tests start from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.networks import keel, nightly, small_network
from tests.prepared import copied, made_once

FAMILY_NAME = "Quillfeather"  # no other text of the network has it in it


@dataclass(frozen=True)
class Published:
    """A small network after its first night, only to be read; what the night said."""

    folder: Path

    @property
    def as_of(self) -> str:
        return (self.folder / "as_of").read_text()

    @property
    def said(self) -> str:
        return (self.folder / "said").read_text()

    def landing(self, folder: Path) -> str:
        """Copy what was delivered for a night of a test's own; gives the instant to judge it at."""
        copied(self.folder / "landing", folder / "landing")
        return self.as_of


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return Published(made_once(tmp_path_factory, "published-network", _make))


def patient(folder: Path) -> dict[str, str]:
    """The first patient that a clinic delivers."""
    header, first, *_ = _patients(folder).read_text().splitlines()
    return dict(zip(header.split(","), first.split(","), strict=True))


def _make(folder: Path) -> None:
    as_of = small_network(folder)
    file = _patients(folder)
    file.write_text(file.read_text().replace(patient(folder)["family_name"], FAMILY_NAME))
    done = keel(*nightly(folder, as_of))
    assert done.returncode == 0, done.stderr
    (folder / "as_of").write_text(as_of)
    (folder / "said").write_text(done.stdout + done.stderr)


def _patients(folder: Path) -> Path:
    return folder / "landing" / "c01" / "patients_2026-10-25.csv"
