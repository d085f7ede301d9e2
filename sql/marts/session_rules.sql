-- One row is one rule's verdict on one session with a page, and when the rule looks (null: open, not
-- charted, or at no time).
CREATE TABLE IF NOT EXISTS marts.session_rules (
    clinic_id VARCHAR NOT NULL,
    session_id VARCHAR NOT NULL,
    protocol VARCHAR NOT NULL,
    protocol_version VARCHAR NOT NULL,
    rule_id VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    observed DOUBLE,
    waived BOOLEAN NOT NULL,
    starts_at TIMESTAMPTZ,
    ends_at TIMESTAMPTZ
);
