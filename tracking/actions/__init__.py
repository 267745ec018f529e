"""Everything that changes positions."""

from tracking.actions.group_commit import Busy, CompanyFailed, GroupCommit, NotSignedIn, Upload
from tracking.actions.recording import record_fixes
from tracking.actions.storing import MAP_STREAM, Outcome

__all__ = [
    "MAP_STREAM",
    "Busy",
    "CompanyFailed",
    "GroupCommit",
    "NotSignedIn",
    "Outcome",
    "Upload",
    "record_fixes",
]
