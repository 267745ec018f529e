"""Signed names of streams, and the channel that takes them."""

from __future__ import annotations

import json
import logging
import string
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import assume, given
from hypothesis import strategies as st
from pytest_django import Settings

from cable import abroadcast
from cable.conf import get_settings
from cable.signing import (
    PUBSUB_CHANNEL,
    BadSignature,
    PubSubChannel,
    sign_stream,
    verify_stream,
)
from tests.cable.conftest import Open

KEY = "0123456789abcdef0123456789abcdef"
OLDER = "an-older-key-of-ours"

# Made by Node: `Buffer.from(JSON.stringify(name)).toString("base64")`, two dashes, and of the
# former `createHmac("sha256", key).update(encoded).digest("hex")`.
CHAT = "ImNoYXQvMjAyNCI=--52f9b06367df19e73b7f4f61222f7ad10f231600278129d53976e29716daa043"
VAN = "Inpvw6sgPCY+IPCfmpoi--3b6570a351c6e9db540567ddd5c586f56e0fa6954b328564ceff2f1c4933820c"
CHAT_BY_OLDER = "ImNoYXQvMjAyNCI=--313fc3fddeeffc99ef86d4821c6bd96fedcebe51cbf803faa6f7bbff6506a3c9"
#: "abc！" in the base64 for URLs.
FOR_URL = "ImFiY--8gSI=--20b427940999c20cfcd6930117026f4e32b31b31e2797c69ec94029c9cc0ca91"
#: The key signed an array: ["chat/2024",1].
ARRAY = "WyJjaGF0LzIwMjQiLDFd--2a69fa966098e1cc981b59bb9f8f0b08ebbf733e3e41159c22866f27826af7ac"

names = st.text(min_size=1, max_size=255).filter(str.isprintable)


@pytest.fixture(autouse=True)
def keys(settings: Settings, memory_layer: None) -> None:
    settings.CABLE = {**settings.CABLE, "signing_keys": [KEY, OLDER]}


def test_signs_and_verifies_as_others_do() -> None:
    assert sign_stream("chat/2024") == CHAT
    assert sign_stream("zoë <&> 🚚") == VAN
    assert verify_stream(CHAT) == verify_stream(CHAT_BY_OLDER) == "chat/2024"
    assert verify_stream(VAN) == "zoë <&> 🚚"
    assert verify_stream(FOR_URL) == "abc！"


def test_key_that_is_no_longer_listed_verifies_nothing(settings: Settings) -> None:
    settings.CABLE = {"signing_keys": [OLDER]}
    assert sign_stream("chat/2024") == CHAT_BY_OLDER
    with pytest.raises(BadSignature, match="no key has signed it"):
        verify_stream(CHAT)


def test_keys_come_from_djangos_where_none_are_set(settings: Settings) -> None:
    settings.CABLE = {}
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "one" * 20, []
    by_one = sign_stream("chat/2024")
    assert by_one not in (CHAT, CHAT_BY_OLDER)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "two" * 20, ["one" * 20]
    assert verify_stream(by_one) == "chat/2024"
    assert sign_stream("chat/2024") != by_one
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(BadSignature, match="no key has signed it"):
        verify_stream(by_one)
    # Django's key itself signs other things; it must not sign names too.
    settings.CABLE = {"signing_keys": ["one" * 20]}
    with pytest.raises(BadSignature, match="no key has signed it"):
        verify_stream(by_one)


@pytest.mark.parametrize(
    ("signed", "complaint"),
    [
        (None, "must be text, not NoneType"),
        (["chat"], "must be text, not list"),
        ("", "base64, two dashes and a digest"),
        ("--", "no key has signed it"),
        ("chat/2024", "base64, two dashes and a digest"),
        (CHAT.partition("--")[0], "base64, two dashes and a digest"),
        (CHAT.replace("--", "-"), "base64, two dashes and a digest"),
        (CHAT[:-1] + "\u0663", "base64, two dashes and a digest"),
        (CHAT.upper(), "no key has signed it"),
        (CHAT + " ", "no key has signed it"),
        (CHAT + "\n", "no key has signed it"),
        (" " + CHAT, "no key has signed it"),
        (CHAT.replace("=", ""), "no key has signed it"),
        (CHAT + "--" + CHAT.rpartition("--")[2], "no key has signed it"),
        (CHAT.partition("--")[0] + "--" + CHAT_BY_OLDER.rpartition("--")[2][:-1], "no key"),
        ("A" * 4151, "it has 4151 characters; at most 4150"),
    ],
)
def test_what_nobody_signed_is_refused(signed: Any, complaint: str) -> None:
    with pytest.raises(BadSignature, match=complaint) as refusal:
        verify_stream(signed)
    assert KEY not in str(refusal.value)


def test_signed_is_not_yet_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadSignature, match="it is signed, but names no stream: Expected `str`"):
        verify_stream(ARRAY)
    # What a holder of the key could sign by mistake.
    monkeypatch.setattr("cable.signing._is_ours", lambda encoded, digest: True)
    for encoded, complaint in [
        ("!!!!", "Only base64 data is allowed"),
        ("ImEi\n", "Only base64 data is allowed"),
        ("ImE", "Incorrect padding"),
        ("Im", "Incorrect padding"),
        ("/w==", "malformed"),
        ("IiI=", "stream '' must be a string that is not empty"),
        ("IgBhIg==", "malformed"),
        ("Ilx1MDAwMCI=", "has unprintable characters"),
    ]:
        with pytest.raises(BadSignature, match=complaint):
            verify_stream(f"{encoded}--x")


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 256, None, 7, "\ud800"])
def test_only_names_of_streams_are_signed(name: Any) -> None:
    with pytest.raises(ValueError, match=r"stream "):
        sign_stream(name)


