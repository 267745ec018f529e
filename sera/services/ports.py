"""TCP ports on the loopback interface."""

from __future__ import annotations

import socket
from contextlib import closing

LOOPBACK = "127.0.0.1"

# Long enough for a busy machine to accept on loopback, short enough not to be noticed.
_CONNECT_SECONDS = 0.5


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of the loopback interface now.

    A connection is tried first, since macOS lets SO_REUSEADDR bind 127.0.0.1 beside somebody's
    wildcard listener. SO_REUSEADDR itself is wanted: servers set it, so that a port whose last
    connections are in TIME_WAIT counts as free.
    """
    if is_listening(port):
        return False
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def is_listening(port: int) -> bool:
    """Whether somebody accepts connections on `port` of the loopback interface."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=_CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def unused() -> int:
    """Return a port that the operating system says nobody uses."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def next_free(first: int, *, tries: int) -> int | None:
    """Return the first free port of `first`, `first + 1`, …; None after `tries` used ones.

    `first` 0 means any.
    """
    if first == 0:
        return unused()
    return next((port for port in range(first, first + tries) if is_free(port)), None)
