"""The operating-system account that a server runs under.

`postgres` refuses to run as root, and no server should. Under root both servers therefore run
as an unprivileged account through `setpriv`; an ordinary user runs them directly.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

# "nobody" on every Linux distribution. No account has to be created for it.
UNPRIVILEGED_ID = 65534

# Reaching a clone below a closed directory such as /root, in the order of the least power.
# Containers commonly grant root the second one only. Changing the parents' modes would open
# somebody's home directory, so that is never done.
_CAPABILITIES = (None, "dac_read_search", "dac_override")

_PROBE_SECONDS = 10


class AccountError(Exception):
    """No account can run the server; the text says what is in the way."""


@dataclass(frozen=True)
class Account:
    """Who runs a server: `prefix` goes before its command; `uid` None means ourselves."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None

    def give(self, path: Path) -> None:
        """Make `path` this account's own."""
        if self.uid is not None:
            os.chown(path, self.uid, self.uid)


def choose_account(*, binary: Path, folder: Path, owner: int | None) -> Account:
    """Return the account for `binary`, which must reach `folder`.

    `owner` is the account that already owns the server's files, if they exist: root keeps
    using it, so that a cluster made by an ordinary user opens under `sudo` too.

    Raises:
        AccountError: root cannot drop its rights here, or the account cannot reach a path.
    """
    if os.geteuid() != 0:
        return Account()
    if shutil.which("setpriv") is None:
        raise AccountError(
            "running as root needs the program setpriv (Debian: util-linux); "
            "install it, or run as an ordinary user"
        )
    uid = owner or UNPRIVILEGED_ID
    problem = ""
    for capability in _CAPABILITIES:
        prefix = _setpriv(uid, capability)
        # Running the binary also proves that its shared libraries can be read.
        probe = ["sh", "-c", 'cd "$1" && exec "$2" --version', "probe", str(folder), str(binary)]
        result = subprocess.run(
            [*prefix, *probe],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_PROBE_SECONDS,
        )
        if result.returncode == 0:
            return Account(prefix=prefix, uid=uid)
        problem = problem or result.stderr.strip()
    raise AccountError(f"as root, user {uid} cannot run {binary} in {folder}: {problem}")


def _setpriv(uid: int, capability: str | None) -> tuple[str, ...]:
    kept = "-all" if capability is None else f"-all,+{capability}"
    return (
        "setpriv",
        f"--reuid={uid}",
        f"--regid={uid}",
        "--clear-groups",
        "--no-new-privs",
        f"--inh-caps={kept}",
        f"--ambient-caps={kept}",
        f"--bounding-set={kept}",
        # Without this access(2), by which initdb looks for postgres, ignores the capability.
        *(() if capability is None else ("--securebits=+no_setuid_fixup",)),
    )
