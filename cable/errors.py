"""What the cable raises to application code."""

from __future__ import annotations

from typing import Literal

UnauthorizedReason = Literal["unauthorized", "token_expired"]


class Unauthorized(Exception):
    """The client may not connect, or may not stay connected.

    Raised by `authenticate`, `around_command`, or any channel method. The socket is told
    `{"type":"disconnect","reason":…,"reconnect":false}` and closed. With the reason
    `token_expired`, AnyCable's client fetches a new token and comes back by itself.
    """

    def __init__(self, reason: UnauthorizedReason = "unauthorized") -> None:
        super().__init__(reason)
        self.reason: UnauthorizedReason = reason


class StreamUnavailable(Exception):
    """The channel layer did not take a subscription in time (it is down or overloaded).

    Left uncaught in `subscribed`, it closes the socket with `reconnect: true`: a rejected
    subscription is final for the client, while an outage is not.
    """
