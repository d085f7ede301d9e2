-- One row is the mature courses of one clinic, protocol and programme that started in one local
-- month, by their protocol's primary scale at induction's end. A course without an outcome then, or
-- without a baseline, did not respond and is counted apart; rates (with 95 % Wilson limits) leave
-- out courses whose baseline was below the scale's minimum.
CREATE TABLE IF NOT EXISTS marts.outcome_cohorts (
    clinic_id VARCHAR NOT NULL,
    protocol VARCHAR NOT NULL,
    program VARCHAR,
    instrument VARCHAR NOT NULL,
    month DATE NOT NULL,
    courses_started BIGINT NOT NULL,
    courses_without_outcome BIGINT NOT NULL,
    courses_without_baseline BIGINT NOT NULL,
    courses_below_minimum BIGINT NOT NULL,
    responders BIGINT NOT NULL,
    remitters BIGINT NOT NULL,
    response_rate DOUBLE,
    response_low DOUBLE,
    response_high DOUBLE,
    remission_rate DOUBLE,
    remission_low DOUBLE,
    remission_high DOUBLE
);
