-- One row is one session, completed or aborted: whether any protocol judged it, whether it was
-- aborted without a dose of the drug, and whether no protocol with programmes governs it.
CREATE TABLE IF NOT EXISTS marts.governance (
    clinic_id VARCHAR NOT NULL,
    session_id VARCHAR NOT NULL,
    patient_id VARCHAR NOT NULL,
    program VARCHAR,
    month DATE,
    judged BOOLEAN NOT NULL,
    not_dosed BOOLEAN NOT NULL,
    uncovered BOOLEAN NOT NULL
);
