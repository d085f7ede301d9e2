-- One row is one protocol version that was in the library of the run. `text` is that of its file, and
-- then of what it extends, parted by U+001E: what `sha256` is of.
CREATE TABLE IF NOT EXISTS marts.protocols (
    protocol VARCHAR NOT NULL,
    protocol_version VARCHAR NOT NULL,
    title VARCHAR NOT NULL,
    judges VARCHAR NOT NULL,
    drug VARCHAR,
    effective_from DATE NOT NULL,
    effective_to DATE,
    approved_by VARCHAR,
    sha256 VARCHAR NOT NULL,
    text VARCHAR NOT NULL
);
