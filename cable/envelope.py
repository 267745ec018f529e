"""The messages that the cable sends through the channel layer.

Values are strings, numbers and booleans only, so that every layer's serializer carries them.
"""

from __future__ import annotations

from typing import Any

from cable.store.interface import Head

MESSAGE = "cable.message"
STATE = "cable.state"
TRANSIENT = "cable.transient"
GAP = "cable.gap"
SENT = "cable.sent"
ECHO = "cable.echo"
DISCONNECT = "cable.disconnect"

Event = dict[str, Any]


def message(stream: str, encoded: str, *, exclude: str = "") -> Event:
    """A broadcast: `encoded` is JSON text, made once by the sender.

    The socket whose session id is `exclude` does not get it.
    """
    event = {"type": MESSAGE, "stream": stream, "message": encoded}
    if exclude:
        event["exclude"] = exclude
    return event


def positioned(event: Event, head: Head) -> Event:
    """A broadcast that the store has taken."""
    return {**event, "epoch": head.epoch, "offset": head.offset, "time_ms": head.time_ms}


def state(stream: str, changes: str) -> Event:
    """Changes of a conflated stream: a JSON array of [key, version, value or null]."""
    return {"type": STATE, "stream": stream, "changes": changes}


def whisper(stream: str, encoded: str, *, exclude: str) -> Event:
    """A client's message to the others; it is in no history."""
    return {"type": TRANSIENT, "stream": stream, "message": encoded, "exclude": exclude}


def presence(stream: str, encoded: str) -> Event:
    """Somebody came or left; `encoded` is the presence frame's message."""
    return {"type": TRANSIENT, "stream": stream, "presence": encoded}


def gap(stream: str) -> Event:
    """Messages of this stream were lost before they reached the layer."""
    return {"type": GAP, "stream": stream}


def sent(stream: str) -> Event:
    """How many messages without history a sender has sent; the number is added to it."""
    return {"type": SENT, "stream": stream}


def echo(member: str, number: int) -> Event:
    """A message to oneself, which shows that a group delivers."""
    return {"type": ECHO, "member": member, "number": number}


def disconnect(identity_key: str, *, reconnect: bool) -> Event:
    """A command to all processes: close this user's sockets."""
    return {"type": DISCONNECT, "identity": identity_key, "reconnect": reconnect}
