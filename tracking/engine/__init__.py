"""What fixes mean: a pure state machine, from fixes in the order of the phone's clock to verdicts,
trips and visits.

The same fixes, sites and thresholds give the same answer to the last bit, whether they are fed one
by one, in batches, or again from a checkpoint. Nothing here asks a clock or a database.

Order is (moment, id). Moments are integers: microseconds of UNIX time.
"""

from tracking.engine.model import (
    SECOND,
    UNKNOWN_ACCURACY,
    Arrived,
    Crossed,
    Departed,
    Event,
    Judged,
    Place,
    Point,
    Reason,
    Site,
    State,
    Thresholds,
    TripEnded,
    decode_state,
    encode_state,
)
from tracking.engine.run import Engine, judge_alone

__all__ = [
    "SECOND",
    "UNKNOWN_ACCURACY",
    "Arrived",
    "Crossed",
    "Departed",
    "Engine",
    "Event",
    "Judged",
    "Place",
    "Point",
    "Reason",
    "Site",
    "State",
    "Thresholds",
    "TripEnded",
    "decode_state",
    "encode_state",
    "judge_alone",
]
