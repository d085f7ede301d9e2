"""`prefect.yaml` agrees with the defaults of `keel schedule`, and with what is in flows/."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from prefect import Flow
from ruamel.yaml import YAML

from flows.settings import ScheduleSettings

ROOT = Path(__file__).parents[2]
FILE: dict[str, Any] = YAML(typ="safe").load((ROOT / "prefect.yaml").read_text())
DEPLOYMENTS = {one["name"]: one for one in FILE["deployments"]}


def test_every_deployment_is_a_flow_by_the_path_of_its_module() -> None:
    for one in DEPLOYMENTS.values():
        module, name = one["entrypoint"].rsplit(".", 1)
        found = getattr(import_module(module), name)
        assert isinstance(found, Flow)
        assert set(one.get("parameters", {})) <= set(found.parameters.properties)
        assert one["work_pool"] == {"name": "keel"}


def test_the_night_has_the_default_schedule_and_one_writer() -> None:
    told = ScheduleSettings()
    assert DEPLOYMENTS["nightly"]["schedules"] == [{"cron": told.cron, "timezone": told.time_zone}]
    assert {one["concurrency_limit"]["limit"] for one in DEPLOYMENTS.values()} == {1}


def test_no_file_of_flows_has_the_name_of_another_package() -> None:
    """The folder of a script comes first on the path when Prefect loads it."""
    own = {path.stem for path in (ROOT / "flows").iterdir() if not path.name.startswith("_")}
    others = set(packages_distributions()) | set(sys.stdlib_module_names)
    assert own & (others | {"checks", "protocols", "sql", "tests"}) == set()
