"""Clients that are present, processes that keep them, and a store that can be away."""

from __future__ import annotations

import json
from typing import Any, cast

from cable import envelope
from cable.conf import CableSettings
from cable.envelope import Event
from cable.presence import PresenceKeeper
from cable.store import Store, StoreError
from cable.subscription import Held, Subscription

#: Milliseconds of the default `presence_ttl`; and what a slow test may take of it on Valkey.
TTL = 15_000
SLACK = 5_000

ERROR = {"type": "presence", "identifier": "i", "message": {"type": "error"}}


class Client:
    """A subscription to the stream "s", and the frames that its client got."""

    def __init__(self, sid: str, *, identifier: str = "i", stream: str | None = "s") -> None:
        self.frames: list[Any] = []
        self.subscription = Subscription(
            identifier,
            sid=sid,
            extended=True,
            push=lambda frame: self.frames.append(json.loads(frame.event["text"])),
            pending_bytes=lambda: 0,
            resync=lambda: None,
            held=Held(max_bytes=1000, on_overflow=lambda: None),
        )
        if stream is not None:
            self.subscription.streams.add(stream)
        self.subscription.presence_stream = self.subscription.whisper_stream = stream


class Unsteady:
    """A store that can fail before or after it does what it is asked; notes the calls."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.fails = ""
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any, **options: Any) -> Any:
            self.calls.append((name, args))
            if self.fails == "before":
                raise StoreError("away")
            answer = await getattr(self.store, name)(*args, **options)
            if self.fails == "after":
                raise StoreError("the answer was lost")
            return answer

        return call


class Process:
    """A keeper, the store as it sees it, and what it told all processes."""

    def __init__(self, store: Store, **settings: Any) -> None:
        self.store = Unsteady(store)
        self.said: list[Event] = []
        self.keeper = PresenceKeeper(
            cast(Store, self.store), CableSettings(**settings), publish=self._publish
        )

    async def _publish(self, event: Event) -> None:
        self.said.append(event)

    def heard(self) -> list[Event]:
        """What was said since the last time."""
        said, self.said = self.said, []
        return said

    async def join(self, client: Client, id_: Any = "ann", info: Any = None) -> None:
        await self.keeper.join(client.subscription, {"id": id_, "info": info})


def joined(id_: str, info: str = "null", stream: str = "s") -> Event:
    return envelope.presence(stream, f'{{"type":"join","id":"{id_}","info":{info}}}')


def left(id_: str, stream: str = "s") -> Event:
    return envelope.presence(stream, f'{{"type":"leave","id":"{id_}"}}')


def info(*records: tuple[str, Any], total: int | None = None) -> Any:
    return {
        "type": "presence",
        "identifier": "i",
        "message": {
            "type": "info",
            "total": len(records) if total is None else total,
            "records": [{"id": id_, "info": info} for id_, info in records],
        },
    }


async def members(process: Process) -> dict[str, str]:
    return await process.store.store.presence_members("s")
