"""What a night touched: patients and clinics' months whose rows in the marts are made anew.

Marts are kept from one night to the next. One that has a row a patient (or a session, charge,
course of a patient) takes out what it holds of touched patients, in `Touched.shares` so that memory
does not grow with the network, and puts in what their facts say now; one that has a row a clinic's
month does so with touched months; one over the whole network is made anew from the marts. What is
left where it is would come out the same:

| what is different | what is touched |
| --- | --- |
| everything is judged again | everything |
| a verdict was judged again | its patient |
| a row of any feed came, was corrected, withdrawn or in quarantine; time reached it | the patient whom it names, and the patient of the session that it names |
| a delivery is gone; a clinic's row, its rates or hours; a first delivery of a feed, a cut-off that moved back | all that is the clinic's; of a row of every clinic, all |
| a patient was touched | the months in which the sessions and doses of the patient lie, or lay before a correction |
| time passed, or the cut-off of sessions moved | the months between, with two days to spare; what has no month |

What hangs on time in another way (a course that matures, an answer that is awaited) the mart itself
touches, with `touch` and `touch_months`, before it takes anything out.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from checks.contract import contracts
from flows.runs import Run
from flows.scope import STALE_PATIENTS, WHOLE_CLINICS, Scope, reached_by_time
from flows.shares import EVERYBODY, Share, portions
from flows.warehouse import Warehouse

PATIENTS = "touched_patients"
CLINICS = "touched_clinics"
MONTHS = "touched_months"
# Rows that bear on everything of their clinic in some mart.
_OF_THE_CLINIC = ("clinics", "rates", "hours")


@dataclass(frozen=True)
class Touched:
    """Whether `everything` is, or what the temp tables `touched_patients` (clinic_id, patient_id),
    `touched_months` (clinic_id, month, null where a session has none) and `touched_clinics`
    (clinic_id; all months of these) name; and the `shares` in which they are looked at."""

    everything: bool
    shares: tuple[Share, ...] = (EVERYBODY,)

    def patients(self, share: Share = EVERYBODY) -> str:
        """SQL: whether the patient of a row `f` is touched, and in the share."""
        touched = (
            "" if self.everything else f"(f.clinic_id, f.patient_id) IN (FROM {PATIENTS}) AND "
        )
        return f"({touched}{share.of_patients})"

    def months(self, month: str) -> str:
        """SQL: whether a month (a date, the first) of the clinic of a row `f` is touched."""
        if self.everything:
            return "true"
        return (
            f"({month} IS NULL OR (f.clinic_id, {month}) IN (FROM {MONTHS}) "
            f"OR f.clinic_id IN (FROM {CLINICS}))"
        )


def find_what_is_touched(warehouse: Warehouse, scope: Scope, run: Run) -> Touched:
    """Find it, once `scope` is known and the marts still are the last night's."""
    if scope.everything:
        return Touched(everything=True, shares=portions(warehouse))
    _find_clinics(warehouse)
    _find_patients(warehouse, run)
    _find_months(warehouse, run)
    return Touched(everything=False, shares=portions(warehouse, PATIENTS))


def touch(warehouse: Warehouse, touched: Touched, patients: str) -> None:
    """Touch more `patients`: a SELECT of clinic_id, patient_id."""
    if not touched.everything:
        warehouse.db.execute(
            f"INSERT INTO {PATIENTS} SELECT DISTINCT clinic_id, patient_id FROM ({patients}) "
            f"EXCEPT FROM {PATIENTS}"
        )


def touch_months(warehouse: Warehouse, touched: Touched, months: str) -> None:
    """Touch more `months`: a SELECT of clinic_id, month."""
    if not touched.everything:
        warehouse.db.execute(f"INSERT INTO {MONTHS} FROM ({months}) EXCEPT FROM {MONTHS}")


def forget_touched(warehouse: Warehouse) -> None:
    """Drop the temp tables."""
    for table in (PATIENTS, MONTHS, CLINICS):
        warehouse.db.execute(f"DROP TABLE IF EXISTS {table}")


