"""Every message once and in order, whatever the layer does; and losses are said, not guessed."""

from __future__ import annotations

import random

import pytest

from cable.store.interface import Entry, Head, HistoryOptions, Log
from cable.timeline import Since, Timeline

LIMIT = 20
OPTIONS = HistoryOptions(limit=LIMIT, seconds=300, meta_seconds=3600)


class FakeStore:
    """A stream's log as the store keeps it; message n has offset n and time n seconds."""

    def __init__(self, epoch: str = "e1") -> None:
        self.epoch = epoch
        self.entries: list[Entry] = []
        self.count = 0
        self.lost_ms = 0

    @property
    def head(self) -> Head:
        return Head(self.epoch, self.count, self.count * 1000)

    def append(self) -> Entry:
        self.count += 1
        entry = Entry(self.count, self.count * 1000, f'"{self.epoch}-{self.count}"')
        self.entries.append(entry)
        if len(self.entries) > LIMIT:
            self.lost_ms = self.entries.pop(0).time_ms
        return entry

    def forget_data(self) -> None:
        """All entries aged out; the metadata stays."""
        if self.entries:
            self.lost_ms = self.entries[-1].time_ms
        self.entries.clear()

    def read(self, after: int = 0) -> Log:
        kept = [entry for entry in self.entries if entry.offset > after]
        return Log(self.head, self.lost_ms, kept)


def timeline_of(store: FakeStore) -> Timeline:
    return Timeline(store.head, OPTIONS)


def remembering(store: FakeStore) -> Timeline:
    timeline = timeline_of(store)
    timeline.start_remembering()
    timeline.remember(store.read())
    assert timeline.remembers
    return timeline


def offsets(entries: object) -> list[int] | None:
    if entries is None:
        return None
    return [entry.offset for entry in entries]  # type: ignore[attr-defined]


def test_messages_in_order_pass_and_repetitions_do_not() -> None:
    store = FakeStore()
    timeline = timeline_of(store)
    first, second = store.append(), store.append()
    assert timeline.accept("e1", first) == [first]
    assert timeline.accept("e1", first) == []
    assert timeline.accept("e1", second) == [second]
    assert timeline.accept("e1", first) == []
    assert not timeline.needs_read


def test_early_message_waits_for_the_one_before_it() -> None:
    store = FakeStore()
    timeline = timeline_of(store)
    first, second, third = store.append(), store.append(), store.append()
    assert timeline.accept("e1", third) == []
    assert timeline.accept("e1", second) == []
    assert timeline.needs_read
    assert timeline.accept("e1", first) == [first, second, third]
    assert not timeline.needs_read


def test_gap_is_filled_from_the_store() -> None:
    store = FakeStore()
    timeline = timeline_of(store)
    first, second, third = store.append(), store.append(), store.append()
    assert timeline.accept("e1", third) == []
    ready, lost = timeline.fill(store.read(after=timeline.position))
    assert (ready, lost) == ([first, second, third], False)
    assert not timeline.needs_read


def test_gap_that_the_store_no_longer_has_is_said() -> None:
    store = FakeStore()
    timeline = timeline_of(store)
    for _ in range(LIMIT + 5):
        last = store.append()
    assert timeline.accept("e1", last) == []
    ready, lost = timeline.fill(store.read(after=timeline.position))
    assert lost
    assert offsets(ready) == list(range(6, LIMIT + 6))


def test_new_epoch_is_a_loss_and_its_messages_follow() -> None:
    store = FakeStore()
    timeline = timeline_of(store)
    timeline.accept("e1", store.append())
    store = FakeStore("e2")
    first = store.append()
    assert timeline.accept("e2", first) == []
    assert timeline.needs_read
    assert timeline.fill(store.read()) == ([first], True)
    assert (timeline.epoch, timeline.position) == ("e2", 1)


def test_offsets_that_are_counted_again_are_noticed() -> None:
    """The store lost its newest messages (it was killed before it saved them)."""
    store = FakeStore()
    timeline = timeline_of(store)
    for _ in range(3):
        timeline.accept("e1", store.append())
    again = Entry(2, 10_000, '"other"')
    assert timeline.accept("e1", again) == []
    assert timeline.needs_read
    assert timeline.went_back(Head("e1", 2, 10_000))
    assert timeline.went_back(Head("e1", 3, 10_000))
    assert not timeline.went_back(Head("e1", 3, 3_000))
    assert not timeline.went_back(Head("e1", 4, 10_000))
    assert not timeline.went_back(Head("e2", 1, 10_000))


@pytest.mark.parametrize(
    ("head", "agrees"),
    [
        (Head("e1", 3, 3000), True),
        (Head("e1", 4, 4000), False),
        (Head("e1", 3, 9000), False),
        (Head("e2", 3, 3000), False),
        (None, False),
    ],
)
def test_comparison_with_the_store(head: Head | None, agrees: bool) -> None:
    store = FakeStore()
    for _ in range(3):
        store.append()
    assert timeline_of(store).agrees_with(head) is agrees


# Requests for history. Messages 1 to 25 were sent, 6 to 25 are kept.


