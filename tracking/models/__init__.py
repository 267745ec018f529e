"""Tables of positions, of what is worked out from them, and of who looked at them."""

from tracking.models.audit import Correction, Erasure, Viewing
from tracking.models.history import DayTotal, Statement, Trip, Visit
from tracking.models.policy import Policy
from tracking.models.readings import Fix, Position, Reading, Reason
from tracking.models.tracks import Checkpoint, Recount, Track

__all__ = [
    "Checkpoint",
    "Correction",
    "DayTotal",
    "Erasure",
    "Fix",
    "Policy",
    "Position",
    "Reading",
    "Reason",
    "Recount",
    "Statement",
    "Track",
    "Trip",
    "Viewing",
    "Visit",
]
