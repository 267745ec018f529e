"""Positions: what phones report, where everybody is now, where they were."""
