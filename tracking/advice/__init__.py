"""Answers to dispatchers' questions: who is best sent, when somebody arrives, in which order."""

from tracking.advice.arrivals import Arrival, arrival_at
from tracking.advice.best import Ranking, best_technicians
from tracking.advice.errors import JobNotOpenError, NobodyAssignedError
from tracking.advice.plans import DayPlan, plan_day

__all__ = [
    "Arrival",
    "DayPlan",
    "JobNotOpenError",
    "NobodyAssignedError",
    "Ranking",
    "arrival_at",
    "best_technicians",
    "plan_day",
]
