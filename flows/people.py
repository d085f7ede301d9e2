"""People across clinics: which patient records are one person's (`marts.people`)."""

from __future__ import annotations

from flows.warehouse import Warehouse
from protocols.risk import Risk


def find_people(warehouse: Warehouse, held: Risk) -> None:
    """Replace `marts.people`: records with the same network-wide person_id are one person's."""
    warehouse.db.execute("DELETE FROM marts.people")
    warehouse.db.execute(
        "INSERT INTO marts.people BY NAME SELECT clinic_id, patient_id, "
        "dense_rank() OVER (ORDER BY first) AS person, 'person_id' AS found_by FROM ("
        "SELECT clinic_id, patient_id, min((clinic_id, patient_id)) OVER same AS first, "
        "count(*) OVER same AS records FROM facts.patients WHERE person_id <> '' "
        "WINDOW same AS (PARTITION BY person_id)) WHERE records > 1 ORDER BY ALL"
    )
