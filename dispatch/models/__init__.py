"""Tables of people and of work."""

from dispatch.models.people import Customer, PhoneSession, Shift, Skill, Technician, User
from dispatch.models.work import Job

__all__ = ["Customer", "Job", "PhoneSession", "Shift", "Skill", "Technician", "User"]
