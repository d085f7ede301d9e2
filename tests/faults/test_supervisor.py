"""What becomes of a night whose flow engine breaks off, hangs, or is slow."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

import pytest

from flows.night import Night
from flows.progress import Silent
from flows.story import Step, plainly, tell
from flows.supervisor import supervised

PARTS = ["land", "load patients", "load sessions", "judge", "publish"]


class Acts:
    """A night that only remembers which parts were run."""

    feeds = ("patients", "sessions")

    def __init__(self, failing: str = "") -> None:
        self.done: list[str] = []
        self.said: list[str] = []
        self._failing = failing
        self.progress = Silent()
        self.progress.say = self.said.append  # type: ignore[method-assign]

    def _run(self, name: str) -> None:
        self.done.append(name)
        if name == self._failing:
            raise ValueError(name)

    def land(self) -> None:
        self._run("land")

    def load(self, feed: str) -> None:
        self._run(f"load {feed}")

    def judge(self) -> None:
        self._run("judge")

    def publish(self) -> None:
        self._run("publish")

    def summary(self) -> str:
        return "the summary"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.supervisor.START_SECONDS", 0.3)
    monkeypatch.setattr("flows.supervisor.SILENCE_SECONDS", 0.3)


def run(acts: Acts, flow: Callable[[Step], None]) -> Any:
    return supervised(cast(Night, acts), plainly, flow)


def whole(acts: Acts) -> Callable[[Step], None]:
    return lambda step: cast(None, tell(cast(Night, acts), step))


def until(acts: Acts, part: str, then: Callable[[], None]) -> Callable[[Step], None]:
    """A flow in which something happens before a part."""

    def flow(step: Step) -> None:
        def halting(name: str, work: Callable[[], None], *, retries: int = 0) -> None:
            if name == part:
                then()
            step(name, work)

        tell(cast(Night, acts), halting)

    return flow


def test_a_flow_that_ends_is_all_there_is() -> None:
    acts = Acts()
    assert run(acts, whole(acts)) == "the summary"
    assert acts.done == PARTS and acts.said == []


@pytest.mark.parametrize("part", PARTS)
def test_a_flow_that_breaks_off_is_finished_without_it(part: str) -> None:
    def gone() -> None:
        raise ConnectionError

    acts = Acts()
    assert run(acts, until(acts, part, gone)) == "the summary"
    assert acts.done == PARTS
    assert acts.said == ["Prefect broke off (ConnectionError): the night goes on without it"]


@pytest.mark.parametrize("part", PARTS)
def test_a_flow_that_hangs_is_left_and_runs_no_part_later(part: str) -> None:
    free, over = threading.Event(), threading.Event()
    acts = Acts()

    def flow(step: Step) -> None:
        try:
            until(acts, part, lambda: cast(None, free.wait(10)))(step)
        finally:
            over.set()

    assert run(acts, flow) == "the summary"
    free.set()
    assert over.wait(10)
    assert acts.done == PARTS
    assert acts.said == ["Prefect does not answer: the night goes on without it"]


def test_a_flow_that_hangs_after_its_last_part_is_left() -> None:
    acts = Acts()

    def flow(step: Step) -> None:
        tell(cast(Night, acts), step)
        threading.Event().wait(10)

    assert run(acts, flow) == "the summary"
    assert acts.done == PARTS


def test_a_part_may_take_as_long_as_it_needs() -> None:
    acts = Acts()
    acts.judge = lambda: (threading.Event().wait(0.8), acts._run("judge"))[1]  # type: ignore[method-assign]
    assert run(acts, whole(acts)) == "the summary"
    assert acts.done == PARTS and acts.said == []


def test_what_a_part_raised_is_raised_and_nothing_is_run_again() -> None:
    acts = Acts(failing="judge")
    with pytest.raises(ValueError, match="judge"):
        run(acts, whole(acts))
    assert acts.done == PARTS[:4]
