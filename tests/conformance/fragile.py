"""A broker that goes away."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from sera.services.ports import unused
from sera.services.valkey import ValkeyServer


class FragileValkey:
    """A Valkey that can be killed, and started again on the same port.

    It is empty then unless it is durable, which is: but for the last second.
    """

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self._durable = durable
        self._server = ValkeyServer(folder, unused(), durable=durable)
        self._server.start()
        self.url = self._server.url
        self.port = self._server.port

    def kill(self) -> None:
        pid = self._server.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    def start(self) -> None:
        self._server = ValkeyServer(self._server.data_dir, self.port, durable=self._durable)
        self._server.start()
        assert self._server.port == self.port

    def stop(self) -> None:
        self._server.stop()
