"""The sample network on disk: several nights of deliveries, with corrections and late rows."""

from __future__ import annotations

import csv
import shutil
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from flows.demo.calendar import LAST_DAY, Clinic, end_of_last_day, network_clinics
from flows.demo.care import treat
from flows.demo.deliveries import NIGHTS, deliver, extracted, write
from flows.demo.follow_up import follow
from flows.demo.identity import come_from, note_people
from flows.demo.money import bill, plant_codes, rates
from flows.demo.people import Care, admit, employ
from flows.demo.planting import Planting, Truth
from flows.demo.plants import plant
from flows.demo.risks import plant_risks, share_persons
from flows.demo.site import clinic_rows, hour_rows
from flows.demo.staff_habits import charted, hand_out_more
from flows.demo.supply import dispense, supply

MARKER = ".keel-demo"


@dataclass(frozen=True)
class DemoSummary:
    """What was written: the instant to judge it at, rows by feed, planted truths."""

    as_of: datetime
    rows: dict[str, int]
    planted: int


def is_demo_folder(folder: Path) -> bool:
    """Whether Keel's demo wrote this folder, so that it may rewrite it."""
    return (folder / MARKER).is_file()


def write_network(
    folder: Path,
    *,
    clinics: int = 6,
    patients: int = 240,
    days: int = 120,
    seed: int = 1,
    file_format: str = "csv",
    clean: bool = False,
    truth: bool = False,
) -> DemoSummary:
    """Write a network's exports to `folder/landing`; the same arguments write the same bytes.

    `clean` plants nothing; `truth` also writes `folder/truth.csv`.
    """
    for old in ("landing", "warehouse", "published"):
        shutil.rmtree(folder / old, ignore_errors=True)
    (folder / "truth.csv").unlink(missing_ok=True)
    landing = folder / "landing"
    landing.mkdir(parents=True)
    (folder / MARKER).write_text("This folder is Keel's demo, and is written anew by it.\n")
    made = network_clinics(clinics)
    rows: dict[str, int] = {}
    chairs = [clinic.chairs for clinic in made]
    truths: list[Truth] = []
    neighbour: Care | None = None
    for at, clinic in enumerate(made):
        share = patients // clinics + (at < patients % clinics)
        if share == 0:
            continue
        some = share // 40
        restless = (0, 0, 0, 0) if clean else (max(1, some), some, some, some)
        care = Care(clinic, days, np.random.default_rng([seed, at]), *restless, turn=seed % 3)
        planting = _lived(care, share, neighbour, clean=clean)
        chairs[at] = care.chairs
        rows = _added(rows, deliver(landing, care, planting, file_format))
        truths += planting.truth
        neighbour = care
    rows = _write_network_files(landing, made, chairs, file_format) | rows
    if truth:
        _write_truth(folder / "truth.csv", truths)
    return DemoSummary(end_of_last_day(), rows, len(truths))


def _lived(care: Care, patients: int, neighbour: Care | None, *, clean: bool) -> Planting:
    """All that happened at one clinic, and what was planted."""
    admit(care, patients)
    if neighbour is not None and not clean:
        come_from(care, neighbour)
    treat(care)
    charted(care)
    employ(care)
    follow(care)
    latest = np.datetime64(LAST_DAY) - NIGHTS - 1
    planting = Planting(care) if clean else plant(care, latest=latest)
    dispense(care)
    if not clean:
        hand_out_more(planting)
    supply(care)
    bill(care)
    if not clean:
        plant_codes(planting)
        plant_risks(planting)
        if neighbour is not None:
            note_people(planting, neighbour)
            if care.clinic.carelessness % 2:
                share_persons(care, neighbour, planting)
    return planting


def _added(rows: dict[str, int], more: dict[str, int]) -> dict[str, int]:
    return {feed: rows.get(feed, 0) + more.get(feed, 0) for feed in [*rows, *more]}


def _write_network_files(
    landing: Path, clinics: list[Clinic], chairs: list[int], file_format: str
) -> dict[str, int]:
    day = LAST_DAY - timedelta(days=NIGHTS)
    frames = {"clinics": clinic_rows(clinics, chairs), "hours": hour_rows(), "rates": rates()}
    for feed, frame in frames.items():
        frame = frame.with_columns(extracted_at=pl.lit(extracted(day)))
        write(frame, landing / "_network", f"{feed}_{day}", file_format)
    return {feed: len(frame) for feed, frame in frames.items()}


def _write_truth(path: Path, truths: list[Truth]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Truth)])
        writer.writeheader()
        writer.writerows(vars(truth) for truth in truths)
