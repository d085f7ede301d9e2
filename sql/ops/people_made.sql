-- What ops.people was made from: a digest of the patient records, and of how they are compared.
CREATE TABLE IF NOT EXISTS ops.people_made (
    records VARCHAR NOT NULL,
    compared VARCHAR NOT NULL
);
