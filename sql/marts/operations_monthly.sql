-- One row is one clinic, programme and local month. Sessions are counted by the month of
-- scheduled_at, else of their start (month null: neither was charted); booked + cancelled +
-- unscheduled are all of them. Chair and open minutes lie in the month in which they passed;
-- open_minutes and chairs are the whole clinic's, the same in each programme's row: never add them
-- up, utilisations of programmes may be. shared_minutes are those that another session in the same
-- chair already counts. Medians are of the `waits` and `observations` that could
-- be measured.
CREATE TABLE IF NOT EXISTS marts.operations_monthly (
    clinic_id VARCHAR NOT NULL,
    program VARCHAR NOT NULL,
    month DATE,
    booked BIGINT NOT NULL,
    completed BIGINT NOT NULL,
    aborted BIGINT NOT NULL,
    no_show BIGINT NOT NULL,
    cancelled_late BIGINT NOT NULL,
    cancelled BIGINT NOT NULL,
    unreconciled BIGINT NOT NULL,
    awaiting_delivery BIGINT NOT NULL,
    upcoming BIGINT NOT NULL,
    unscheduled BIGINT NOT NULL,
    chair_minutes DOUBLE NOT NULL,
    shared_minutes DOUBLE NOT NULL,
    chair_time_unknown BIGINT NOT NULL,
    chair_unknown BIGINT NOT NULL,
    chairs BIGINT,
    open_minutes DOUBLE,
    utilisation DOUBLE,
    waits BIGINT NOT NULL,
    wait_minutes_median DOUBLE,
    observations BIGINT NOT NULL,
    observation_minutes_median DOUBLE
);
