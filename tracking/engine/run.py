"""The engine: judges fixes, and feeds the good ones to motion and arrival."""

from __future__ import annotations

from collections.abc import Sequence

from tracking.engine.arrival import visit
from tracking.engine.model import (
    SECOND,
    Event,
    Held,
    Judged,
    Place,
    Point,
    Reason,
    Site,
    State,
    Thresholds,
)
from tracking.engine.motion import move, wait
from tracking.geo import distance

#: A receiver that finds itself again moves its fix by so much at once, metres. Whether somebody
#: who jumps no further stands or drives, `motion` judges by more than one fix.
SLACK = 250.0
#: Later than any fix, microseconds of UNIX time.
NEVER = 2**63


def judge_alone(point: Point, thresholds: Thresholds) -> Reason | None:
    """What is wrong with a fix, whatever came before."""
    if point.ahead:
        return "future"
    if point.mock and thresholds.flag_mock:
        return "mock"
    if point.accuracy > thresholds.max_accuracy:
        return "accuracy"
    return None


class Engine:
    """One technician's run; `state` is changed in place, and what is found is collected.

    `judged` has a verdict for each fix that was taken, and a second one for each that had been
    held. `events` are in the order of the fixes that proved them.
    """

    def __init__(self, state: State, thresholds: Thresholds, sites: Sequence[Site]) -> None:
        self.state = state
        self.judged: list[Judged] = []
        self.events: list[Event] = []
        self._thresholds = thresholds
        self._sites = sites
        # Those that count now, and the moment from which others may.
        self._present: list[Site] = []
        self._present_until = 0

    def is_next(self, point: Point) -> bool:
        """Whether a fix comes after all that were taken. One that does not is late."""
        state = self.state
        return point.at > state.last_at or (point.at == state.last_at and point.id > state.last_id)

    def take(self, point: Point) -> None:
        """Take in the next fix; `is_next` must hold, or the fix be `future` or `mock`."""
        reason = judge_alone(point, self._thresholds)
        if reason in ("future", "mock"):
            # Nothing depends on it; a wrong clock must not make all true fixes late.
            self.judged.append(Judged(point.at, point.id, reason))
            return
        state = self.state
        if state.good is not None and point.at == state.good.at:
            reason = "duplicate"
        state.last_at, state.last_id = point.at, point.id
        state.since_checkpoint += 1
        if reason == "accuracy":
            wait(state, self._thresholds, _place(point), self.events)
        elif reason is None:
            reason = self._weigh(point)
        self.judged.append(Judged(point.at, point.id, reason))

    def _weigh(self, point: Point) -> Reason | None:
        """Whether one can have come here; settles the fix that was held, if any."""
        state, place = self.state, _place(point)
        leg = self._way(state.good, place)
        held = state.held
        if leg is not None:
            if held is not None:
                self.judged.append(Judged(held.at, held.id, "outlier"))
                state.held = None
            self._accept(place, leg)
            return None
        if held is not None:
            leg = self._way(held, place)
            if leg is not None:
                if held.at == place.at:
                    return "duplicate"
                # Two agree that one is here, so it is the way between that cannot be believed.
                self.judged.append(Judged(held.at, held.id, None))
                state.held = None
                self._accept(Place(held.at, held.lat, held.lon, held.accuracy), None)
                self._accept(place, leg)
                return None
            self.judged.append(Judged(held.at, held.id, "speed"))
        state.held = Held(place.at, place.lat, place.lon, place.accuracy, id=point.id)
        return "unconfirmed"

    def _way(self, before: Place | None, place: Place) -> float | None:
        """Metres from one fix to the next; None if nobody can have been as fast."""
        if before is None:
            return 0.0
        way = distance(before.lat, before.lon, place.lat, place.lon)
        least = way - before.accuracy - place.accuracy - SLACK
        return (
            way if least <= self._thresholds.max_speed * (place.at - before.at) / SECOND else None
        )

    def _accept(self, place: Place, leg: float | None) -> None:
        """Take in a good fix; `leg` is the way to it, None if it is not to be believed."""
        state = self.state
        move(state, self._thresholds, place, leg, self.events)
        if self._sites or state.sites:
            if place.at >= self._present_until:
                self._choose_sites(place.at)
            visit(state, self._present, place, leg, self.events)
        state.good = place

    def _choose_sites(self, at: int) -> None:
        self._present, until = [], NEVER
        for site in self._sites:
            if site.since > at:
                until = min(until, site.since)
            elif site.until >= at:
                self._present.append(site)
                until = min(until, site.until + 1)
        self._present_until = until


def _place(point: Point) -> Place:
    return Place(point.at, point.lat, point.lon, point.accuracy)
