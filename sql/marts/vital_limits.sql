-- One row is one number that one rule holds one vital sign against, in that column's unit.
CREATE TABLE IF NOT EXISTS marts.vital_limits (
    protocol VARCHAR NOT NULL,
    protocol_version VARCHAR NOT NULL,
    rule_id VARCHAR NOT NULL,
    column_name VARCHAR NOT NULL,
    value DOUBLE NOT NULL
);
