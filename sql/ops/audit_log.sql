-- One row is one act that someone answers for (who looked behind a pseudonym). Chained: `entry_hash`
-- is the SHA-256 of `previous_hash` and the entry's canonical text, so that a row that is changed,
-- moved or taken out shows. `actor` is the account on the machine; never a cell value.
CREATE TABLE IF NOT EXISTS ops.audit_log (
    entry_no BIGINT NOT NULL,
    acted_at TIMESTAMPTZ NOT NULL,
    actor VARCHAR NOT NULL,
    act VARCHAR NOT NULL,
    subject VARCHAR,
    outcome VARCHAR NOT NULL,
    previous_hash VARCHAR NOT NULL,
    entry_hash VARCHAR NOT NULL
);
