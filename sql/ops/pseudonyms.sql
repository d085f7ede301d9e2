-- One row is one patient and the keyed pseudonym that stands for them in published runs.
CREATE TABLE IF NOT EXISTS ops.pseudonyms (
    clinic_id VARCHAR NOT NULL,
    patient_id VARCHAR NOT NULL,
    pseudonym VARCHAR NOT NULL
);
