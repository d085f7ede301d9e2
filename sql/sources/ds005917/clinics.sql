-- The trial as one clinic; its row stands for the first participant's.
SELECT
    source.clinic AS clinic_id,
    'NIMH ketamine trial (ds005917)' AS name,
    source.time_zone,
    participants._file,
    participants._row
FROM participants
CROSS JOIN source
ORDER BY participants._row
LIMIT 1
