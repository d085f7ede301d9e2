-- One row is one session with a dose of esketamine whose REMS monitoring form was not sent.
-- due_on is the seventh local day after the first dose's; days_left are counted from the clinic's
-- local day of as_of and are negative once the form is late.
CREATE TABLE IF NOT EXISTS marts.rems_forms_due (
    clinic_id VARCHAR NOT NULL,
    session_id VARCHAR NOT NULL,
    patient_id VARCHAR NOT NULL,
    program VARCHAR NOT NULL,
    dosed_at TIMESTAMPTZ NOT NULL,
    due_on DATE NOT NULL,
    days_left BIGINT NOT NULL,
    status VARCHAR NOT NULL
);
