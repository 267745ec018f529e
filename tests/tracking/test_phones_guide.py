"""The commands of docs/phones.md run as they stand there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dispatch.models import PhoneSession
from tenants.context import company_scope
from tests.live import WebServer
from tests.tracking.phones import stored
from tests.world import PASSWORD, Persona

GUIDE = Path(__file__).resolve().parents[2] / "docs/phones.md"


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_the_guide_s_commands(server: WebServer, acme: Persona) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    script = "\necho\n".join(blocks)
    for demo, here in (
        ("http://acme.localhost:8000", server.url_of(acme, "")),
        ("spare.phone@acme.test", acme.technician),
        ("demo-sera", PASSWORD),
    ):
        assert demo in script
        script = script.replace(demo, here)
    # Not every system's resolver knows what is below localhost.
    script = script.replace("curl -s", f"curl -s --connect-to ::127.0.0.1:{server.port}")
    done = subprocess.run(
        ["bash", "-euc", script], capture_output=True, text=True, timeout=60, check=True
    )
    _, sdk, owntracks, overland, osmand = done.stdout.split("\n")
    assert '"status":"stored"' in sdk
    assert (owntracks, overland, osmand) == ("[]", '{"result":"ok"}', "OK")
    assert {row[:3] for row in stored(acme)} == {
        (1, 60.5325, 26.94),
        (1, 60.5326, 26.9402),
        (1, 60.5327, 26.9404),
        (1, 60.5328, 26.9406),
    }
    with company_scope(acme.schema):
        assert PhoneSession.objects.exclude(key_digest="").get().label == "On trial"
