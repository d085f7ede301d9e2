-- One row is one rule of one protocol version: what it `asks` in plain words, and the `feeds` that
-- it looks at.
CREATE TABLE IF NOT EXISTS marts.rules (
    rule_no USMALLINT NOT NULL,
    protocol VARCHAR NOT NULL,
    protocol_version VARCHAR NOT NULL,
    rule_id VARCHAR NOT NULL,
    title VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    severity VARCHAR NOT NULL,
    tier VARCHAR NOT NULL,
    asks VARCHAR NOT NULL,
    target DOUBLE,
    citation VARCHAR,
    feeds VARCHAR[] NOT NULL
);
