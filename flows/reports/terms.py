"""What the report's words mean, for readers who have only the spreadsheet or the PDF."""

from __future__ import annotations

TERMS = (
    ("Rate", "Met / (met + not met), with its 95 % Wilson interval. A rate of nothing is empty."),
    ("Documented rate", "Met / (met + not met + not evaluable)."),
    ("Completeness", "(Met + not met) / (met + not met + not evaluable)."),
    ("Compliant session", "No critical or major rule was not met, nothing is pending and "
     "everything could be judged, under all protocols that govern it. Minor misses are allowed."),
    ("Decided session", "Compliant or not; pending and incomplete ones are counted apart."),
    ("Not evaluable", "A fact was not charted, not delivered, or its row is in quarantine. A "
     "session with such a verdict is incomplete."),
    ("Pending", "The time for something has not run out, or what would show it has not been "
     "delivered yet."),
    ("Excluded", "The rule does not apply."),
    ("Waived", "Someone answered for the finding; it keeps its verdict and is marked. Rates "
     "include it."),
    ("Not covered", "A session that no protocol with programmes governs; counted, not judged."),
    ("Severity", "Critical, major or minor, as the protocol says."),
    ("Tier", "T1 law, label or REMS; T2 guideline; T3 trial; T4 house rule without a source."),
    ("Patient", "A keyed pseudonym; `keel whois` tells the id behind it and writes that down."),
    ("Local time", "The clinic's own: dates, months and times are those of its time zone."),
    ("Audit head", "The hash that ends the chained log of acts (`ops.audit_log`) in this run."),
)  # fmt: skip
