"""A fix on its way in: its form, and what is wrong with one that has another."""

from __future__ import annotations

import json
import math
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from django.conf import settings

from dispatch.errors import BadInputError, FieldError, echo


class FixForm(msgspec.Struct, frozen=True, kw_only=True):
    """A fix in the native form. Unknown is null or absent; other fields are ignored.

    Metres, metres per second, degrees clockwise from north, 0..1.
    """

    id: uuid.UUID
    recorded_at: Annotated[datetime, msgspec.Meta(tz=True)]
    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    accuracy: Annotated[float, msgspec.Meta(ge=0, le=1e7)] | None = None
    speed: Annotated[float, msgspec.Meta(ge=0, le=1e4)] | None = None
    heading: Annotated[float, msgspec.Meta(ge=0, le=360)] | None = None
    altitude: Annotated[float, msgspec.Meta(ge=-1e5, le=1e5)] | None = None
    battery: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    charging: bool | None = None
    activity: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    mock: bool | None = None


class _PostedFix(FixForm, frozen=True, kw_only=True):
    """With what a phone may say of whose it is."""

    technician: Any = msgspec.UNSET
    technician_id: Any = msgspec.UNSET


# What would be right, said to whoever sent something else.
RIGHT = {
    "id": "the phone's own UUID for this fix",
    "recorded_at": "a time with its offset, such as 2026-11-22T10:00:00.000Z",
    "lat": "a number of degrees from -90 to 90",
    "lon": "a number of degrees from -180 to 180",
    "accuracy": "a number of metres from 0 to 10,000,000, or null where unknown",
    "speed": "a number of metres per second from 0 to 10,000, or null where unknown",
    "heading": "a number of degrees clockwise from north, from 0 to 360, or null where unknown",
    "altitude": "a number of metres from -100,000 to 100,000, or null where unknown",
    "battery": "a number from 0 (empty) to 1 (full), or null where unknown",
    "charging": "true, false, or null where unknown",
    "activity": "a text of at most 40 characters without NUL, or null where unknown",
    "mock": "true, false, or null where unknown",
}
# No phone with a position is older than GPS for civilians without its artificial error.
EARLIEST = datetime(2000, 5, 2, tzinfo=UTC)

# msgspec tells the place of a mistake at the end of its message, and a missing field within it.
_WRONG_FIELD = re.compile(r" - at `\$\.(?P<field>\w+)`$")
_HALF_OF_A_PAIR = re.compile("[\ud800-\udfff]")
_MISSING_FIELD = re.compile(r"^Object missing required field `(?P<field>\w+)`")


def decode_body(body: bytes) -> Any:
    """JSON as Python values. NaN and infinity pass, to be refused per item and not per batch.

    Raises:
        BadInputError: the body is not JSON, or not UTF-8.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Slower, but takes the NaN that some clients write although JSON has none.
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise BadInputError(
                FieldError(
                    "body",
                    echo(body[:200].decode("utf-8", "replace")),
                    f"is not JSON ({error}); send one fix as an object, or several in an array",
                )
            ) from None
    except RecursionError:
        raise BadInputError(FieldError("body", None, "is nested too deeply")) from None


_right = msgspec.json.Decoder(_PostedFix | list[_PostedFix])


def read_right(body: bytes, *, technician_id: int, now: datetime) -> FixForm | list[FixForm] | None:
    """The fix or fixes of a body in which all is right, at a fraction of the cost; else None.

    What is wrong, `decode_body` and `read_fix` say.
    """
    try:
        posted = _right.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    latest = now + timedelta(seconds=settings.FIX_MAX_AHEAD_SECONDS)
    fixes = posted if isinstance(posted, list) else [posted]
    own = (msgspec.UNSET, technician_id)
    for fix in fixes:
        if not (
            EARLIEST <= fix.recorded_at <= latest
            and fix.technician in own
            and fix.technician_id in own
            and (fix.activity is None or has_form(fix.activity))
        ):
            return None
    # In UTC, as `read_fix` has them.
    in_utc = [
        fix
        if fix.recorded_at.tzinfo is UTC
        else msgspec.structs.replace(fix, recorded_at=fix.recorded_at.astimezone(UTC))
        for fix in fixes
    ]
    return in_utc if isinstance(posted, list) else in_utc[0]


def read_fix(item: Any, *, technician_id: int, now: datetime) -> FixForm:
    """Check one decoded item against the native form, the token's technician and the clock.

    Raises:
        BadInputError: names the field, its value and what would be right.
    """
    if not isinstance(item, dict):
        raise BadInputError(FieldError("fix", echo(item), "must be a JSON object"))
    formless = [
        FieldError(name, echo(value), f"must be {RIGHT[name]}")
        for name, value in item.items()
        if name in RIGHT and not has_form(value)
    ] + [
        FieldError(name, echo(item[name]), f"must be {technician_id}, the token's, or absent")
        for name in ("technician", "technician_id")
        if item.get(name, technician_id) != technician_id
    ]
    if formless:
        raise BadInputError(*formless)
    try:
        fix = msgspec.convert({name: item[name] for name in RIGHT if name in item}, FixForm)
    except msgspec.ValidationError as error:
        raise BadInputError(_field_error(str(error), item)) from None
    latest = now + timedelta(seconds=settings.FIX_MAX_AHEAD_SECONDS)
    if not EARLIEST <= fix.recorded_at <= latest:
        raise BadInputError(
            FieldError(
                "recorded_at",
                echo(item["recorded_at"]),
                f"must lie between {EARLIEST:%Y-%m-%d} and {latest:%Y-%m-%dT%H:%M:%SZ}, "
                "a day from now; check the phone's clock",
            )
        )
    # PostgreSQL refuses offsets from 16 hours on, which ISO 8601 allows.
    return msgspec.structs.replace(fix, recorded_at=fix.recorded_at.astimezone(UTC))


def too_many_fixes(count: int, *, most: int) -> BadInputError:
    """What is said of an upload of more than `most` items; its status is 413."""
    return BadInputError(
        FieldError(
            "body", f"{count} fixes", f"may hold at most {most} fixes; send several batches"
        ),
        status=413,
    )


def has_form(value: Any) -> bool:
    """Whether PostgreSQL can hold it: not NaN, infinity, NUL, nor half of a surrogate pair."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, str):
        return "\0" not in value and not _HALF_OF_A_PAIR.search(value)
    return True


def _field_error(text: str, item: dict[str, Any]) -> FieldError:
    missing = _MISSING_FIELD.search(text)
    if missing:
        field = missing["field"]
        return FieldError(field, None, f"is required: {RIGHT[field]}")
    wrong = _WRONG_FIELD.search(text)
    if wrong is None:
        return FieldError("fix", echo(item), text)
    return FieldError(
        wrong["field"], echo(item[wrong["field"]]), f"must be {RIGHT[wrong['field']]}"
    )
