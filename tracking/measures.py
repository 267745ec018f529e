"""What `/metrics` tells of uploads and drives. `docs/metrics.md` says what a bad value means."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

WAITING = Gauge("tracking_waiting_fixes", "Fixes that wait for a commit or are in one.")
COMMITS = Histogram(
    "tracking_commit_seconds",
    "Commits of uploads, with the wait for a thread and a connection.",
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
FIXES = Counter("tracking_fixes", "Fixes of phones' uploads by what became of them.", ["outcome"])
REFUSALS = Counter("tracking_uploads_refused", "Uploads that were not stored by cause.", ["cause"])
REJECTED = Counter(
    "tracking_items_rejected", "Items in other apps' formats that cannot be used.", ["format"]
)
ROUTING = Counter("tracking_routing", "Tables of drives by what the engine did.", ["outcome"])
ROUTING_SECONDS = Histogram(
    "tracking_routing_seconds",
    "Requests to the routing engine, failed ones too.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0),
)

for _outcome in (
    "stored",
    "duplicate",
    "off_shift",
    "too_old",
    "accuracy",
    "mock",
    "future",
    "outlier",
    "speed",
    "unconfirmed",
):
    FIXES.labels(_outcome)
for _format in ("transistorsoft", "owntracks", "overland", "osmand"):
    REJECTED.labels(_format)
for _cause in ("busy", "signed_out", "company", "database"):
    REFUSALS.labels(_cause)
for _outcome in ("answered", "failed", "refused", "skipped", "busy"):
    ROUTING.labels(_outcome)
