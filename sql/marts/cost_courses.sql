-- One row is one course of treatment of one patient under one protocol: what its sessions cost
-- (null unless the cost of each is known) and brought. treated_until: the last start and
-- the protocol's gap; ended: no session until then, and that was delivered. ended_after_bill: the last session was not later than the
-- patient's first bill, and shortly before it; null while the course goes on, or without a bill.
CREATE TABLE IF NOT EXISTS marts.cost_courses (
    clinic_id VARCHAR NOT NULL,
    patient_id VARCHAR NOT NULL,
    protocol VARCHAR NOT NULL,
    protocol_version VARCHAR NOT NULL,
    program VARCHAR,
    course INTEGER NOT NULL,
    course_started_at TIMESTAMPTZ NOT NULL,
    sessions BIGINT NOT NULL,
    sessions_costed BIGINT NOT NULL,
    cost_usd DECIMAL(18, 6),
    cost_by_outcome_usd DECIMAL(18, 6),
    billed_usd DECIMAL(18, 6),
    allowed_usd DECIMAL(18, 6),
    payer_paid_usd DECIMAL(18, 6),
    patient_owed_usd DECIMAL(18, 6),
    patient_paid_usd DECIMAL(18, 6),
    patient_share DOUBLE,
    last_session_on DATE NOT NULL,
    treated_until TIMESTAMPTZ NOT NULL,
    first_bill_on DATE,
    ended BOOLEAN NOT NULL,
    ended_after_bill BOOLEAN
);
