"""How long the way to somewhere takes: by road where there is an engine, else by air."""

from tracking.eta.arrival import Confidence, Estimate, Sighting, estimate
from tracking.eta.legs import Leg, Place, Travel
from tracking.eta.routing import travel

__all__ = [
    "Confidence",
    "Estimate",
    "Leg",
    "Place",
    "Sighting",
    "Travel",
    "estimate",
    "travel",
]
