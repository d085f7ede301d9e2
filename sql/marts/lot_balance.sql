-- One row is one lot of one drug at one clinic: milligrams in and out by its stock book up to its
-- latest count (up to as_of where it was never counted), what they say is there, what was counted, and
-- variance_mg = counted_mg - expected_mg. other_out_mg: returned, transferred, destroyed, expired,
-- broken, lost. on_hand_mg is what is there at as_of: the latest count and what moved since.
CREATE TABLE IF NOT EXISTS marts.lot_balance (
    clinic_id VARCHAR NOT NULL,
    lot VARCHAR NOT NULL,
    drug VARCHAR NOT NULL,
    received_mg DECIMAL(18, 6) NOT NULL,
    administered_mg DECIMAL(18, 6) NOT NULL,
    dispensed_mg DECIMAL(18, 6) NOT NULL,
    wasted_mg DECIMAL(18, 6) NOT NULL,
    other_out_mg DECIMAL(18, 6) NOT NULL,
    expected_mg DECIMAL(18, 6) NOT NULL,
    counted_mg DECIMAL(18, 6),
    variance_mg DECIMAL(18, 6),
    counted_at TIMESTAMPTZ,
    on_hand_mg DECIMAL(18, 6) NOT NULL
);
