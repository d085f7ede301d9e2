-- One row is one course that responded on its protocol's primary scale while it was treated: after
-- how many local days it relapsed, else was last seen not to have; psychotherapy: it had that by the
-- landmark. Curves of durability are made of these rows; they are not published.
CREATE TABLE IF NOT EXISTS marts.outcome_responses (
    clinic_id VARCHAR NOT NULL,
    patient_id VARCHAR NOT NULL,
    protocol VARCHAR NOT NULL,
    course INTEGER NOT NULL,
    program VARCHAR,
    instrument VARCHAR NOT NULL,
    days BIGINT,
    relapsed BOOLEAN NOT NULL,
    psychotherapy BOOLEAN NOT NULL
);
