"""Web servers that send their sockets away in order before they end.

`python -m cable.servers.uvicorn` and `python -m cable.servers.daphne` take the options of uvicorn
and of Daphne. On SIGTERM or Ctrl-C both go through the same steps:

1. `is_draining()` is true, so a readiness page can answer 503; all goes on for `drain_notice`.
2. New connections are refused.
3. The cable's sockets are told `server_restart`, spread over `drain_window`, and close.
4. Requests in flight are answered, and the process ends with status 0.
"""

from cable.servers.state import is_draining

__all__ = ["is_draining"]
