"""Everything that changes positions."""

from tracking.actions.committing import CompanyFailed, NotSignedIn
from tracking.actions.group_commit import Busy, GroupCommit
from tracking.actions.outcomes import KNOWN, STORED, Outcome, Recorded, Upload
from tracking.actions.recording import record_fixes
from tracking.actions.settling import settle_part, settle_track, unsettled_technicians
from tracking.actions.storing import MAP_STREAM

__all__ = [
    "KNOWN",
    "MAP_STREAM",
    "STORED",
    "Busy",
    "CompanyFailed",
    "GroupCommit",
    "NotSignedIn",
    "Outcome",
    "Recorded",
    "Upload",
    "record_fixes",
    "settle_part",
    "settle_track",
    "unsettled_technicians",
]
