"""Uploads between their doors and the action: what was sent, and what is answered."""

from tracking.uploads.posted import PostedFixes
from tracking.uploads.results import BatchResults, profile_of
from tracking.uploads.storing import UNAVAILABLE, Caller, store

__all__ = ["UNAVAILABLE", "BatchResults", "Caller", "PostedFixes", "profile_of", "store"]
