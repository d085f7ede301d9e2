-- One row is one outcome with something wrong in its items or total (`protocols/scoring.py` lists
-- the warnings). It is kept, not quarantined: it may hide a positive screen. score is what counts
-- (null: none does); charted is the total on the form; both in the scale's points.
CREATE TABLE IF NOT EXISTS marts.outcome_warnings (
    clinic_id VARCHAR NOT NULL,
    outcome_id VARCHAR NOT NULL,
    patient_id VARCHAR NOT NULL,
    session_id VARCHAR,
    instrument VARCHAR NOT NULL,
    administered_at TIMESTAMPTZ NOT NULL,
    warning VARCHAR NOT NULL,
    charted DOUBLE,
    score DOUBLE
);
