-- One row is one credential of someone at work that has expired, or will within 90 days.
-- expires_on is its last day; days_left are counted from the clinic's local day of as_of and are
-- negative once it has expired. No name: the clinic knows its staff_id.
CREATE TABLE IF NOT EXISTS marts.credentials_due (
    clinic_id VARCHAR NOT NULL,
    staff_id VARCHAR NOT NULL,
    role VARCHAR NOT NULL,
    credential VARCHAR NOT NULL,
    expires_on DATE NOT NULL,
    days_left BIGINT NOT NULL,
    status VARCHAR NOT NULL
);
