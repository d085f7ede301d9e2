-- One row is one participant; the trial's group (MDD, BP, HC) stands as the indication.
SELECT
    participant_id AS patient_id,
    CASE WHEN sex IN ('F', 'M') THEN sex END AS sex,
    "group" AS indication,
    _file,
    _row
FROM participants
