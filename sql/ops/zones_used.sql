-- One row is the time zone under which a clinic's local times in a feed's facts were read; when a
-- clinic's zone is corrected, the feed is read again from raw.
CREATE TABLE IF NOT EXISTS ops.zones_used (
    feed VARCHAR NOT NULL,
    clinic_id VARCHAR NOT NULL,
    time_zone VARCHAR NOT NULL
);
