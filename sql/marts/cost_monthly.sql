-- One row is the sessions of one clinic, programme, payer and local month. Costs, and ratios of
-- costs, are of the sessions whose cost is known (sessions_costed); a ratio of nothing is null.
-- Denials are of first answers; days are means, from service to submission and from there to
-- payment.
CREATE TABLE IF NOT EXISTS marts.cost_monthly (
    clinic_id VARCHAR NOT NULL,
    program VARCHAR NOT NULL,
    payer_kind VARCHAR,
    month DATE,
    sessions BIGINT NOT NULL,
    sessions_costed BIGINT NOT NULL,
    sessions_without_charge BIGINT NOT NULL,
    compliant_sessions BIGINT NOT NULL,
    compliant_costed BIGINT NOT NULL,
    cost_usd DECIMAL(18, 6),
    cost_per_session_usd DECIMAL(18, 6),
    cost_per_compliant_session_usd DECIMAL(18, 6),
    billed_usd DECIMAL(18, 6),
    allowed_usd DECIMAL(18, 6),
    payer_paid_usd DECIMAL(18, 6),
    patient_owed_usd DECIMAL(18, 6),
    patient_paid_usd DECIMAL(18, 6),
    margin_usd DECIMAL(18, 6),
    charges_pending BIGINT NOT NULL,
    charges_answered BIGINT NOT NULL,
    charges_denied_first BIGINT NOT NULL,
    first_pass_denial_rate DOUBLE,
    first_pass_denial_low DOUBLE,
    first_pass_denial_high DOUBLE,
    days_to_submit DOUBLE,
    days_to_payment DOUBLE
);
