"""Progress of a replay: a line that rewrites itself on a terminal, a few lines in a file."""

from datetime import datetime
from typing import TextIO

from demo.phone import Delivery

# Seconds between two lines where the output is no terminal.
LINE_EVERY = 10.0


class Progress:
    """Prints whole lines, and in between how far the sending has come."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._terminal = out.isatty()
        self._total = 0
        self._started: datetime | None = None
        self._shown: datetime | None = None
        self._open = False

    def start(self, total: int, moment: datetime) -> None:
        """Begin to count towards ``total`` points."""
        self._total, self._started, self._shown = total, moment, moment

    def line(self, text: str) -> None:
        """Print a line of its own."""
        self._close()
        print(text, file=self._out, flush=True)

    def show(self, delivery: Delivery, moment: datetime) -> None:
        """Say how far it is; on a file only every ``LINE_EVERY`` seconds."""
        if self._started is None or self._shown is None:
            return
        if self._terminal:
            print(f"\r{self._text(delivery, moment)}\x1b[K", end="", file=self._out, flush=True)
            self._open = True
        elif (moment - self._shown).total_seconds() >= LINE_EVERY:
            self._shown = moment
            print(self._text(delivery, moment), file=self._out, flush=True)

    def end(self, delivery: Delivery, moment: datetime) -> None:
        """Leave the last state on the screen."""
        if self._started is not None and self._terminal:
            self.show(delivery, moment)
        self._close()

    def _text(self, delivery: Delivery, moment: datetime) -> str:
        elapsed = (moment - self._started).total_seconds() if self._started else 0.0
        return (
            f"  {delivery.total}/{self._total} sent · {delivery.stored} stored · "
            f"{delivery.duplicate} duplicate · {len(delivery.rejected)} rejected · {elapsed:.0f} s"
        )

    def _close(self) -> None:
        if self._open:
            print(file=self._out, flush=True)
            self._open = False
