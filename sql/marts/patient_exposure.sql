-- One row is what one patient was given and was handed out of one drug, in milligrams as charted and
-- as if given into a vein (protocols/risk.yaml, exposure), over all that was charted up to as_of.
-- What was handed out need not have been taken: the two are never added up. unknown_route: doses and
-- supplies whose route or form is unknown, which are in no *_iv_mg.
CREATE TABLE IF NOT EXISTS marts.patient_exposure (
    clinic_id VARCHAR NOT NULL,
    patient_id VARCHAR NOT NULL,
    drug VARCHAR NOT NULL,
    doses BIGINT NOT NULL,
    given_mg DOUBLE NOT NULL,
    given_iv_mg DOUBLE NOT NULL,
    supplies BIGINT NOT NULL,
    dispensed_mg DOUBLE NOT NULL,
    dispensed_iv_mg DOUBLE NOT NULL,
    unknown_route BIGINT NOT NULL,
    first_at TIMESTAMPTZ NOT NULL,
    last_at TIMESTAMPTZ NOT NULL
);
