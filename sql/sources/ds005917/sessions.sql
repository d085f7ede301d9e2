-- One row is one infusion of the cross-over, ketamine (d) or placebo (p); its program is the arm.
-- derived: started_at: 10:00 two days (first infusion) or 16 days (second) after the declared baseline day
WITH infusions AS (
    SELECT participant_id, infusion_1 AS arm, 2 AS day, _file, _row FROM participants
    UNION ALL
    SELECT participant_id, infusion_2, 16, _file, _row FROM participants
)
SELECT
    participant_id || '-' || arm AS session_id,
    participant_id AS patient_id,
    CASE arm WHEN 'd' THEN 'ketamine' ELSE 'placebo' END AS program,
    'completed' AS status,
    'IV' AS route,
    strftime(source.baseline_day::DATE + day, '%Y-%m-%d') || 'T10:00' AS started_at,
    _file,
    _row
FROM infusions, source
WHERE arm IN ('d', 'p')
