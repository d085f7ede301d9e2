-- One row is a patient record of a person who has another one, at this clinic or elsewhere: records
-- of one person have the same number. How it was found: person_id, keys or scores.
CREATE TABLE IF NOT EXISTS marts.people (
    clinic_id VARCHAR NOT NULL,
    patient_id VARCHAR NOT NULL,
    person BIGINT NOT NULL,
    found_by VARCHAR NOT NULL
);
