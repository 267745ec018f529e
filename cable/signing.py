"""Names of streams that a server has signed, and the channel that takes them.

A page gets the signed name of a stream that its user may follow, and subscribes with it: nobody is
asked again. The format is that of Rails' MessageVerifier with JSON and SHA-256, as AnyCable has
it: `base64(json(name)) + "--" + hex(HMAC-SHA256(key, base64part))`. So with the same key, any
server that signs for AnyCable signs for us.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
from typing import Final

import msgspec
from django.conf import settings
from django.utils.crypto import salted_hmac

from cable.channel import Channel
from cable.conf import get_settings
from cable.protocol import encode_string
from cable.streams import MAX_STREAM_NAME, check_stream

logger = logging.getLogger(__name__)

PUBSUB_CHANNEL: Final = "$pubsub"

_SEPARATOR = "--"
#: JSON may write a character in 12, and base64 three of those in four.
_MAX_SIGNED = (2 + 12 * MAX_STREAM_NAME + 2) // 3 * 4 + len(_SEPARATOR) + 64

_FROM_URL = str.maketrans("-_", "+/")
_name = msgspec.json.Decoder(str)


class BadSignature(ValueError):
    """A signed name that none of our keys has signed; the text says why and holds no secret."""


def sign_stream(name: str) -> str:
    """Sign the name of a stream for `$pubsub`, with the first key.

    Whoever has it can follow the stream for as long as the key is in use.

    Raises:
        ValueError: not a valid name of a stream.
    """
    encoded = base64.b64encode(encode_string(check_stream(name)).encode()).decode()
    return f"{encoded}{_SEPARATOR}{_digest(encoded, _keys()[0])}"


def verify_stream(signed: str) -> str:
    """The name of a stream that one of the keys has signed.

    Raises:
        BadSignature: it was not, or is not the name of a stream.
    """
    if not isinstance(signed, str):
        raise BadSignature(f"a signed stream name must be text, not {type(signed).__name__}")
    if len(signed) > _MAX_SIGNED:
        raise BadSignature(f"it has {len(signed)} characters; at most {_MAX_SIGNED}")
    # From the right: the digest has no dash, but base64 for URLs may have some.
    encoded, separator, digest = signed.rpartition(_SEPARATOR)
    if not separator or not signed.isascii():
        raise BadSignature("it must be base64, two dashes and a digest")
    if not _is_ours(encoded, digest):
        raise BadSignature("no key has signed it")
    try:
        # AnyCable's Ruby signs the form for URLs.
        text = base64.b64decode(encoded.translate(_FROM_URL), validate=True)
        return check_stream(_name.decode(text))
    except ValueError as error:
        raise BadSignature(f"it is signed, but names no stream: {error}") from error


def _is_ours(encoded: str, digest: str) -> bool:
    return any(hmac.compare_digest(digest, _digest(encoded, key)) for key in _keys())


def _digest(encoded: str, key: str) -> str:
    return hmac.new(key.encode(), encoded.encode(), hashlib.sha256).hexdigest()


def _keys() -> list[str]:
    if keys := get_settings().signing_keys:
        return keys
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [
        salted_hmac("cable.signing", "stream", secret=secret, algorithm="sha256").hexdigest()
        for secret in secrets
    ]


class PubSubChannel(Channel):
    """Streams without a channel of one's own: AnyCable's `$pubsub`.

        from cable.signing import PUBSUB_CHANNEL, PubSubChannel, sign_stream

        class CompanyPubSub(PubSubChannel):
            async def may_stream(self, stream: str) -> bool:
                return stream.startswith(f"{self.identity.group}.")

        cable = CableApplication(channels={PUBSUB_CHANNEL: CompanyPubSub}, authenticate=…)

    A page is given `sign_stream("acme.job.7")` and calls `cable.streamFromSigned(name)`; with the
    setting `public_streams`, any client may also call `cable.streamFrom("acme.job.7")`. Whispers
    and presence are as the settings `whisper_on_signed_streams` and `presence_on_signed_streams`
    say for signed streams, and always on for public ones.
    """

    async def may_stream(self, stream: str) -> bool:
        """Whether this client may follow a stream that it has a signature for, or a public one.

        For subclasses: a signature is not bound to who uses it, and public names are any text.
        """
        return True

    async def subscribed(self) -> None:
        try:
            stream, public = self._named_stream()
        except ValueError as error:
            self._refuse(str(error))
            return
        if not await self.may_stream(stream):
            self._refuse(f"stream {stream!r} is not for this client")
            return
        options = get_settings()
        await self.stream_from(
            stream,
            whisper=public or options.whisper_on_signed_streams,
            presence=public or options.presence_on_signed_streams,
        )

    def _named_stream(self) -> tuple[str, bool]:
        """The stream that the client names, and whether without a signature; ValueError."""
        if "signed_stream_name" in self.params:
            return verify_stream(self.params["signed_stream_name"]), False
        if "stream_name" not in self.params:
            raise ValueError("neither `signed_stream_name` nor `stream_name` is there")
        if not get_settings().public_streams:
            raise ValueError("streams without a signature are off (CABLE['public_streams'])")
        return check_stream(self.params["stream_name"]), True

    def _refuse(self, why: str) -> None:
        logger.warning("%r: no stream of %s: %s", self.connection, PUBSUB_CHANNEL, why)
        self.reject()
