-- One row is one rule on one subject: narrow, with numbers for marts.subjects and marts.rules.
CREATE TABLE IF NOT EXISTS marts.verdicts (
    subject_no UINTEGER NOT NULL,
    rule_no USMALLINT NOT NULL,
    status ENUM ('met', 'not_met', 'not_evaluable', 'pending', 'excluded') NOT NULL,
    observed DOUBLE,
    waived BOOLEAN NOT NULL
);
