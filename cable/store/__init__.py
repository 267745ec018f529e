"""The store that `CABLE["store"]` names: this process's memory, or Valkey for all processes."""

from __future__ import annotations

import os
import threading
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from cable.store.interface import (
    Entry,
    Head,
    HistoryOptions,
    Log,
    PresenceJoin,
    Store,
    StoreError,
)
from cable.store.memory import MemoryStore

__all__ = [
    "Entry",
    "Head",
    "HistoryOptions",
    "Log",
    "PresenceJoin",
    "Store",
    "StoreError",
    "get_store",
]

_store: Store | None = None
# What of the settings it was made for: other changes of CABLE leave it alone.
_made_for: tuple[str, str] | None = None
_inherited: list[Store] = []
_lock = threading.Lock()


def get_store() -> Store:
    """The store of this process.

    Raises:
        ImproperlyConfigured: CABLE["store"] is neither "memory" nor the URL of a server.
    """
    global _store, _made_for
    with _lock:
        if _store is None:
            _store, _made_for = _make(), _configured()
        return _store


def _configured() -> tuple[str, str]:
    # Imported late: `cable.conf` uses our types.
    from cable.conf import get_settings

    settings = get_settings()
    return settings.store, settings.store_prefix


def _make() -> Store:
    # Imported late: `cable.conf` uses our types.
    from cable.conf import get_settings

    settings = get_settings()
    if settings.store == "memory":
        return MemoryStore()
    from cable.store.valkey import ValkeyStore

    try:
        return ValkeyStore(
            settings.store,
            prefix=settings.store_prefix,
            max_connections=settings.store_max_connections,
            timeout=settings.layer_timeout,
        )
    except ValueError as error:
        # The value is not shown: it may hold a password.
        raise ImproperlyConfigured(
            'CABLE["store"] must be "memory" or start with redis://, rediss:// or unix://'
        ) from error


def _start_anew() -> None:
    """A forked child must not share the parent's connections, nor take its memory for shared."""
    global _store, _lock
    if _store is not None:
        # Collected, its streams would be closed, and leave the parent's epoll, which is shared.
        _inherited.append(_store)
    _store = None
    _lock = threading.Lock()


def _forget(*, setting: str, **_: Any) -> None:
    global _store
    if setting != "CABLE":
        return
    try:
        configured = _configured()
    except ImproperlyConfigured:
        return  # told to whoever asks for the settings
    if configured != _made_for:
        _store = None


setting_changed.connect(_forget)
os.register_at_fork(after_in_child=_start_anew)
