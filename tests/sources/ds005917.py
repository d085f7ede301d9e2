"""Settings of the real trial's export, and a made-up one of the same layout."""

from __future__ import annotations

import tomllib
from pathlib import Path

from flows.settings import SourceSettings

REAL = Path(__file__).parents[3] / "shared" / "data" / "ketamine-rct-ds005917"

SETTINGS = """
landing = "landing"
warehouse = "warehouse"
publish = "published"
as_of = "2010-06-01T00:00:00Z"

[[source]]
system = "ds005917"
clinic = "nimh"

[source.files]
participants = '{folder}/participants.tsv'
visits = '{folder}/phenotype.tsv'

[source.constants]
baseline_day = 2010-01-04
time_zone = "America/New_York"

[source.skip.visits]
not_a_visit = "session_id = 'n/a'"
no_score = "MADRS_Total = 'n/a' AND HAMD_Bech = 'n/a' AND HAM17_Total = 'n/a'"
"""

PARTICIPANTS = """participant_id\tage\tsex\tBMI\tgroup\tinfusion_1\tinfusion_2
sub-X1\t30\tF\t22.0\tMDD\td\tp
sub-X2\t41\tM\t25.5\tMDD\tp\td
sub-X3\t50\tn/a\tn/a\tHC\td\tn/a
"""

VISITS = """participant_id\tsession_id\tMADRS_Total\tHAMD_Bech\tHAM17_Total
sub-X1\tses-b0\t30\t12\t20
sub-X1\tses-d2\t12\t5\tn/a
sub-X1\tses-d10\tn/a\tn/a\tn/a
sub-X2\tses-b0\t34\t13\t22
sub-X2\tses-p2\t33\t12\t21
sub-X2\tses-d2\t20\t8\t14
sub-X3\tses-b0\t1\t0\t1
sub-X9\tn/a\tn/a\tn/a\tn/a
"""

# group, arm and day of each MADRS beside the patient's ses-b0, in the warehouse's facts
CHANGE = """
SELECT
    p.indication AS "group",
    s.program AS arm,
    (o.administered_at AT TIME ZONE c.time_zone)::DATE
        - (s.started_at AT TIME ZONE c.time_zone)::DATE AS day,
    count(*) AS n,
    round(avg(b.total), 3) AS baseline,
    round(avg(o.total), 3) AS total,
    count(*) FILTER (o.total <= b.total / 2) AS halved
FROM facts.outcomes o
JOIN facts.sessions s USING (clinic_id, session_id)
JOIN facts.patients p ON p.clinic_id = o.clinic_id AND p.patient_id = o.patient_id
JOIN facts.clinics c ON c.clinic_id = o.clinic_id
JOIN facts.outcomes b
    ON b.clinic_id = o.clinic_id AND b.patient_id = o.patient_id
    AND b.instrument = o.instrument AND b.session_id IS NULL
WHERE o.instrument = 'MADRS'
GROUP BY ALL
"""


def made_up(folder: Path) -> Path:
    """A folder with a small export of the trial's layout."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "participants.tsv").write_text(PARTICIPANTS)
    (folder / "phenotype.tsv").write_text(VISITS)
    return folder


def source(folder: Path) -> SourceSettings:
    """The settings' one source, reading from a folder."""
    settings = tomllib.loads(SETTINGS.format(folder=folder))
    return SourceSettings.model_validate(settings["source"][0])
