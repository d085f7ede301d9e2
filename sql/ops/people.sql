-- One row is a patient record of a person who has another one, at this clinic or elsewhere: records
-- of one person have the same number. found_by: person_id, keys or scores, the surest that led to it.
CREATE TABLE IF NOT EXISTS ops.people (
    clinic_id VARCHAR NOT NULL,
    patient_id VARCHAR NOT NULL,
    person BIGINT NOT NULL,
    found_by VARCHAR NOT NULL
);
