"""What becomes of what phones send."""

from __future__ import annotations

from typing import Literal, NamedTuple
from uuid import UUID

import msgspec

from tracking.fixes import FixForm

#: `stored`: kept, perhaps with a reason why it counts for nothing. `duplicate`: known already, by
#: its id or by its moment and place. `refused`: the company does not want it, and it is not kept.
Status = Literal["stored", "duplicate", "refused"]

#: How the phone should track from now on; settings.TRACKING_PROFILES has the numbers.
Profile = Literal["off", "coarse", "fine"]


class Outcome(NamedTuple):
    """`reason` is one of `tracking.models.Reason`, or `off_shift` or `too_old` when refused."""

    status: Status
    reason: str | None = None


STORED = Outcome("stored")
KNOWN = Outcome("duplicate")
OFF_SHIFT = Outcome("refused", "off_shift")
TOO_OLD = Outcome("refused", "too_old")


class Upload(msgspec.Struct, frozen=True):
    """What one phone sends at once. `session` is the phone's sign-in."""

    schema: str
    technician_id: int
    session: UUID
    fixes: list[FixForm]


class Recorded(msgspec.Struct, frozen=True):
    """An outcome for each fix of an upload, in order; and how to go on."""

    outcomes: list[Outcome]
    profile: Profile
