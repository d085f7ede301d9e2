-- One row is one participant; the trial's group (MDD, BP, HC) stands as the indication.
-- derived: treatment_started_on: two days after the baseline day declared in the source
SELECT
    participant_id AS patient_id,
    CASE WHEN sex IN ('F', 'M') THEN sex END AS sex,
    "group" AS indication,
    source.baseline_day::DATE + 2 AS treatment_started_on,
    _file,
    _row
FROM participants, source
