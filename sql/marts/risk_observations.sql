-- One row is what was observed of one signal at one subject, whether that reached the threshold or
-- not: what another threshold would say follows from it. At leaves_at the first of the events that
-- it was made of is no longer in the signal's window; null without one.
CREATE TABLE IF NOT EXISTS marts.risk_observations (
    clinic_id VARCHAR NOT NULL,
    subject_kind VARCHAR NOT NULL,
    subject_id VARCHAR NOT NULL,
    signal VARCHAR NOT NULL,
    observed DOUBLE NOT NULL,
    threshold DOUBLE NOT NULL,
    leaves_at TIMESTAMPTZ
);
