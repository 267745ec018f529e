"""The messages that the cable sends through the channel layer.

Values are strings, numbers and booleans only, so that every layer's serializer carries them.
"""

from __future__ import annotations

from typing import Any

MESSAGE = "cable.message"
ECHO = "cable.echo"
DISCONNECT = "cable.disconnect"

Event = dict[str, Any]


def message(stream: str, encoded: str) -> Event:
    """A broadcast: `encoded` is JSON text, made once by the sender."""
    return {"type": MESSAGE, "stream": stream, "message": encoded}


def echo(member: str, number: int) -> Event:
    """A message to oneself, which shows that a group delivers."""
    return {"type": ECHO, "member": member, "number": number}


def disconnect(identity_key: str, *, reconnect: bool) -> Event:
    """A command to all processes: close this user's sockets."""
    return {"type": DISCONNECT, "identity": identity_key, "reconnect": reconnect}