@pytest.fixture
def store() -> FakeStore:
    store = FakeStore()
    for _ in range(LIMIT + 5):
        store.append()
    return store


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        pytest.param(Since("e1", 25, None), [], id="nothing-missed"),
        pytest.param(Since("e1", 23, None), [24, 25], id="two-missed"),
        pytest.param(Since("e1", 5, None), list(range(6, 26)), id="just-before-the-oldest-kept"),
        pytest.param(Since("e1", 4, None), None, id="one-lost"),
        pytest.param(Since("e0", 25, None), None, id="other-epoch"),
        pytest.param(Since("e1", 26, None), None, id="ahead-of-the-stream"),
        pytest.param(Since(None, 0, 24), [24, 25], id="since-is-inclusive"),
        pytest.param(Since(None, 0, 25.5), [], id="since-after-the-newest"),
        pytest.param(Since(None, 0, 6), list(range(6, 26)), id="since-the-oldest-kept"),
        pytest.param(Since(None, 0, 5), None, id="since-one-that-is-lost"),
        pytest.param(Since(None, 0, None), [], id="no-history-wanted"),
    ],
)
def test_what_a_client_gets(store: FakeStore, since: Since, expected: list[int] | None) -> None:
    timeline = remembering(store)
    assert offsets(timeline.after(since, up_to=25)) == expected
    assert timeline.has_nothing_since(since) is (expected == [])


def test_quiet_stream_is_not_lost(store: FakeStore) -> None:
    store.forget_data()
    timeline = remembering(store)
    assert offsets(timeline.after(Since("e1", 25, None), up_to=25)) == []
    assert offsets(timeline.after(Since("e1", 24, None), up_to=25)) is None
    assert offsets(timeline.after(Since(None, 0, 25), up_to=25)) is None
    assert timeline.has_nothing_since(Since(None, 0, 26))


def test_live_messages_are_not_replayed(store: FakeStore) -> None:
    timeline = remembering(store)
    timeline.accept("e1", store.append())
    assert offsets(timeline.after(Since("e1", 23, None), up_to=25)) == [24, 25]


def test_messages_that_pass_while_the_log_is_read_are_remembered(store: FakeStore) -> None:
    timeline = timeline_of(store)
    timeline.start_remembering()
    log = store.read()
    for _ in range(3):
        timeline.accept("e1", store.append())
    timeline.remember(log)
    assert offsets(timeline.after(Since("e1", 22, None), up_to=28)) == list(range(23, 29))
    # The copy is bounded like the log, and knows what it dropped.
    assert offsets(timeline.after(Since("e1", 8, None), up_to=28)) == list(range(9, 29))
    assert timeline.after(Since("e1", 7, None), up_to=28) is None
    assert timeline.after(Since(None, 0, 8), up_to=28) is None


def test_log_that_is_ahead_is_cut_to_what_has_passed(store: FakeStore) -> None:
    timeline = timeline_of(store)
    late = store.append()
    timeline.start_remembering()
    timeline.remember(store.read())
    assert offsets(timeline.after(Since("e1", 23, None), up_to=99)) == [24, 25]
    timeline.accept("e1", late)
    assert offsets(timeline.after(Since("e1", 23, None), up_to=99)) == [24, 25, 26]


@pytest.mark.parametrize("block", range(20))
def test_any_disorder_gives_every_message_once_and_in_order(block: int) -> None:
    """10,000 seeded cases: lost, repeated and reordered messages, reads in between, cut clients.

    Each case also has a client that is cut at random moments (in the middle of a replay too),
    comes back with the last position that it received, and must have seen each message once.
    """
    for seed in range(block * 500, block * 500 + 500):
        _run_case(random.Random(seed))


def _run_case(chance: random.Random) -> None:
    store = FakeStore()
    timeline = timeline_of(store)
    on_the_way: list[Entry] = []
    passed: list[Entry] = []
    # The client: what it has received, and what is on its wire while it is connected.
    received: list[int] = []
    wire: list[int] = []
    connected = False

    def deliver(entries: list[Entry]) -> None:
        passed.extend(entries)
        if connected:
            wire.extend(entry.offset for entry in entries)

    for _ in range(60):
        step = chance.random()
        if step < 0.35 and store.count - len(passed) < LIMIT // 2:
            on_the_way.append(store.append())
        elif step < 0.6 and on_the_way:
            entry = on_the_way.pop(chance.randrange(min(len(on_the_way), 4)))
            fate = chance.random()
            if fate > 0.15:  # else lost
                deliver(timeline.accept("e1", entry))
            if fate > 0.85:
                on_the_way.append(entry)  # comes again later
        elif step < 0.7 and timeline.needs_read:
            ready, lost = timeline.fill(store.read(after=timeline.position))
            assert not lost
            deliver(ready)
        elif step < 0.8 and connected:
            # Cut: a part of what was on the wire arrived.
            received += wire[: chance.randint(0, len(wire))]
            wire, connected = [], False
        elif step < 0.9 and not connected:
            if not timeline.remembers or chance.random() < 0.2:
                timeline.start_remembering()
                timeline.remember(store.read())
            last = received[-1] if received else 0
            missed = timeline.after(Since("e1", last, None), up_to=timeline.position)
            # Lost only if the log's limit has passed the client by.
            oldest = store.entries[0].offset if store.entries else store.count + 1
            if missed is None:
                assert last < oldest - 1
                received = [entry.offset for entry in passed]  # takes a new state
            else:
                assert offsets(missed) == list(range(last + 1, timeline.position + 1))
                wire = [entry.offset for entry in missed]
            connected = True
        elif connected:
            received += wire
            wire = []
    timeline.suspect()
    ready, lost = timeline.fill(store.read(after=timeline.position))
    assert not lost
    deliver(ready)
    assert offsets(passed) == list(range(1, store.count + 1))
    if connected:
        received += wire
        assert received == list(range(1, store.count + 1))
