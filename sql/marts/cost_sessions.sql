-- One row is one session, completed or aborted: what it cost the clinic by part, and what its
-- charges brought, in US dollars. A part is null where a rate or a time is missing; `missing` names
-- it. Money is null where the clinic never delivered charges, allowed and owed also where no charge
-- says it. patient_share is the patient's part of what was paid. The last seven count its charges:
-- answered by their payer, denied at first, pending, submitted and paid by a payer, and the days
-- that took.
CREATE TABLE IF NOT EXISTS marts.cost_sessions (
    clinic_id VARCHAR NOT NULL,
    session_id VARCHAR NOT NULL,
    patient_id VARCHAR NOT NULL,
    program VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    local_date DATE,
    payer_kind VARCHAR,
    drug_usd DECIMAL(18, 6),
    waste_usd DECIMAL(18, 6),
    staff_usd DECIMAL(18, 6),
    room_usd DECIMAL(18, 6),
    supplies_usd DECIMAL(18, 6),
    overhead_usd DECIMAL(18, 6),
    cost_usd DECIMAL(18, 6),
    missing VARCHAR[] NOT NULL,
    charges BIGINT NOT NULL,
    billed_usd DECIMAL(18, 6),
    allowed_usd DECIMAL(18, 6),
    payer_paid_usd DECIMAL(18, 6),
    patient_owed_usd DECIMAL(18, 6),
    patient_paid_usd DECIMAL(18, 6),
    patient_share DOUBLE,
    margin_usd DECIMAL(18, 6),
    billed_to_patient_on DATE,
    answered BIGINT NOT NULL,
    denied_first BIGINT NOT NULL,
    pending BIGINT NOT NULL,
    submitted BIGINT NOT NULL,
    submit_days BIGINT NOT NULL,
    payments BIGINT NOT NULL,
    payment_days BIGINT NOT NULL
);
