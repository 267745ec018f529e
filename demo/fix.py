"""A position as a phone sends it: the native form of ``POST /api/v1/fixes/``."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Fix:
    """Metres, metres per second, degrees clockwise from north, battery 0..1; None is unknown."""

    id: UUID
    recorded_at: datetime
    lat: float
    lon: float
    accuracy: float | None = None
    speed: float | None = None
    heading: float | None = None
    altitude: float | None = None
    battery: float | None = None
    charging: bool | None = None
    activity: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The request's form, without the fields that are unknown."""
        values = {name: getattr(self, name) for name in self.__slots__}
        values["id"] = str(self.id)
        values["recorded_at"] = iso(self.recorded_at)
        return {name: value for name, value in values.items() if value is not None}


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with a ``Z``; milliseconds, or microseconds where there are some."""
    precision = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")
