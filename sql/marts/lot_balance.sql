-- One row is one lot of one drug at one clinic: milligrams in and out by its stock book, and the
-- latest count against what the movements before it say (variance_mg = counted_mg - expected_mg at
-- counted_at, null without a count). other_out_mg: returned, transferred, destroyed, expired, broken,
-- lost.
CREATE TABLE IF NOT EXISTS marts.lot_balance (
    clinic_id VARCHAR NOT NULL,
    lot VARCHAR NOT NULL,
    drug VARCHAR NOT NULL,
    received_mg DOUBLE NOT NULL,
    administered_mg DOUBLE NOT NULL,
    dispensed_mg DOUBLE NOT NULL,
    wasted_mg DOUBLE NOT NULL,
    other_out_mg DOUBLE NOT NULL,
    expected_mg DOUBLE NOT NULL,
    counted_mg DOUBLE,
    variance_mg DOUBLE,
    counted_at TIMESTAMPTZ
);
