"""Who is on one stream, in this process's memory."""

from __future__ import annotations

from collections import defaultdict

from cable.store.expiring import Expiring
from cable.store.interface import SWEEP_LIMIT, UNSWEPT_MS, PresenceJoin


class Presence(Expiring):
    """Sessions by sid, each under an id; a session is live until it expires."""

    def __init__(self) -> None:
        self._sessions: dict[str, tuple[str, int]] = {}
        self._infos: dict[str, str] = {}
        self._owned: defaultdict[str, set[str]] = defaultdict(set)

    @property
    def empty(self) -> bool:
        return not self._sessions

    def join(self, sid: str, *, member: str, info: str, now: int, expires: int) -> PresenceJoin:
        if self._sessions.get(sid, (member,))[0] != member:
            return "mismatch"
        live = any(self._sessions[other][1] > now for other in self._owned[member])
        self._sessions[sid] = (member, expires)
        self._infos[member] = info
        self._owned[member].add(sid)
        self._renew(expires)
        return "known" if live else "joined"

    def leave(self, sid: str) -> str | None:
        if sid not in self._sessions:
            return None
        member, _ = self._sessions.pop(sid)
        self._owned[member].discard(sid)
        if self._owned[member]:
            return None
        del self._owned[member], self._infos[member]
        return member

    def touch(self, sid: str, *, expires: int) -> bool:
        """False when the session is not there."""
        if sid not in self._sessions:
            return False
        self._sessions[sid] = (self._sessions[sid][0], expires)
        self._renew(expires)
        return True

    def sweep(self, now: int) -> list[str]:
        expired = [sid for sid, (_, expires) in self._sessions.items() if expires <= now]
        left = [self.leave(sid) for sid in expired[:SWEEP_LIMIT]]
        return [member for member in left if member is not None]

    def members(self, now: int) -> dict[str, str]:
        live = {member for member, expires in self._sessions.values() if expires > now}
        return {member: self._infos[member] for member in live}

    def _renew(self, expires: int) -> None:
        self.expires = max(self.expires, expires + UNSWEPT_MS)
