-- One row is the no-shows of one clinic, programme and local month of their appointment: the room
-- for the minutes that were booked and the staff of a session, in US dollars, of those whose cost is
-- known (no_shows_costed).
CREATE TABLE IF NOT EXISTS marts.cost_no_shows (
    clinic_id VARCHAR NOT NULL,
    program VARCHAR NOT NULL,
    month DATE,
    no_shows BIGINT NOT NULL,
    no_shows_costed BIGINT NOT NULL,
    scheduled_minutes BIGINT NOT NULL,
    cost_usd DECIMAL(18, 6)
);
