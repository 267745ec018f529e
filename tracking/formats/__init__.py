"""The formats in which apps that exist already send positions.

Each module reads one format: `read(…, technician_id, now)` gives an `Item` for each thing that was
sent, in order. It raises `BadInputError` only where there are no items to tell apart. What an app
sends wrong in a field that may be unknown becomes unknown; what has no place or no time that can be
read is refused by itself. These apps send a refused upload again for ever, so one bad item must
never cost the others anything.
"""

from dispatch.errors import FieldError
from tracking.fixes import FixForm

#: A fix, what is wrong with it, or None for something that is no position and is not stored.
Item = FixForm | FieldError | None

__all__ = ["Item"]
