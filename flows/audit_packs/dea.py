"""The pack for the DEA: what came in, went out and is left of controlled drugs, with names."""

from __future__ import annotations

from flows.audit_packs.bundle import Bundle
from flows.audit_packs.scope import Scope, Table, day, local, read, within
from flows.warehouse import Warehouse
from protocols.legal import legal_facts

_ENTRY = (
    f"{local('occurred_at', 'occurred')}, lot, drug, amount_mg::DOUBLE AS amount_mg, actor_id, "
    "witness_id"
)
_BOOK = f"FROM facts.inventory WHERE clinic_id = $clinic AND {within('occurred_at')}"
_RECEIPTS = (
    f"SELECT entry_id, {_ENTRY} {_BOOK} AND kind = 'received' ORDER BY occurred_at, entry_id"
)
_LOG = f"""
WITH given AS (
    SELECT 'administered' AS what, dose_id AS record_id, session_id, patient_id,
        started_at AS moment, drug, route AS form_or_route, amount_mg, devices AS quantity, lot,
        acquisition, administered_by AS by_id, NULL AS prescriber_id, NULL AS prescription
    FROM facts.doses WHERE clinic_id = $clinic AND {within("started_at")}
    UNION ALL
    SELECT 'dispensed', dispense_id, NULL, patient_id, dispensed_at, drug, form,
        strength_mg * quantity, quantity, lot, NULL, NULL, prescriber_id, rx_id
    FROM facts.dispenses
    WHERE clinic_id = $clinic AND source IS DISTINCT FROM 'pharmacy' AND {within("dispensed_at")})
SELECT {local("moment", "given")}, what, p.family_name, p.given_name, '' AS address, drug,
    form_or_route, amount_mg::DOUBLE AS amount_mg, quantity::DOUBLE AS quantity, lot, acquisition,
    by_id AS given_by, coalesce(g.prescriber_id, s.prescriber_id) AS prescriber_id, prescription,
    record_id, g.session_id
FROM given g LEFT JOIN (SELECT * FROM facts.patients WHERE clinic_id = $clinic) p USING (patient_id)
LEFT JOIN (SELECT session_id, prescriber_id FROM facts.sessions WHERE clinic_id = $clinic) s
    ON s.session_id = g.session_id
ORDER BY moment, what, record_id
"""
_WASTE = f"""
WITH wasted AS (
    SELECT 'chart' AS source, dose_id AS record_id, session_id,
        coalesce(ended_at, started_at) AS moment, lot, drug, opened_mg, amount_mg AS given_mg,
        wasted_mg, administered_by AS by_id, waste_witness_id AS witness_id
    FROM facts.doses WHERE clinic_id = $clinic AND wasted_mg > 0
    UNION ALL
    SELECT 'stock book', entry_id, session_id, occurred_at, lot, drug, NULL, NULL, amount_mg,
        actor_id, witness_id
    FROM facts.inventory WHERE clinic_id = $clinic AND kind = 'wasted')
SELECT {local("moment", "wasted")}, source, lot, drug, opened_mg::DOUBLE AS opened_mg,
    given_mg::DOUBLE AS given_mg, wasted_mg::DOUBLE AS wasted_mg, by_id AS wasted_by, witness_id,
    CASE WHEN witness_id IS NULL THEN 'no witness' WHEN witness_id = by_id THEN 'by the same person'
        ELSE 'yes' END AS witnessed,
    session_id, record_id
FROM wasted WHERE {within("moment")} ORDER BY moment, source, record_id
"""
_COUNTS = f"SELECT entry_id, {_ENTRY} {_BOOK} AND kind = 'count' ORDER BY occurred_at, entry_id"
_VARIANCES = f"""
SELECT lot, drug, received_mg::DOUBLE AS received_mg, administered_mg::DOUBLE AS administered_mg,
    dispensed_mg::DOUBLE AS dispensed_mg, wasted_mg::DOUBLE AS wasted_mg,
    other_out_mg::DOUBLE AS other_out_mg, expected_mg::DOUBLE AS expected_mg,
    counted_mg::DOUBLE AS counted_mg, variance_mg::DOUBLE AS variance_mg,
    {local("counted_at", "counted")}, on_hand_mg::DOUBLE AS on_hand_mg
FROM marts.lot_balance b WHERE clinic_id = $clinic AND EXISTS (FROM facts.inventory i
    WHERE i.clinic_id = $clinic AND i.lot = b.lot AND i.drug = b.drug AND {within("i.occurred_at")})
ORDER BY abs(variance_mg) DESC NULLS LAST, lot
"""
_OTHER = (
    f"SELECT entry_id, kind, {_ENTRY} {_BOOK} AND kind IN ('returned', 'transferred', 'destroyed', "
    "'expired', 'broken') ORDER BY occurred_at, entry_id"
)
_LOSSES = f"""
SELECT c.name AS location, i.clinic_id, entry_id, {_ENTRY}, {local("discovered_at", "discovered")},
    {local("dea_notified_at", "dea_notified")},
    CASE WHEN dea_notified_at >= discovered_at THEN (SELECT count(*) FROM generate_series(
        {day("discovered_at")} + 1, {day("dea_notified_at")}, INTERVAL 1 DAY) AS days(passed)
        WHERE isodow(passed) < 6) END AS weekdays_to_notice,
    {local("form106_submitted_at", "form_106_submitted")},
    date_diff('day', {day("discovered_at")}, {day("form106_submitted_at")}) AS days_to_form_106
FROM facts.inventory i JOIN facts.clinics c USING (clinic_id)
WHERE clinic_id = $clinic AND kind = 'lost'
    AND ({within("occurred_at")} OR {within("discovered_at")})
ORDER BY occurred_at, entry_id
"""
_LAW = "theft-and-loss"


def dea_pack(warehouse: Warehouse, scope: Scope) -> Bundle:
    """Every record of controlled drugs of the period, the log with patients' names."""

    def table(name: str, title: str, says: str, select: str) -> Table:
        return read(warehouse, scope, name, title, says, select)

    law = next(fact for fact in legal_facts() if fact.id == _LAW)
    return Bundle(
        kind="pack dea",
        title="DEA pack: controlled drugs",
        scope=scope,
        named=True,
        notes=[
            "The address column of the log is blank: no feed of Keel holds patients' addresses. "
            "Fill it in from the chart before you hand the log over.",
            "What a pharmacy dispensed is the pharmacy's to log, and not in it.",
            "Amounts are in mg. Staff are named by their staff_id.",
            f"{law.says} ({law.citation}) Weekdays leave out Saturdays and Sundays, not holidays.",
        ],
        tables=[
            table("receipts", "Receipts", "One receipt of a lot.", _RECEIPTS),
            table("log", "Administration and dispensing log", "One dose given, or one supply "
                  "dispensed by the clinic.", _LOG),
            table("waste", "Waste", "One waste, as the chart has it and as the stock book has it.",
                  _WASTE),
            table("counts", "Counts", "One count of a lot.", _COUNTS),
            table("variances", "Variances", "One lot that moved in the period, from its first "
                  "entry to its latest count by the run's as_of; variance = counted - expected.",
                  _VARIANCES),
            table("other_movements", "Other movements", "One return, transfer, destruction, expiry "
                  "or breakage.", _OTHER),
            table("losses", "Losses by location", "One loss that happened or was discovered in the "
                  "period.", _LOSSES),
        ],
    )  # fmt: skip
