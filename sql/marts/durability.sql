-- One row is one day of one Kaplan-Meier curve of how long responses last, over the whole network:
-- day 0, and each day on which a course relapsed or was censored. at_risk is counted just before
-- the day's relapses. Limits are 95 % log-log ones. `note` is part of the figure: it must be shown
-- wherever the curve is.
CREATE TABLE IF NOT EXISTS marts.durability (
    protocol VARCHAR NOT NULL,
    program VARCHAR,
    instrument VARCHAR NOT NULL,
    "group" VARCHAR NOT NULL,
    note VARCHAR NOT NULL,
    day BIGINT NOT NULL,
    at_risk BIGINT NOT NULL,
    relapsed BIGINT NOT NULL,
    censored BIGINT NOT NULL,
    survival DOUBLE NOT NULL,
    survival_low DOUBLE,
    survival_high DOUBLE
);
