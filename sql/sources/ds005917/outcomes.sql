-- One row is one scale of one visit; a visit has up to three.
-- derived: administered_at: 09:00 on the declared baseline day, or 2 or 10 days after the arm's nominal infusion
WITH arms AS (
    SELECT participant_id, infusion_1 AS arm, 2 AS day FROM participants
    UNION ALL
    SELECT participant_id, infusion_2, 16 FROM participants
),
scores AS (
    SELECT participant_id, session_id AS visit, 'MADRS' AS instrument, MADRS_Total AS total, _file, _row
    FROM visits
    UNION ALL
    SELECT participant_id, session_id, 'HAMD-6', HAMD_Bech, _file, _row FROM visits
    UNION ALL
    SELECT participant_id, session_id, 'HAM-D17', HAM17_Total, _file, _row FROM visits
)
SELECT
    scores.participant_id || '-' || visit || '-' || instrument AS outcome_id,
    scores.participant_id AS patient_id,
    CASE WHEN visit <> 'ses-b0' THEN scores.participant_id || '-' || substr(visit, 5, 1) END AS session_id,
    instrument,
    strftime(
        source.baseline_day::DATE
        + CASE visit WHEN 'ses-b0' THEN 0 ELSE coalesce(arms.day, 16) + substr(visit, 6)::INTEGER END,
        '%Y-%m-%d'
    ) || 'T09:00' AS administered_at,
    total,
    scores._file,
    scores._row
FROM scores
CROSS JOIN source
LEFT JOIN arms ON arms.participant_id = scores.participant_id AND arms.arm = substr(visit, 5, 1)
WHERE total <> 'n/a'
