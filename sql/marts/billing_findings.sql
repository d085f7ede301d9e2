-- One row is one charge that disagrees with a check of billing codes (`protocols/costs.yaml`), or
-- cannot be checked.
CREATE TABLE IF NOT EXISTS marts.billing_findings (
    clinic_id VARCHAR NOT NULL,
    charge_id VARCHAR NOT NULL,
    patient_id VARCHAR NOT NULL,
    session_id VARCHAR,
    payer_kind VARCHAR NOT NULL,
    service_on DATE NOT NULL,
    code VARCHAR NOT NULL,
    billed_usd DECIMAL(18, 6) NOT NULL,
    check_id VARCHAR NOT NULL,
    title VARCHAR NOT NULL,
    tier VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    reason VARCHAR NOT NULL
);
