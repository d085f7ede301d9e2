-- One row is one infusion of the cross-over, ketamine (d) or placebo (p); its program is the arm.
-- derived: started_at: 10:00 local time, 2 days (first infusion) or 16 days (second) after the source's baseline_day
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
    (source.baseline_day::DATE + day) || 'T10:00' AS started_at,
    _file,
    _row
FROM infusions
CROSS JOIN source
WHERE arm IN ('d', 'p')
