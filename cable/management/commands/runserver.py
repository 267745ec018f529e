"""Daphne's `runserver`, on the server that drains. List `cable` before `daphne`."""

from __future__ import annotations

from daphne.management.commands import runserver

from cable.servers.daphne import Server


class Command(runserver.Command):  # type: ignore[misc]
    """As Daphne's."""

    server_cls = Server
