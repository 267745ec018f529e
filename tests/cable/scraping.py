"""The cable's metrics as a scraper sees them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from cable.metrics import CableCollector

#: What they hold depends on how fast the machine is.
_TIMED = ("cable_event_loop_lag_seconds", "cable_layer_round_trip_seconds", "cable_layer_probe_age")
_TIMED_PARTS = ("cable_method_duration_seconds_bucket", "cable_method_duration_seconds_sum")


def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(CableCollector())
    return registry


def scrape() -> dict[str, float]:
    """Sample, written as in the text form with its labels, → value."""
    lines = generate_latest(registry()).decode().splitlines()
    samples = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in samples}


def changed(before: dict[str, float]) -> dict[str, float]:
    """All that is different since, by how much; without durations."""
    now = scrape()
    return {
        name: value - before.get(name, 0)
        for name, value in now.items()
        if value != before.get(name, 0) and not name.startswith((*_TIMED, *_TIMED_PARTS))
    }
