"""Ways from one place to another, and tables of them."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

Provider = Literal["osrm", "valhalla", "estimate"]


class Place(NamedTuple):
    """Degrees, WGS 84."""

    lat: float
    lon: float


class Leg(msgspec.Struct, frozen=True):
    """One drive. `provider` says who worked it out: a routing engine, or `estimate` by air."""

    seconds: float
    meters: float
    provider: Provider
    warnings: tuple[str, ...] = ()


class Travel(msgspec.Struct, frozen=True):
    """`legs[source][target]`. `warnings` are of all of them."""

    legs: list[list[Leg]]
    warnings: tuple[str, ...] = ()
