"""Tracking's channels on the cable."""

from tracking.channels.map import MapChannel
from tracking.channels.technician import TechnicianChannel

__all__ = ["MapChannel", "TechnicianChannel"]
