-- One row is one positive screen for suicidality and the patient's next contact after it. hours are
-- from the screen to that contact. Not a real-time alarm: it is as late as the deliveries.
CREATE TABLE IF NOT EXISTS marts.suicidality_followup (
    clinic_id VARCHAR NOT NULL,
    patient_id VARCHAR NOT NULL,
    outcome_id VARCHAR NOT NULL,
    session_id VARCHAR,
    positive_at TIMESTAMPTZ NOT NULL,
    instrument VARCHAR NOT NULL,
    level VARCHAR NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    next_contact_at TIMESTAMPTZ,
    hours DOUBLE,
    status VARCHAR NOT NULL,
    note VARCHAR NOT NULL
);
