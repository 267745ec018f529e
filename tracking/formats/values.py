"""Single values as apps send them, and the fix that they make."""

from __future__ import annotations

import math
import uuid
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from django.conf import settings
from msgspec.inspect import StructType, UnionType, type_info

from dispatch.errors import BadInputError, FieldError, echo
from tracking.fixes import RIGHT, FixForm, has_form, read_fix, too_many_fixes

KNOT = 1852 / 3600  # metres per second, by the knot's definition
KMH = 1 / 3.6

# Numbers below it are seconds since 1970 (until the year 5138), others milliseconds (since 1973).
_FIRST_MILLISECONDS = 1e11
# No number or time that an app writes is longer.
_MAX_TEXT = 40
_NAMESPACE = uuid.UUID("6c1b7f0e-5f6a-4f0e-9d57-0d9a3c9e4b21")
_RIGHT_MOMENT = "a time: ISO 8601 with its offset, or seconds or milliseconds since 1970"
# Of each field that may be unknown, its type and bounds, as FixForm has them.
_KINDS: dict[str, Any] = {
    field.name: field.type.types[0]
    for field in cast(StructType, type_info(FixForm)).fields
    if isinstance(field.type, UnionType)
}
_BOUNDS = {name: (kind.ge, kind.le) for name, kind in _KINDS.items() if hasattr(kind, "ge")}
_LENGTHS = {name: kind.max_length for name, kind in _KINDS.items() if hasattr(kind, "max_length")}


class Given(NamedTuple):
    """A value, and what the app calls its field."""

    field: str
    value: Any


class Place(NamedTuple):
    """What no fix can do without."""

    moment: Given
    lat: Given
    lon: Given


def number(value: Any) -> float | None:
    """A finite number, also one that was sent as a text; else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and len(value) > _MAX_TEXT:
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def scaled(value: Any, factor: float) -> float | None:
    """A number in another unit; None where it is unknown."""
    found = number(value)
    return None if found is None else found * factor


def share(per_cent: Any) -> float | None:
    """0..100 as 0..1; None where it is unknown."""
    found = number(per_cent)
    return None if found is None else found / 100


def part(value: Any, name: str) -> Any:
    """`value[name]`, or None where there is no such thing."""
    return value.get(name) if isinstance(value, dict) else None


def bounded(items: list[Any]) -> list[Any]:
    """Raises BadInputError (413) where there are more than INGEST_MAX_ITEMS."""
    if len(items) > settings.INGEST_MAX_ITEMS:
        raise too_many_fixes(len(items), most=settings.INGEST_MAX_ITEMS)
    return items


def make_fix(
    source: str,
    place: Place,
    *,
    own_id: Any = None,
    technician_id: int,
    now: datetime,
    **known: Any,
) -> FixForm | FieldError:
    """A fix of what an app sent, or what is wrong with its place or time.

    `known` are other fields of FixForm in its units; what it does not take becomes None. Without a
    UUID of the app's own the id follows from format (`source`), technician, time and place, so that
    the same thing sent again is the same fix.
    """
    moment = _moment(place.moment.value)
    if moment is None:
        return _wrong(place.moment, _RIGHT_MOMENT)
    lat, lon = number(place.lat.value), number(place.lon.value)
    if lat is None:
        return _wrong(place.lat, RIGHT["lat"])
    if lon is None:
        return _wrong(place.lon, RIGHT["lon"])
    native = {
        "id": _uuid(own_id) or _derived(f"{source}|{technician_id}|{moment}|{lat!r}|{lon!r}"),
        "recorded_at": moment,
        "lat": lat,
        "lon": lon,
        **{name: _usable(name, value) for name, value in known.items()},
    }
    try:
        return read_fix(native, technician_id=technician_id, now=now)
    except BadInputError as error:
        wrong = error.errors[0]
        given = {"recorded_at": place.moment, "lat": place.lat, "lon": place.lon}[wrong.field]
        return FieldError(given.field, echo(given.value), wrong.message)


def _wrong(given: Given, right: str) -> FieldError:
    if given.value is None:
        return FieldError(given.field, None, f"is required: {right}")
    return FieldError(given.field, echo(given.value), f"must be {right}")


def _moment(value: Any) -> datetime | None:
    seconds = number(value)
    try:
        if seconds is not None:
            if seconds >= _FIRST_MILLISECONDS:
                seconds /= 1000
            return datetime.fromtimestamp(seconds, UTC)
        if not isinstance(value, str):
            return None
        moment = datetime.fromisoformat(value)
        return None if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _uuid(value: Any) -> uuid.UUID | None:
    if not isinstance(value, str):
        return None
    try:
        return uuid.UUID(value)
    except ValueError:
        return None


def _derived(name: str) -> uuid.UUID:
    return uuid.uuid5(_NAMESPACE, name)


def _usable(name: str, value: Any) -> Any:
    """The value, if a fix may have it there; else None. Numbers come as `number` gives them."""
    if name in _BOUNDS:
        least, most = _BOUNDS[name]
        good = isinstance(value, float) and least <= value <= most
    elif name in _LENGTHS:
        good = isinstance(value, str) and len(value) <= _LENGTHS[name] and has_form(value)
    else:
        good = isinstance(value, bool)
    return value if good else None
