-- One row is one thing that was charted at one moment of a session with a page: a moment of the
-- session itself, a vital sign, a dose (until its end), a screening, a contact or an adverse event.
-- kind is the column, the drug or the kind; `value` is a number in that column's unit (doses: mg),
-- `word` a value of a closed list. No text that somebody typed.
CREATE TABLE IF NOT EXISTS marts.session_events (
    clinic_id VARCHAR NOT NULL,
    session_id VARCHAR NOT NULL,
    happened_at TIMESTAMPTZ NOT NULL,
    until_at TIMESTAMPTZ,
    feed VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    value DOUBLE,
    word VARCHAR
);
