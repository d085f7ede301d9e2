-- One row is the mature courses of one clinic, protocol and programme that started in one local
-- month: what all of them cost for each that responded, or remitted, at induction's end. Costs, and
-- ratios of costs, are of the courses whose cost is known (courses_costed, responders_costed,
-- remitters_costed). cost_usd is of whole courses up to now, cost_by_outcome_usd up to the last day
-- of the protocol's time for its outcome. A month of response has 30.4375 days.
CREATE TABLE IF NOT EXISTS marts.cost_cohorts (
    clinic_id VARCHAR NOT NULL,
    protocol VARCHAR NOT NULL,
    program VARCHAR,
    instrument VARCHAR NOT NULL,
    month DATE NOT NULL,
    courses_started BIGINT NOT NULL,
    courses_without_outcome BIGINT NOT NULL,
    courses_costed BIGINT NOT NULL,
    responders BIGINT NOT NULL,
    remitters BIGINT NOT NULL,
    responders_costed BIGINT NOT NULL,
    remitters_costed BIGINT NOT NULL,
    response_days BIGINT NOT NULL,
    cost_usd DECIMAL(18, 6),
    cost_by_outcome_usd DECIMAL(18, 6),
    cost_per_responder_usd DECIMAL(18, 6),
    cost_per_remitter_usd DECIMAL(18, 6),
    cost_by_outcome_per_responder_usd DECIMAL(18, 6),
    cost_by_outcome_per_remitter_usd DECIMAL(18, 6),
    cost_per_response_month_usd DECIMAL(18, 6)
);
