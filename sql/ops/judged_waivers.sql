-- One row is a rule on a subject that was waived at the latest judging.
CREATE TABLE IF NOT EXISTS ops.judged_waivers (
    clinic_id VARCHAR NOT NULL,
    subject_id VARCHAR NOT NULL,
    rule_id VARCHAR NOT NULL
);
