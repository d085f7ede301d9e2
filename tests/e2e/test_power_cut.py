"""What becomes of a night when everything that runs it is gone at once, Prefect's server too: it
does not stay "Running" for ever, and the next night gets its slot.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.alerts.servers import webhook
from tests.e2e.networks import small_network
from tests.e2e.place import NIGHT_WITHIN, Place, kill
from tests.e2e.servers import prefect_server, wait_for

pytestmark = pytest.mark.long
LEASE_WITHIN = 600.0
"""Seconds: a run that is gone holds its slot for five minutes, the next one asks every half."""


def test_the_power_goes_in_the_middle_of_a_night(tmp_path: Path) -> None:
    place = tmp_path / "place"
    as_of = small_network(place)
    with ExitStack() as stack:
        hook, _ = stack.enter_context(webhook())
        server = stack.enter_context(prefect_server(tmp_path / "server"))
        there = Place(place, as_of, server, hook)
        there.prefect("work-pool", "create", "keel", "--type", "process")
        there.deploy()

        worker = stack.enter_context(there.worker())
        dead = there.begin("nightly")
        wait_for(lambda: there.judges(dead), NIGHT_WITHIN)
        kill(worker, server.process)
        wait_for(lambda: not there.holds(), 30)

        port = urlsplit(server.url).port
        stack.enter_context(prefect_server(tmp_path / "server", port))
        stack.enter_context(there.worker())
        assert there.state(dead) == "Running", "nobody could tell the server"
        mending = there.begin("nightly")
        wait_for(lambda: there.run(mending)["state_type"] == "COMPLETED", LEASE_WITHIN)
        assert there.state(dead) == "Crashed"
