-- One row is what was observed of one signal at one subject, whether that reached the threshold or
-- not: what another threshold would say follows from it.
CREATE TABLE IF NOT EXISTS marts.risk_observations (
    clinic_id VARCHAR NOT NULL,
    subject_kind VARCHAR NOT NULL,
    subject_id VARCHAR NOT NULL,
    signal VARCHAR NOT NULL,
    observed DOUBLE NOT NULL,
    threshold DOUBLE NOT NULL
);
