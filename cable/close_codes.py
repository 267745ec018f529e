"""Codes of the WebSocket close.

Action Cable's clients go by the disconnect frame and never look at the code. Daphne sends only
1000 and 3000-4999, so the refusals are 3000 + the standard code of their kind.
"""

NORMAL_CLOSURE = 1000
UNSUPPORTED_DATA = 4003
POLICY_VIOLATION = 4008
MESSAGE_TOO_BIG = 4009
INTERNAL_ERROR = 4011
