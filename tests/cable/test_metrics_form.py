"""Each number under its own name, in a form that Prometheus reads."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise

import pytest
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from cable import abroadcast, metrics
from cable.conflation import Stats as ConflationStats
from cable.hub import Hub
from cable.stats import Histogram, Stats
from tests.cable.channels import CHANNELS, identifier
from tests.cable.conftest import Open
from tests.cable.scraping import registry, scrape

A = identifier("stream")

#: Field of `Stats` → its sample.
PLAIN = {
    "sockets_opened": "cable_sockets_opened_total",
    "sessions_restored": 'cable_session_restores_total{outcome="restored"}',
    "sessions_not_restored": 'cable_session_restores_total{outcome="not_restored"}',
    "commands_refused": "cable_commands_refused_total",
    "bytes_received": "cable_received_bytes_total",
    "bytes_sent": "cable_sent_bytes_total",
    "broadcasts": "cable_broadcasts_total",
    "broadcasts_retried": "cable_broadcasts_retried_total",
    "broadcasts_lost": "cable_broadcasts_lost_total",
    "messages_received": "cable_messages_received_total",
    "deliveries": "cable_deliveries_total",
    "messages_duplicate": "cable_messages_duplicate_total",
    "messages_repaired": "cable_messages_repaired_total",
    "messages_replayed": "cable_messages_replayed_total",
    "signalled": "cable_losses_signalled_total",
    "layer_interruptions": "cable_layer_interruptions_total",
    "whispers": "cable_whispers_total",
}
#: And of those that count by something, one of its values.
BY = {
    "sockets_closed": ("", 'cable_sockets_closed_total{reason="left"}'),
    "authentication_failures": (
        "refused",
        'cable_authentication_failures_total{cause="refused"}',
    ),
    "commands": ("whisper", 'cable_commands_total{command="whisper"}'),
    "subscriptions": ("rejected", 'cable_subscriptions_total{answer="rejected"}'),
    "history": ("confirmed", 'cable_history_requests_total{answer="confirmed"}'),
}
HISTOGRAMS = {
    "round_trips": "cable_layer_round_trip_seconds_count",
    "loop_lag": "cable_event_loop_lag_seconds_count",
}
METHODS = {
    "methods": 'cable_method_duration_seconds_count{channel="C",command="message"}',
    "method_errors": 'cable_method_errors_total{channel="C",command="message"}',
}


def test_every_count_has_one_name_and_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    stats = Stats()
    monkeypatch.setattr(metrics, "stats", stats)
    nothing = scrape()
    expected: dict[str, float] = {}
    for number, field in enumerate(fields(Stats), start=1):
        if field.name in PLAIN:
            setattr(stats, field.name, number)
            expected[PLAIN[field.name]] = number
        elif field.name in BY:
            value, sample = BY[field.name]
            getattr(stats, field.name)[value] += number
            expected[sample] = number
        elif field.name in HISTOGRAMS:
            getattr(stats, field.name).counts[-1] = number
            expected[HISTOGRAMS[field.name]] = number
        elif field.name == "methods":
            stats.observe_method("C", "message", 0.2)
            expected[METHODS[field.name]] = 1
        else:
            stats.method_errors["C", "message"] = number
            expected[METHODS[field.name]] = number
    now = scrape()
    found = {name: now[name] for name in now if now[name] != nothing.get(name)}
    found = {name: found[name] for name in found if "_bucket" not in name and "_sum" not in name}
    found.pop("cable_layer_probe_age_seconds", None)
    assert found == expected
    assert len(expected) == len(fields(Stats))


async def test_counts_of_conflated_streams(hub: Hub) -> None:
    before = scrape()
    names = [field.name for field in fields(ConflationStats)]
    for number, name in enumerate(names, start=1):
        setattr(hub.streams.conflation_stats, name, number)
    now = scrape()
    samples = {
        "frames": "cable_conflation_frames_total",
        "snapshots": "cable_conflation_snapshots_total",
        "refused": "cable_conflation_refused_total",
    }
    changes = 'cable_conflation_changes_total{outcome="%s"}'
    found = [
        now[sample] - before[sample] for sample in (samples.get(n, changes % n) for n in names)
    ]
    assert found == list(range(1, len(names) + 1))


def test_a_histogram_counts_a_bound_as_inside() -> None:
    histogram = Histogram((0.1, 1.0))
    for seconds in (0.05, 0.1, 0.11, 1.0, 1.01, 50.0):
        histogram.observe(seconds)
    assert (histogram.counts, histogram.sum) == ([2, 2, 2], pytest.approx(52.27))


def test_buckets_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    stats = Stats(round_trips=Histogram((0.1, 1.0)))
    monkeypatch.setattr(metrics, "stats", stats)
    for seconds in (0.1, 0.5, 0.5, 7.0):
        stats.round_trips.observe(seconds)
    name = "cable_layer_round_trip_seconds"
    assert {key: value for key, value in scrape().items() if key.startswith(name)} == {
        f'{name}_bucket{{le="0.1"}}': 1,
        f'{name}_bucket{{le="1.0"}}': 3,
        f'{name}_bucket{{le="+Inf"}}': 4,
        f"{name}_count": 4,
        f"{name}_sum": pytest.approx(8.1),
    }


async def test_a_second_scrape_never_shows_less(open_socket: Open) -> None:
    def counters() -> dict[str, float]:
        ends = ("_total", "_count", "_sum", "_bucket")
        return {k: v for k, v in scrape().items() if k.partition("{")[0].endswith(ends)}

    scrapes = [counters()]
    for _ in range(2):
        socket = await open_socket()
        await socket.subscribe(A)
        await abroadcast("stream", {"n": 1})
        await socket.message(A)
        scrapes.append(counters())
        await socket.leave()
        scrapes.append(counters())
    for earlier, later in pairwise(scrapes):
        assert earlier.keys() <= later.keys()
        assert [name for name in earlier if later[name] < earlier[name]] == []
        assert earlier != later


async def test_names_and_form_are_those_of_openmetrics(open_socket: Open) -> None:
    socket = await open_socket()
    await socket.subscribe(A)
    text = generate_latest(registry()).decode()
    families = list(text_string_to_metric_families(text))  # strict about names, types and order
    assert all(family.name.startswith("cable_") for family in families)
    labels = {name for family in families for sample in family.samples for name in sample.labels}
    assert labels == {"reason", "cause", "command", "answer", "outcome", "channel", "le"}


async def test_nothing_names_a_company_a_user_or_a_stream(open_socket: Open) -> None:
    before = scrape()
    for company in ("acme", "globex"):
        socket = await open_socket(CHANNELS, query=f"jid={company}:olive@{company}.test")
        channel = identifier(f"{company}.jobs", secret=f"{company}-secret")
        await socket.subscribe(channel)
        await abroadcast(f"{company}.jobs", {"n": 1})
        await socket.message(channel)
    now = scrape()
    assert now["cable_identities"] - before["cable_identities"] == 2
    text = generate_latest(registry()).decode()
    for secret in ("acme", "globex", "olive", "jobs", "secret", "anonymous"):
        assert secret not in text
