"""Where a company's Sera answers, and how to reach it without a name server."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

DEFAULT_DOMAIN = "localhost"
DEFAULT_PORT = 8000
DEFAULT_TEMPLATE = f"http://{{schema}}.{DEFAULT_DOMAIN}:{DEFAULT_PORT}"
# Longer than any answer of a healthy server, shorter than a person's patience.
TIMEOUT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Site:
    """A base URL; ``address`` is what we connect to, ``host`` what the Host header says."""

    url: str
    address: str
    host: str
    local: bool

    @classmethod
    def parse(cls, url: str) -> "Site":
        """Accept ``http(s)://host[:port]``; ValueError names the URL and what would be right.

        Names under ``.localhost`` always mean this machine (RFC 6761), but not every system's
        resolver knows it; so we connect to 127.0.0.1 and send the name as the Host header.
        """
        parts = urlsplit(url)
        try:
            name, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise ValueError(f"URL {url!r}: {error}") from None
        if parts.scheme not in ("http", "https") or not name or parts.path.strip("/"):
            raise ValueError(
                f"URL {url!r} is not of the form http://acme.localhost:8000 (no path after it)"
            )
        local = name == "localhost" or name.endswith(".localhost")
        suffix = f":{port}" if port else ""
        target = "127.0.0.1" if local else name
        address = f"{parts.scheme}://{target}{suffix}"
        return cls(f"{parts.scheme}://{name}{suffix}", address, f"{name}{suffix}", local)

    def open(self) -> httpx.AsyncClient:
        """A client for this site; a proxy from the environment is not asked about this machine."""
        return httpx.AsyncClient(
            base_url=self.address,
            headers={"Host": self.host, "User-Agent": "sera-demo-phone/1"},
            timeout=TIMEOUT_SECONDS,
            trust_env=not self.local,
        )


def company_url(template: str, schema: str) -> str:
    """The company's URL, with the schema's name put in; ValueError if there is no place for it."""
    if "{schema}" not in template:
        raise ValueError(f"URL template {template!r} lacks {{schema}}; such as {DEFAULT_TEMPLATE}")
    return template.replace("{schema}", schema)
