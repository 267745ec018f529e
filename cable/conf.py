"""The cable's settings: the dict `CABLE` of Django's settings, typed, with defaults."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any

import msgspec
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

Seconds = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]
#: Shorter ones are guessed.
Key = Annotated[str, msgspec.Meta(min_length=16)]


class HistoryRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What streams of one kind keep; what is left out is as for all."""

    limit: Annotated[int, msgspec.Meta(ge=0)] | None = None
    seconds: Seconds | None = None


class CableSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Bounds and timers. Times are seconds, sizes are bytes."""

    #: Alias in CHANNEL_LAYERS.
    layer: str = "default"
    #: Where history, sessions and presence are kept: "memory" (of one process; lost with it) or
    #: the URL of a Valkey or Redis: redis://, rediss://, unix://.
    store: str = "memory"
    #: Its keys begin with this.
    store_prefix: str = "cable"
    #: Connections of one event loop to it. A call takes well under a millisecond, so calls wait
    #: for a free one rather than open hundreds after an outage.
    store_max_connections: Count = 20

    #: Messages that a stream keeps for those who come back. AnyCable's default; 0 keeps none.
    history_limit: Annotated[int, msgspec.Meta(ge=0)] = 100
    #: And for how long. AnyCable's default; a phone in a lift is back by then.
    history_seconds: Seconds = 300.0
    #: How long a quiet stream's epoch and offset outlive its messages, so that who missed nothing
    #: is told so. Two nights.
    history_meta_seconds: Seconds = 48 * 3600.0
    #: Kinds of streams that keep more or less: a pattern of names (`*` any characters) to
    #: `{"limit": …, "seconds": …}`; the first that matches counts.
    history: dict[str, HistoryRule] = {}
    #: A gap in what arrives is read from history after this wait: processes overtake each other.
    gap_wait: Seconds = 0.05
    #: How often the newest offsets are compared with the store's. A message whose sender died
    #: between storing and sending it arrives by then at the latest.
    position_check_interval: Seconds = 5.0

    #: Of a conflated stream, for each subscriber. A marker that moves four times a second looks
    #: alive, and more than that nobody sees.
    conflated_frames_per_second: Seconds = 4.0
    #: Keys of one conflated stream; new ones beyond it are refused. Ten times the largest company.
    max_conflated_keys: Count = 20_000
    #: One read of a conflated stream's state. Longer than `subscribe_timeout`: a client that comes
    #: back after giving up finds it read.
    state_load_timeout: Seconds = 10.0

    #: How long a cut socket's session can be taken up again. AnyCable's default.
    session_seconds: Seconds = 300.0
    #: A larger session (many subscriptions with long identifiers) is not kept.
    max_session_bytes: Count = 64 * 1024
    #: Changed sessions are saved together this often; a socket cut earlier subscribes anew.
    session_save_interval: Seconds = 0.5
    #: Reading a session and subscribing for it, before `welcome`, which clients await for 6 s.
    restore_timeout: Seconds = 2.0
    #: A restored client asks for each subscription's history at once; live messages wait for
    #: that. After this it is told to reconnect: what it missed must not come behind what is new.
    restore_hold: Seconds = 5.0

    #: How long a client whose socket is gone stays present: it is mostly back by then. AnyCable's
    #: default. A process that lives renews its clients' three times as often.
    presence_ttl: Seconds = 15.0
    #: What a client tells of itself, as JSON: a name and a picture's address, not the picture.
    max_presence_info_bytes: Count = 4096
    #: Who is present, in one answer; how many there are is always told. More than a page shows.
    max_presence_records: Count = 1000

    #: Keys of signed stream names: the first signs, all verify, so that keys can be changed.
    #: None derives them from Django's SECRET_KEY and SECRET_KEY_FALLBACKS.
    signing_keys: list[Key] = []
    #: Whether clients may name streams of the `$pubsub` channel without a signature.
    public_streams: bool = False
    #: Whether clients may whisper on signed streams; on public ones they always may. As AnyCable.
    whisper_on_signed_streams: bool = False
    #: Whether clients may be present on signed streams, under an id of their choice; on public
    #: ones they always may.
    presence_on_signed_streams: bool = True

    #: A larger command closes the socket. AnyCable's default; commands are small.
    max_message_bytes: Count = 64 * 1024
    #: Subscriptions of one socket; a further one is rejected. A page needs a handful.
    max_subscriptions: Count = 100
    #: Characters of an identifier. It is repeated in each message, and kept in the session.
    max_identifier_length: Count = 4096
    #: Commands read but not yet processed; beyond it the socket is closed. Room for a client
    #: that resubscribes everything and empties its outbox at once after a reconnect.
    max_pending_commands: Count = 1000
    #: The same in bytes, so that one socket cannot hold 1000 commands of 64 KiB.
    max_pending_command_bytes: Count = 1024 * 1024
    #: Commands of one socket a second, after a burst of `command_burst`; beyond it the socket is
    #: closed. A phone that reports its position each second stays far below.
    commands_per_second: Seconds = 50.0
    #: As many as may wait: a client that resubscribes and empties its outbox.
    command_burst: Count = 1000
    #: Sockets of one identity in one process: a person with many tabs and a phone.
    max_sockets_per_identity: Count = 50
    #: Sockets of one identity group (a company) in one process, so that none fills it alone.
    max_sockets_per_group: Count = 5000
    #: Users whose sockets were told to close, remembered for those whose check of who they are
    #: was under way; the oldest is forgotten.
    max_remembered_disconnects: Count = 10_000
    #: One message to clients, encoded. Daphne drops a frame of more than 1 MiB without a word;
    #: this leaves room for the largest identifier (which came in a command).
    max_payload_bytes: Count = 960 * 1024
    #: Frames waiting for a slow reader; beyond it `too_slow` and reconnect. AnyCable's default.
    max_pending_bytes: Count = 1024 * 1024

    #: Clients are stale after 6 s without a frame (2 x 3 s), so do not raise it alone.
    ping_interval: Seconds = 3.0
    #: An extended client that says nothing for so long after a ping, not even a pong, is told
    #: `no_pong`. 0, as in AnyCable: clients answer pings only with their option `pongs`. It is
    #: looked at with each ping.
    pong_timeout: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    #: Clients give up waiting for `welcome` after 6 s, so this and the next stay below together.
    authenticate_timeout: Seconds = 4.0
    #: The application's `connected`.
    connected_timeout: Seconds = 1.5
    #: Clients expect the answer to a subscribe within 5 s.
    subscribe_timeout: Seconds = 4.0
    #: Actions, `unsubscribed` and `resync`; while one runs, the channel's next command waits.
    command_timeout: Seconds = 10.0
    #: A command that takes longer no longer holds up those of the socket's other subscriptions:
    #: clients await the answer to each subscribe for 5 s, and all their subscribes at once.
    command_patience: Seconds = 0.25
    #: And for less where many wait, so that all begin within this.
    commands_begin_within: Seconds = 2.0
    #: So many of one socket's commands may run at the same time then.
    max_commands_at_once: Count = 16
    #: A replay of history to one subscription, at the pace of its reader; then it is `too_slow`.
    replay_timeout: Seconds = 60.0
    #: From the disconnect frame to giving up on a peer that does not answer the close.
    close_timeout: Seconds = 5.0
    #: What a socket had asked for before it closed runs on for so long; the rest is dropped.
    leftover_timeout: Seconds = 3.0
    #: Then all of its `unsubscribed` together; Daphne kills the application at 10 s.
    teardown_timeout: Seconds = 6.0
    #: A process that was asked to end serves on for so long, while `is_draining()` tells balancers
    #: to send it nobody. Production sets what its balancer takes to notice.
    drain_notice: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    #: Sockets are told to go spread over this long, so that they do not come back all at once.
    drain_window: Annotated[float, msgspec.Meta(ge=0)] = 5.0
    #: A socket is not told to go while it sends commands: one that is still on its way would
    #: never be answered, which ends that subscription for good.
    drain_quiet: Annotated[float, msgspec.Meta(ge=0)] = 0.3
    #: After the window, `drain()` waits this long for sockets to close.
    drain_timeout: Seconds = 10.0

    #: One join of a group, seen to work. Shorter than `subscribe_timeout`, so that a layer that
    #: is down is told apart from a slow channel.
    layer_timeout: Seconds = 2.0
    #: A message through the layer to ourselves. Two that go missing and a repair stay under 10 s.
    probe_interval: Seconds = 2.0
    #: How long `broadcast()` may hold its caller when the layer does not answer.
    broadcast_timeout: Seconds = 2.0
    #: Broadcasts that could not be sent wait this long for the layer to come back; then their
    #: streams' subscribers are told of the loss.
    broadcast_retry_seconds: Seconds = 30.0
    #: A process that ends waits this long for them.
    broadcast_exit_timeout: Seconds = 5.0
    #: And at most this many of them, of at most 960 KiB each.
    max_waiting_broadcasts: Count = 1000
    #: Threads of one process inside `broadcast()`; beyond it the message is dropped and logged.
    max_pending_broadcasts: Count = 1000


@lru_cache(maxsize=1)
def get_settings() -> CableSettings:
    """The settings of this process.

    Raises:
        ImproperlyConfigured: a key of CABLE is unknown or its value has the wrong type.
    """
    value = getattr(settings, "CABLE", {})
    try:
        return msgspec.convert(value, CableSettings)
    except msgspec.ValidationError as error:
        # The value is not shown: it may hold keys and a password.
        raise ImproperlyConfigured(f"CABLE: {error}") from error


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "CABLE":
        get_settings.cache_clear()


setting_changed.connect(_forget)
