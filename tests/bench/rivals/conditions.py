"""The four conditions of a session, and the one SQL text that DuckDB and dbt both run.

Of every completed session: a reading in the half hour before the start, one at least every 15
minutes from start to end, one at two hours (within five minutes), and a dose of 0.1 to 1.0 mg/kg.
"""

from __future__ import annotations

CONDITIONS = ("baseline", "every_15", "at_120", "dose")


def four_conditions(sessions: str, vitals: str, doses: str) -> str:
    """A SELECT of one row a completed session; DuckDB is fastest with an ordered list."""
    return f"""
WITH held AS (
  SELECT clinic_id, session_id, started_at, ended_at, weight_kg
  FROM {sessions} WHERE status = 'completed'
), readings AS (
  SELECT clinic_id, session_id,
    bool_or(measured_at BETWEEN started_at - INTERVAL 30 MINUTE AND started_at) AS baseline,
    bool_or(measured_at BETWEEN started_at + INTERVAL 115 MINUTE
                            AND started_at + INTERVAL 125 MINUTE) AS at_120,
    epoch_us(any_value(started_at)) AS start_us, epoch_us(any_value(ended_at)) AS end_us,
    list(epoch_us(measured_at) ORDER BY measured_at)
      FILTER (measured_at BETWEEN started_at AND ended_at) AS read_us
  FROM held JOIN {vitals} USING (clinic_id, session_id)
  GROUP BY clinic_id, session_id
), given AS (
  SELECT clinic_id, session_id, sum(amount_mg) AS amount_mg
  FROM {doses} GROUP BY clinic_id, session_id
)
SELECT clinic_id, session_id,
  coalesce(baseline, false) AS baseline,
  coalesce(read_us IS NOT NULL AND list_max(list_transform(
    list_zip(list_append(read_us, end_us), list_prepend(start_us, read_us)),
    lambda p: p[1] - p[2])) <= 900000000, false) AS every_15,
  coalesce(at_120, false) AS at_120,
  coalesce(amount_mg / weight_kg BETWEEN 0.1 AND 1.0, false) AS dose
FROM held LEFT JOIN readings USING (clinic_id, session_id)
LEFT JOIN given USING (clinic_id, session_id)
"""


def counted(table: str) -> str:
    """A SELECT of how many sessions meet each condition, and how many there are."""
    counts = ", ".join(f"count(*) FILTER ({name}) AS {name}" for name in CONDITIONS)
    return f"SELECT {counts}, count(*) AS sessions FROM {table}"
