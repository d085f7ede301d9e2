-- One row is one scale in one course of treatment of one patient under one protocol; of a
-- protocol's primary scale every course has a row. Scores are in the scale's points, made anew from
-- items where those were charted; days are the clinic's local ones. eligible: the baseline is high
-- enough to get better from, else response and remission are null. mature: the protocol's time for
-- its outcome (induction's end) is over, at matures_at, and delivered. prorated: how many scores had a missing item
-- made good. The last two moments bound the time under treatment that was seen.
CREATE TABLE IF NOT EXISTS marts.outcome_courses (
    clinic_id VARCHAR NOT NULL,
    patient_id VARCHAR NOT NULL,
    protocol VARCHAR NOT NULL,
    protocol_version VARCHAR NOT NULL,
    program VARCHAR,
    course INTEGER NOT NULL,
    course_started_at TIMESTAMPTZ NOT NULL,
    sessions BIGINT NOT NULL,
    instrument VARCHAR NOT NULL,
    instrument_version VARCHAR,
    is_primary BOOLEAN NOT NULL,
    outcomes BIGINT NOT NULL,
    prorated BIGINT NOT NULL,
    baseline DOUBLE,
    baseline_at TIMESTAMPTZ,
    eligible BOOLEAN,
    latest DOUBLE,
    latest_at TIMESTAMPTZ,
    best DOUBLE,
    induction_end DOUBLE,
    induction_end_at TIMESTAMPTZ,
    matures_at TIMESTAMPTZ,
    mature BOOLEAN,
    response_at_induction_end BOOLEAN,
    remission_at_induction_end BOOLEAN,
    response_ever BOOLEAN,
    remission_ever BOOLEAN,
    response_latest BOOLEAN,
    remission_latest BOOLEAN,
    reliable_change VARCHAR,
    responded_at TIMESTAMPTZ,
    days_to_response BIGINT,
    relapsed_at TIMESTAMPTZ,
    treated_until TIMESTAMPTZ NOT NULL,
    followed_until TIMESTAMPTZ
);
