"""The lean client: frames however they are cut, and every way not to open."""

from __future__ import annotations

import asyncio
import json

import pytest

from bench.websocket import Socket, Target

IDENTIFIER = '{"channel":"StreamChannel","stream":"one"}'
UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
WELCOME = '{"type":"welcome"}'
CONFIRM = json.dumps(
    {"identifier": IDENTIFIER, "type": "confirm_subscription"}, separators=(",", ":")
)
PING = '{"type":"ping","message":1}'


def frame(text: str, *, opcode: int = 1) -> bytes:
    """A server's frame, which is not masked."""
    data = text.encode()
    size = len(data)
    if size < 126:
        return bytes([0x80 | opcode, size]) + data
    if size < 65536:
        return bytes([0x80 | opcode, 126]) + size.to_bytes(2, "big") + data
    return bytes([0x80 | opcode, 127]) + size.to_bytes(8, "big") + data


class Sink(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def abort(self) -> None:
        self.aborted = True


class Peer:
    """A socket without a network."""

    def __init__(self, identifier: str | None) -> None:
        self.messages: list[str] = []
        self.lost: list[str] = []
        self.sink = Sink()
        target = Target(1, "/cable?jid=7", "actioncable-v1-json", identifier)
        self.socket = Socket(target, self._read, self.lost.append)
        self.socket.connection_made(self.sink)

    def _read(self, data: bytes, start: int, end: int, now: int) -> None:
        assert now > 0
        self.messages.append(data[start:end].decode())

    def failure(self) -> str:
        return str(self.socket.opened.exception())


def unmasked(data: bytes) -> tuple[int, bytes]:
    """Opcode and payload of a client's frame, whose mask must be there."""
    assert data[1] & 0x80
    size, start = data[1] & 0x7F, 2
    if size == 126:
        size, start = int.from_bytes(data[2:4], "big"), 4
    mask, payload = data[start : start + 4], data[start + 4 :]
    assert len(payload) == size
    return data[0] & 0x0F, bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 100_000])
async def test_messages_arrive_whole_however_the_stream_is_cut(piece: int) -> None:
    peer = Peer(IDENTIFIER)
    texts = ["a", "b" * 125, "c" * 126, "d" * 300, "e" * 70_000]
    stream = UPGRADE + b"".join(map(frame, [WELCOME, PING, CONFIRM, *texts[:2], PING, *texts[2:]]))
    for start in range(0, len(stream), piece):
        peer.socket.data_received(stream[start : start + piece])
    assert peer.messages == texts
    assert peer.socket.opened.result() >= 0
    assert peer.lost == []


async def test_it_upgrades_subscribes_after_the_welcome_and_answers_pings() -> None:
    peer = Peer(IDENTIFIER)
    request = peer.sink.written[0].decode()
    assert request.startswith("GET /cable?jid=7 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n")
    assert "\r\nSec-WebSocket-Protocol: actioncable-v1-json\r\n" in request
    peer.socket.data_received(UPGRADE)
    assert len(peer.sink.written) == 1
    peer.socket.data_received(frame(WELCOME))
    opcode, command = unmasked(peer.sink.written[1])
    assert opcode == 1
    assert json.loads(command) == {"command": "subscribe", "identifier": IDENTIFIER}
    assert not peer.socket.opened.done()
    peer.socket.data_received(frame("four", opcode=9))
    assert unmasked(peer.sink.written[2]) == (10, b"four")


async def test_without_an_identifier_the_upgrade_is_all() -> None:
    peer = Peer(None)
    peer.socket.data_received(UPGRADE)
    assert peer.socket.opened.done()
    peer.socket.data_received(frame("first"))
    assert peer.messages == ["first"]


@pytest.mark.parametrize(
    ("received", "why"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "refused: HTTP/1.1 503 Service Unavailable"),
        (
            UPGRADE + frame('{"type":"disconnect","reason":"unauthorized"}'),
            'told {"type":"disconnect","reason":"unauthorized"}',
        ),
        (
            UPGRADE + frame(WELCOME) + frame('{"identifier":"x","type":"reject_subscription"}'),
            'told {"identifier":"x","type":"reject_subscription"}',
        ),
        (UPGRADE + frame("\x03\xe8", opcode=8), "told a close b'\\x03\\xc3\\xa8'"),
        (UPGRADE + b"\x01\x01a", "told a frame that begins 0x1 b'a'"),
    ],
)
async def test_what_keeps_it_from_opening_is_told_once(received: bytes, why: str) -> None:
    peer = Peer(IDENTIFIER)
    peer.socket.data_received(received)
    peer.socket.connection_lost(None)
    assert peer.failure() == why
    assert peer.lost == []
    assert peer.sink.aborted


async def test_a_socket_that_is_lost_later_is_told_of_once() -> None:
    peer = Peer(IDENTIFIER)
    peer.socket.data_received(UPGRADE + frame(WELCOME) + frame(CONFIRM))
    peer.socket.data_received(frame('{"type":"disconnect","reason":"too_slow"}') * 2)
    peer.socket.connection_lost(None)
    assert peer.socket.opened.result() >= 0
    assert peer.lost == ['told {"type":"disconnect","reason":"too_slow"}']


async def test_a_socket_that_we_close_is_not_lost() -> None:
    peer = Peer(None)
    peer.socket.data_received(UPGRADE)
    peer.socket.close()
    peer.socket.connection_lost(None)
    assert peer.lost == []