def _find_clinics(warehouse: Warehouse) -> None:
    rows = (
        f"SELECT clinic_id FROM touched_rows WHERE feed IN {_OF_THE_CLINIC} "
        "OR (NOT timed AND corrected)"
    )
    warehouse.db.execute(
        f"CREATE OR REPLACE TEMP TABLE {CLINICS} AS SELECT clinic_id FROM {WHOLE_CLINICS} UNION "
        f"SELECT c.clinic_id FROM facts.clinics c JOIN ({rows}) r "
        "ON r.clinic_id = c.clinic_id OR r.clinic_id IS NULL"
    )


def _find_patients(warehouse: Warehouse, run: Run) -> None:
    named = " UNION ALL ".join(
        f"SELECT clinic_id, session_id, patient_id FROM {table}"
        for table in ("touched_rows", "reached")
    )
    of_patients = [feed for feed, held in contracts().items() if "patient_id" in held.names]
    in_time = " UNION ALL ".join(
        f"SELECT clinic_id, {'session_id' if 'session_id' in contracts()[feed].names else 'NULL'}, "
        f"patient_id FROM facts.{feed} f WHERE {reached_by_time(feed)}"
        for feed in of_patients
        if reached_by_time(feed)
    )
    warehouse.db.execute(
        f"CREATE OR REPLACE TEMP TABLE {PATIENTS} AS "
        f"WITH named AS ({named} UNION ALL {in_time}), everybody AS ({_union(of_patients)}) "
        f"SELECT clinic_id, patient_id FROM {STALE_PATIENTS} UNION "
        "SELECT clinic_id, patient_id FROM named WHERE patient_id IS NOT NULL UNION "
        "SELECT clinic_id, patient_id FROM facts.sessions "
        "SEMI JOIN named USING (clinic_id, session_id) UNION "
        f"SELECT clinic_id, patient_id FROM everybody WHERE clinic_id IN (FROM {CLINICS})",
        {"before": _judged_as_of(warehouse), "now": run.as_of},
    )


def _union(feeds: Iterable[str]) -> str:
    return " UNION ALL ".join(f"SELECT clinic_id, patient_id FROM facts.{feed}" for feed in feeds)


def _find_months(warehouse: Warehouse, run: Run) -> None:
    moments = {
        "sessions": "[f.scheduled_at, f.started_at, f.arrived_at, f.discharged_at]",
        "doses": "[f.started_at]",
    }
    lie = " UNION ALL ".join(
        f"SELECT clinic_id, unnest({listed}) AS at FROM facts.{table} f "
        f"WHERE (clinic_id, patient_id) IN (FROM {PATIENTS})"
        for feed, listed in moments.items()
        for table in (feed, f"{feed}_history")
    )
    passed = (
        "SELECT clinic_id, unnest(generate_series(since - INTERVAL 2 DAY, "
        "until + INTERVAL 2 DAY, INTERVAL 1 DAY)) AS at FROM ("
        "SELECT clinic_id, least($before::TIMESTAMPTZ, min(cutoff)) AS since, "
        "greatest($now::TIMESTAMPTZ, max(cutoff)) AS until FROM ("
        "FROM facts.clinics LEFT JOIN (SELECT clinic_id, cutoff FROM ops.judged_cutoffs "
        "WHERE feed = 'sessions' UNION ALL "
        "SELECT clinic_id, cutoff FROM new_cutoffs WHERE feed = 'sessions') USING (clinic_id)) "
        "GROUP BY clinic_id)"
    )
    warehouse.db.execute(
        f"CREATE OR REPLACE TEMP TABLE {MONTHS} AS SELECT DISTINCT m.clinic_id, "
        "date_trunc('month', timezone(c.time_zone, m.at))::DATE AS month "
        f"FROM ({lie} UNION ALL {passed}) m JOIN facts.clinics c USING (clinic_id) "
        "WHERE m.at IS NOT NULL",
        {"before": _judged_as_of(warehouse), "now": run.as_of},
    )


def _judged_as_of(warehouse: Warehouse) -> object:
    row = warehouse.db.execute("SELECT as_of FROM ops.judged").fetchone()
    assert row is not None
    return row[0]