@given(names)
def test_any_name_comes_back(name: str) -> None:
    assert verify_stream(sign_stream(name)) == name


def test_longest_name_comes_back_however_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "\U0001f69a" * 255
    # Python's `json.dumps` writes one of these in 12 characters.
    monkeypatch.setattr("cable.signing.encode_string", json.dumps)
    signed = sign_stream(name)
    assert len(signed) == 4150
    assert verify_stream(signed) == name


@given(names, st.data())
def test_any_changed_character_is_refused(name: str, data: st.DataObject) -> None:
    signed = sign_stream(name)
    at = data.draw(st.integers(0, len(signed) - 1))
    by = data.draw(st.sampled_from(string.ascii_letters + string.digits + "+/=-_ ") | st.text())
    changed = signed[:at] + by + signed[at + 1 :]
    assume(changed != signed)
    with pytest.raises(BadSignature):
        verify_stream(changed)


@given(names, names)
def test_digest_of_one_name_does_not_fit_another(name: str, other: str) -> None:
    assume(name != other)
    encoded, digest = sign_stream(name).split("--")[0], sign_stream(other).split("--")[1]
    with pytest.raises(BadSignature):
        verify_stream(f"{encoded}--{digest}")


@given(st.text() | st.binary().map(lambda value: value.decode("latin-1")))
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadSignature):
        verify_stream(text)
    with pytest.raises(BadSignature):
        verify_stream(f"{text}--{text}")


# The channel.


def identifier(**params: Any) -> str:
    return json.dumps({"channel": PUBSUB_CHANNEL, **params})


class Ours(PubSubChannel):
    async def may_stream(self, stream: str) -> bool:
        return stream.startswith("ours.")


async def test_signed_stream_is_followed(open_socket: Open) -> None:
    socket = await open_socket({PUBSUB_CHANNEL: PubSubChannel})
    signed = identifier(signed_stream_name=CHAT)
    await socket.subscribe(signed)
    await abroadcast("chat/2024", {"text": "hello"})
    assert await socket.message(signed) == {"text": "hello"}


async def test_public_stream_is_followed_where_they_are_on(
    open_socket: Open, settings: Settings
) -> None:
    settings.CABLE = {**settings.CABLE, "public_streams": True}
    socket = await open_socket({PUBSUB_CHANNEL: PubSubChannel})
    public = identifier(stream_name="chat/2024")
    await socket.subscribe(public)
    await abroadcast("chat/2024", {"text": "hello"})
    assert await socket.message(public) == {"text": "hello"}


@pytest.mark.parametrize(
    ("params", "public", "complaint"),
    [
        ({}, True, "neither `signed_stream_name` nor `stream_name` is there"),
        ({"stream_name": "chat/2024"}, False, "streams without a signature are off"),
        ({"stream_name": ""}, True, "stream '' must be a string that is not empty"),
        ({"stream_name": ["ours.1"]}, True, "must be a string"),
        ({"stream_name": "theirs.1"}, True, "stream 'theirs.1' is not for this client"),
        ({"signed_stream_name": CHAT}, True, "stream 'chat/2024' is not for this client"),
        ({"signed_stream_name": CHAT[:-1] + "4"}, True, "no key has signed it"),
        # A bad signature is no reason to take the name beside it.
        ({"signed_stream_name": "x", "stream_name": "ours.1"}, True, "base64, two dashes"),
        ({"signed_stream_name": None, "stream_name": "ours.1"}, True, "must be text"),
    ],
)
async def test_other_streams_are_rejected(
    open_socket: Open,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    params: dict[str, Any],
    public: bool,
    complaint: str,
) -> None:
    settings.CABLE = {**settings.CABLE, "public_streams": public}
    socket = await open_socket({PUBSUB_CHANNEL: Ours})
    named = identifier(**params)
    with caplog.at_level(logging.WARNING):
        socket.command("subscribe", named)
        assert await socket.next() == {"type": "reject_subscription", "identifier": named}
    (line,) = [r.getMessage() for r in caplog.records if r.name == "cable.signing"]
    assert complaint in line
    assert KEY not in caplog.text
    await socket.subscribe(identifier(signed_stream_name=sign_stream("ours.1")))


@pytest.mark.parametrize(
    ("options", "params", "offers"),
    [
        ({}, {"signed_stream_name": CHAT}, (False, True)),
        ({"whisper_on_signed_streams": True}, {"signed_stream_name": CHAT}, (True, True)),
        ({"presence_on_signed_streams": False}, {"signed_stream_name": CHAT}, (False, False)),
        (
            {"public_streams": True, "presence_on_signed_streams": False},
            {"stream_name": "a"},
            (True, True),
        ),
    ],
)
async def test_settings_say_what_is_offered(
    open_socket: Open,
    settings: Settings,
    options: dict[str, Any],
    params: dict[str, Any],
    offers: tuple[bool, bool],
) -> None:
    settings.CABLE = {**settings.CABLE, **options}
    offered: list[tuple[bool, bool]] = []

    class Watched(PubSubChannel):
        async def stream_from(
            self, stream: str, *, whisper: bool = False, presence: bool = False
        ) -> None:
            offered.append((whisper, presence))
            await super().stream_from(stream, whisper=whisper, presence=presence)

    socket = await open_socket({PUBSUB_CHANNEL: Watched})
    await socket.subscribe(identifier(**params))
    assert offered == [offers]


def test_short_keys_are_a_mistake_and_no_mistake_shows_a_key(settings: Settings) -> None:
    settings.CABLE = {"signing_keys": [KEY, "x" * 15]}
    with pytest.raises(ImproperlyConfigured, match=r"length >= 16 .*signing_keys") as mistake:
        get_settings()
    assert KEY not in str(mistake.value)
