"""Whether this process is about to end. Imports nothing, so that anything may ask."""

from __future__ import annotations

_draining = False


def begin() -> None:
    """From now on the process drains; there is no way back."""
    global _draining
    _draining = True


def is_draining() -> bool:
    """Whether the process was asked to end: no new client should be sent to it."""
    return _draining
