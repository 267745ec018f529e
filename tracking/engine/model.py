"""What the engine is fed, what it remembers, and what it says.

Units: degrees (WGS 84), metres, seconds; moments are microseconds of UNIX time.
"""

from __future__ import annotations

from typing import Literal, NamedTuple
from uuid import UUID

import msgspec

SECOND = 1_000_000

Reason = Literal["accuracy", "mock", "future", "duplicate", "outlier", "speed", "unconfirmed"]

#: What an accuracy that the phone does not tell counts as, metres: a phone's under open sky is
#: better, one between houses worse.
UNKNOWN_ACCURACY = 25.0


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """A company's choices; `tracking.models.Policy` says their bounds."""

    max_accuracy: float = 100.0
    max_speed: float = 60.0
    flag_mock: bool = True
    stop_radius: float = 75.0
    stop_seconds: float = 180.0


class Point(NamedTuple):
    """A fix. `accuracy` is never unknown here; `ahead`: the phone's clock was too far ahead."""

    at: int
    id: UUID
    lat: float
    lon: float
    accuracy: float
    mock: bool
    ahead: bool


class Site(NamedTuple):
    """Where a job is done, and from when until when somebody who is there is there for it."""

    job: int
    lat: float
    lon: float
    radius: float
    since: int
    until: int


class Place(msgspec.Struct, array_like=True):
    """A moment and where somebody was."""

    at: int
    lat: float
    lon: float
    accuracy: float = UNKNOWN_ACCURACY


class Held(Place, array_like=True, kw_only=True):
    """A fix that nobody could have reached; the next one tells."""

    id: UUID


class Anchor(msgspec.Struct, array_like=True):
    """Where somebody may be standing, or is: the mean of the fixes since they came there.

    `distance` and `fixes` are the trip's when they came, `counted` its drive's then.
    """

    since: int
    lat: float
    lon: float
    distance: float = 0.0
    fixes: int = 0
    count: int = 1
    counted: Place | None = None


class Drive(msgspec.Struct, array_like=True):
    """A trip under way; `counted` is the fix up to which `distance` is, `legs` all ways since."""

    started_at: int
    lat: float
    lon: float
    distance: float
    fixes: int
    counted: Place | None = None
    legs: float = 0.0


class Outside(msgspec.Struct, array_like=True):
    """Fixes away from the anchor that do not prove yet that it was left.

    `distance` is of the way from the anchor to `counted`, the newest that counts for it, `legs` of
    all ways since; `first` and `first_distance` are of the first one, `origin` is the last fix at
    the anchor.

    On a drive it is one fix, and all are the drive's when it came.
    """

    first: Place
    first_distance: float
    origin: Place
    distance: float
    count: int = 1
    counted: Place | None = None
    legs: float = 0.0


class OnSite(msgspec.Struct, array_like=True):
    """Somebody in a site, or perhaps; whoever is elsewhere has none.

    `first_in`, `last_in`: of the fixes inside; `arrived`: they prove that one is there; `pair`: one
    before they did, from which it is told how fast one is; `out_since` and `out_count`: of a run of
    fixes outside since then, else 0.
    """

    first_in: int
    last_in: int
    arrived: bool = False
    pair: Place | None = None
    out_since: int = 0
    out_count: int = 0


class State(msgspec.Struct, array_like=True):
    """All that the engine remembers of one technician.

    Stored as an array: new fields go to the end, with a default.
    """

    #: The newest fix that has a place in the order.
    last_at: int = 0
    last_id: UUID = UUID(int=0)
    #: The newest good one.
    good: Place | None = None
    held: Held | None = None
    anchor: Anchor | None = None
    #: None: standing at the anchor. Else the anchor is where they may have come to stand.
    drive: Drive | None = None
    outside: Outside | None = None
    sites: dict[int, OnSite] = msgspec.field(default_factory=dict)
    since_checkpoint: int = 0


_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")
_decoder = msgspec.msgpack.Decoder(State)


def encode_state(state: State) -> bytes:
    return _encoder.encode(state)


def decode_state(encoded: bytes) -> State:
    """A state of its own, to be changed; b"": the first.

    Raises:
        msgspec.MsgspecError: these bytes are no state.
    """
    return _decoder.decode(encoded) if encoded else State()


class TripEnded(NamedTuple):
    """`by` is the moment of the fix that proved it, here and below."""

    by: int
    started_at: int
    ended_at: int
    start_lat: float
    start_lon: float
    end_lat: float
    end_lon: float
    distance: float
    fixes: int


class Arrived(NamedTuple):
    by: int
    job: int
    at: int


class Departed(NamedTuple):
    by: int
    job: int
    arrived_at: int
    at: int


class Crossed(NamedTuple):
    """Drove through a site without stopping."""

    by: int
    job: int
    at: int


Event = TripEnded | Arrived | Departed | Crossed


class Judged(NamedTuple):
    """A verdict: `reason` None is good. A fix that was `unconfirmed` is judged a second time."""

    at: int
    id: UUID
    reason: Reason | None
