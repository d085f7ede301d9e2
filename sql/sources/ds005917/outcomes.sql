-- One row is one scale at one visit; a visit has up to three. ses-b0 is the baseline of both arms,
-- so it belongs to no infusion; ses-d2 is two days after ketamine, ses-p10 ten days after placebo.
-- derived: administered_at: 10:00 local time on the source's baseline_day, or 2 or 10 days after the nominal day of the arm's infusion
WITH infusions AS (
    SELECT participant_id, infusion_1 AS arm, 2 AS day FROM participants
    UNION ALL
    SELECT participant_id, infusion_2, 16 FROM participants
),
scores AS (
    SELECT participant_id, session_id, 'MADRS' AS instrument, MADRS_Total AS total, _file, _row
    FROM visits
    UNION ALL
    SELECT participant_id, session_id, 'HAMD-6', HAMD_Bech, _file, _row FROM visits
    UNION ALL
    SELECT participant_id, session_id, 'HAM-D17', HAM17_Total, _file, _row FROM visits
),
visited AS (
    SELECT
        *,
        regexp_extract(session_id, '^ses-([dp])\d+$', 1) AS arm,
        try_cast(regexp_extract(session_id, '^ses-[dp](\d+)$', 1) AS INTEGER) AS days_after
    FROM scores
    WHERE total <> 'n/a'
)
SELECT
    visited.participant_id || '-' || session_id || '-' || instrument AS outcome_id,
    visited.participant_id AS patient_id,
    CASE WHEN visited.arm <> '' THEN visited.participant_id || '-' || visited.arm END AS session_id,
    instrument,
    (source.baseline_day::DATE + coalesce(infusions.day + days_after, 0)) || 'T10:00' AS administered_at,
    total,
    visited._file,
    visited._row
FROM visited
CROSS JOIN source
LEFT JOIN infusions USING (participant_id, arm)
WHERE session_id = 'ses-b0' OR infusions.day IS NOT NULL
