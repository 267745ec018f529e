"""The example of docs/cable.md runs as it stands there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from sera.services.ports import unused
from tests.conformance.client import Client, identifier

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[int]:
    """The guide's first Python block, run as the guide says; the port."""
    block = re.search(r"```python\n(.*?)```", (ROOT / "docs/cable.md").read_text(), re.DOTALL)
    assert block is not None
    (tmp_path / "chat.py").write_text(block[1])
    port = unused()
    command = [
        *(sys.executable, "-m", "cable.servers.uvicorn", "chat:application"),
        *("--ws", "websockets-sansio", "--ws-per-message-deflate", "false"),
    ]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + START_SECONDS
    while b"running on" not in (tmp_path / "log").read_bytes():
        assert process.poll() is None, (tmp_path / "log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield port
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


async def test_the_guides_example(chat: int) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{chat}/", timeout=10) as page:
        assert b"RoomChannel" in page.read()
    lobby = identifier("RoomChannel", room="lobby")
    first = await Client.welcomed(f"ws://127.0.0.1:{chat}/cable")
    second = await Client.extended(f"ws://127.0.0.1:{chat}/cable")
    for client in (first, second):
        await client.subscribe(lobby)
        assert await client.message(lobby) == {"topic": "Welcome to lobby"}
    await first.perform(lobby, "speak", text="hello")
    assert await first.message(lobby) == {"text": "hello"}
    assert (await second.positioned(lobby, "room.lobby"))[0] == {"text": "hello"}
    for client in (first, second):
        await client.close()
