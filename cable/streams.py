"""Names of streams, and the groups of the channel layer that carry them."""

from __future__ import annotations

import hashlib
import re

#: Longer names are a mistake (a document in place of a key); logs print them whole.
MAX_STREAM_NAME = 255

_GROUP_PREFIX = "cable."
# Channels allows fewer than 100 of these characters in a group's name.
_PLAIN = re.compile(rf"[A-Za-z0-9_.-]{{1,{99 - len(_GROUP_PREFIX)}}}", re.ASCII)

#: Every process listens here for commands to all of them. Not a valid stream name, so no
#: application stream reaches it.
CONTROL_GROUP = "cable-control"


def check_stream(stream: str) -> str:
    """Return the name of a stream.

    Raises:
        ValueError: it is empty, too long, or has unprintable characters.
    """
    if not isinstance(stream, str) or not stream:
        raise ValueError(f"stream {stream!r} must be a string that is not empty")
    if len(stream) > MAX_STREAM_NAME:
        raise ValueError(
            f"stream {stream[:50]!r}… has {len(stream)} characters; at most {MAX_STREAM_NAME}"
        )
    if not stream.isprintable():
        raise ValueError(f"stream {stream!r} has unprintable characters")
    return stream


def group_name(stream: str) -> str:
    """The layer's group for a stream: its own name where Channels allows it, else a digest.

    Two streams can never be confused: messages carry the stream's name.
    """
    if _PLAIN.fullmatch(stream):
        return _GROUP_PREFIX + stream
    return f"cable-sha256.{hashlib.sha256(stream.encode()).hexdigest()}"
