-- One row is one rule, clinic and local month. rate = met / (met + not_met) with its 95 % Wilson
-- interval; documented_rate and completeness count what was not evaluable.
CREATE TABLE IF NOT EXISTS marts.rule_monthly (
    clinic_id VARCHAR NOT NULL,
    protocol VARCHAR NOT NULL,
    protocol_version VARCHAR NOT NULL,
    rule_id VARCHAR NOT NULL,
    month DATE NOT NULL,
    met BIGINT NOT NULL,
    not_met BIGINT NOT NULL,
    waived BIGINT NOT NULL,
    not_evaluable BIGINT NOT NULL,
    pending BIGINT NOT NULL,
    excluded BIGINT NOT NULL,
    rate DOUBLE,
    rate_low DOUBLE,
    rate_high DOUBLE,
    rate_without_waived DOUBLE,
    documented_rate DOUBLE,
    completeness DOUBLE
);
