"""However nights follow each other, the marts are as if everything had been judged at once."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, Phase, given, settings

from tests.load.network import AS_OF
from tests.publish.happenings import AHEAD, LATER, REFILLS, WIDE, happen, happenings
from tests.publish.nights import Nights, plain_nights
from tests.publish.test_nights import with_known_key

NIGHTS = int(os.environ.get("KEEL_TEST_NIGHTS", "2"))


@settings(
    max_examples=NIGHTS,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(happenings)
def test_any_nights_end_where_judging_everything_does(plan: list[tuple[object, ...]]) -> None:
    with TemporaryDirectory() as name, plain_nights():
        folder = Path(name)
        nights = with_known_key(Nights(folder / "by-night"))
        for file, text in (("wide", WIDE), ("later", LATER), ("ahead", AHEAD), ("home", REFILLS)):
            nights.write_protocol(f"{file}.yaml", text)
        at = AS_OF - timedelta(days=20)
        for number, (what, *how) in enumerate(plan):
            at = happen(nights, number, str(what), how, at)
        nights.publish(as_of=at)
        at_once = with_known_key(Nights(folder / "at-once"))
        at_once.set(**{name: getattr(nights.settings, name) for name in
                       ("landing", "protocols", "as_of")})  # fmt: skip
        at_once.publish(full=True)
        assert nights.marts() == at_once.marts()
        assert nights.verdicts() == at_once.verdicts()
