"""What `cable.stats` counts and what the hubs hold, in Prometheus' form.

`REGISTRY.register(CableCollector())` exports it. No label names a company, a user, a stream or
anything else that a client chooses: each takes a few values that are known here or in the code.
docs/metrics.md tells what each metric means.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple, get_args

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from cable.errors import UnauthorizedReason
from cable.hub import Hub, running_hubs
from cable.sender import running_senders
from cable.servers import is_draining
from cable.stats import Histogram, stats

#: Of the cable's own disconnect frames. What an application says beside them is `other`.
REASONS = (
    *get_args(UnauthorizedReason),
    "error",
    "invalid_request",
    "no_pong",
    "remote",
    "server_restart",
    "stream_interrupted",
    "too_many_commands",
    "too_many_sockets",
    "too_slow",
)
_ANSWERS = ("confirmed", "rejected")
_COMMANDS = (
    *("subscribe", "unsubscribe", "message", "whisper"),
    *("history", "join", "leave", "presence"),
)


class _Total(NamedTuple):
    """A counter without labels, and where it comes from."""

    name: str
    attribute: str
    text: str


class _Parts(NamedTuple):
    """A counter with one label; values that are known beforehand begin at 0."""

    name: str
    attribute: str
    label: str
    values: tuple[str, ...]
    text: str


_TOTALS = (
    _Total("cable_sockets_opened", "sockets_opened", "Sockets accepted."),
    _Total("cable_commands_refused", "commands_refused", "Frames of clients without effect."),
    _Total("cable_received_bytes", "bytes_received", "Bytes of clients' frames."),
    _Total("cable_sent_bytes", "bytes_sent", "Bytes of frames written to sockets."),
    _Total("cable_broadcasts", "broadcasts", "Broadcasts made by this process."),
    _Total("cable_broadcasts_retried", "broadcasts_retried", "Broadcasts that were sent late."),
    _Total("cable_broadcasts_lost", "broadcasts_lost", "Broadcasts that were given up."),
    _Total("cable_messages_received", "messages_received", "Messages of streams that came here."),
    _Total("cable_deliveries", "deliveries", "Copies of them handed to local subscriptions."),
    _Total("cable_messages_duplicate", "messages_duplicate", "Messages that came twice."),
    _Total("cable_messages_repaired", "messages_repaired", "Messages read because of a gap."),
    _Total("cable_messages_replayed", "messages_replayed", "Messages sent again on request."),
    _Total("cable_losses_signalled", "signalled", "Subscriptions told of a possible loss."),
    _Total("cable_layer_interruptions", "layer_interruptions", "Outages of the channel layer."),
    _Total("cable_whispers", "whispers", "Messages from client to client."),
)
_PARTS = (
    _Parts(
        "cable_authentication_failures",
        "authentication_failures",
        "cause",
        ("refused", "error"),
        "Sockets that were not let in.",
    ),
    _Parts("cable_commands", "commands", "command", _COMMANDS, "Commands taken from clients."),
    _Parts("cable_subscriptions", "subscriptions", "answer", _ANSWERS, "Answers to subscribe."),
    _Parts(
        "cable_history_requests", "history", "answer", _ANSWERS, "Answers to requests for history."
    ),
)
#: Of `cable.conflation.Stats`.
_CONFLATION_OUTCOMES = ("delivered", "conflated", "filtered", "left")
_CONFLATION = (
    _Total("cable_conflation_frames", "frames", "Frames of conflated streams."),
    _Total("cable_conflation_snapshots", "snapshots", "Snapshots of conflated streams."),
    _Total("cable_conflation_refused", "refused", "Changes not kept because of a bound."),
)


class CableCollector(Collector):
    """Reads the numbers of this process.

    Collect on the hub's event loop: there they stand still meanwhile.
    """

    def collect(self) -> Iterator[Metric]:
        hubs = running_hubs()
        yield from _sockets(hubs)
        for name, attribute, text in _TOTALS:
            yield CounterMetricFamily(name, text, value=getattr(stats, attribute))
        for name, attribute, label, values, text in _PARTS:
            counts = {**dict.fromkeys(values, 0), **getattr(stats, attribute)}
            yield _counter(name, text, label, counts)
        yield _counter(
            "cable_session_restores",
            "Sessions that clients asked to take up again.",
            "outcome",
            {"restored": stats.sessions_restored, "not_restored": stats.sessions_not_restored},
        )
        yield from _streams(hubs)
        yield from _methods()
        yield from _health(hubs)


def _sockets(hubs: Sequence[Hub]) -> Iterator[Metric]:
    connections = [connection for hub in hubs for connection in list(hub.connections)]
    yield _gauge("cable_sockets", "Authenticated sockets.", len(connections))
    yield _gauge(
        "cable_identities", "Different users of them.", sum(hub.identities for hub in hubs)
    )
    closed = dict.fromkeys((*REASONS, "left", "other"), 0)
    for reason, count in stats.sockets_closed.items():
        # Without a reason it was the peer that went.
        closed[(reason if reason in REASONS else "other") if reason else "left"] += count
    yield _counter("cable_sockets_closed", "Sockets that ended.", "reason", closed)
    yield CounterMetricFamily(
        "cable_slow_readers_disconnected",
        "Sockets closed because too much waited for them.",
        value=closed["too_slow"],
    )
    waiting = [connection.pending_bytes() for connection in connections]
    yield _gauge("cable_outbox_pending_bytes", "Bytes that wait for sockets.", sum(waiting))
    yield _gauge(
        "cable_outbox_largest_bytes", "The most that waits for one.", max(waiting, default=0)
    )
    pending = sum(connection.pending_commands() for connection in connections)
    yield _gauge("cable_commands_pending", "Commands read and not yet done.", pending)


def _streams(hubs: Sequence[Hub]) -> Iterator[Metric]:
    yield _gauge("cable_streams", "Streams listened to.", sum(len(hub.streams) for hub in hubs))
    members = sum(hub.presence.members for hub in hubs)
    yield _gauge("cable_presence_members", "Subscriptions that are present.", members)
    counted = [hub.streams.conflation_stats for hub in hubs]
    yield _counter(
        "cable_conflation_changes",
        "Changes of conflated streams times their viewers.",
        "outcome",
        {name: sum(getattr(one, name) for one in counted) for name in _CONFLATION_OUTCOMES},
    )
    for name, attribute, text in _CONFLATION:
        value = sum(getattr(one, attribute) for one in counted)
        yield CounterMetricFamily(name, text, value=value)


def _methods() -> Iterator[Metric]:
    labels = ("channel", "command")
    running = HistogramMetricFamily(
        "cable_method_duration_seconds", "Running time of channels' methods.", labels=labels
    )
    failed = CounterMetricFamily(
        "cable_method_errors", "Channels' methods that failed.", labels=labels
    )
    for key, histogram in list(stats.methods.items()):
        running.add_metric(key, _buckets(histogram), histogram.sum)
        failed.add_metric(key, stats.method_errors[key])
    yield from (running, failed)


def _health(hubs: Sequence[Hub]) -> Iterator[Metric]:
    waiting = sum(sender.waiting for sender in running_senders())
    yield _gauge("cable_broadcasts_waiting", "Broadcasts that wait for the layer.", waiting)
    yield _histogram(
        "cable_layer_round_trip_seconds", "Probes through the channel layer.", stats.round_trips
    )
    heard = [hub.heard_at for hub in hubs if hub.heard_at is not None]
    age = GaugeMetricFamily(
        "cable_layer_probe_age_seconds", "Since a probe through the layer came back."
    )
    if heard:  # else nobody has connected yet, and nothing is probed
        age.add_metric((), time.monotonic() - min(heard))
    yield age
    yield _histogram("cable_event_loop_lag_seconds", "How late the loop wakes.", stats.loop_lag)
    draining = is_draining() or any(hub.draining for hub in hubs)
    yield _gauge("cable_draining", "1 while the process sends its sockets away.", int(draining))


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, label: str, counts: dict[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=(label,))
    for value, count in counts.items():
        family.add_metric((value,), count)
    return family


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    return HistogramMetricFamily(name, text, _buckets(histogram), histogram.sum)


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    bounds: Iterable[float] = (*histogram.bounds, float("inf"))
    return list(zip(map(floatToGoString, bounds), accumulate(histogram.counts), strict=True))
