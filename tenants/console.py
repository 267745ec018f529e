"""Asking the person at a terminal."""

from __future__ import annotations

import getpass
import sys


def read_password() -> str:
    """A password, typed without echo, or the first line of standard input where it is a pipe."""
    if sys.stdin.isatty():
        return getpass.getpass("Password: ")
    return sys.stdin.readline().rstrip("\n")
