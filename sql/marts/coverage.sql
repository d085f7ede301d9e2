-- One row is one clinic, programme and local month: sessions judged, aborted without a dose of the
-- drug, and those that no protocol with programmes governs.
CREATE TABLE IF NOT EXISTS marts.coverage (
    clinic_id VARCHAR NOT NULL,
    program VARCHAR,
    month DATE,
    judged BIGINT NOT NULL,
    not_dosed BIGINT NOT NULL,
    uncovered BIGINT NOT NULL
);
