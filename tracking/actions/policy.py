"""Changing how a company tracks."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import BaseValidator, MaxValueValidator, MinValueValidator
from django.db import models, transaction

from cable import broadcast
from dispatch.errors import BadInputError, FieldError, echo
from dispatch.models import Technician, User
from tenants.celery import ask_for
from tenants.context import current_schema
from tenants.streams import company_stream
from tracking.messages import to_wire
from tracking.models import Policy, Recount
from tracking.queries import POLICY_STREAM, technicians_on_map

logger = logging.getLogger(__name__)

_FIELDS = {field.name: field for field in Policy._meta.concrete_fields if not field.primary_key}
FIELDS = tuple(_FIELDS)
# What a fix, a stop or a visit is judged by: another value of these changes what is stored.
_JUDGING = {
    "max_accuracy",
    "max_speed",
    "flag_mock",
    "stop_radius",
    "stop_seconds",
    "site_radius",
}
_AGES = ("delayed_seconds", "stale_seconds", "lost_seconds")
# No fix is older: `tracking.fixes.EARLIEST`.
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


@transaction.atomic
def change_policy(*, changes: Mapping[str, Any], by: User) -> Policy:
    """Change some of the company's policy. Locks its row.

    If it judges fixes otherwise from now on, a Recount is added for each technician in the same
    transaction. If ages change, open maps are told after the commit.

    Raises:
        BadInputError: names every wrong field; nothing was changed.
    """
    errors = [
        FieldError(name, echo(value), f"is no field of the policy: {', '.join(FIELDS)}")
        for name, value in changes.items()
        if name not in FIELDS
    ] + [
        FieldError(name, echo(value), f"must be {_right(name)}")
        for name, value in changes.items()
        if name in FIELDS and not _has_type(name, value)
    ]
    if errors:
        raise BadInputError(*errors)
    Policy.objects.bulk_create([Policy(id=1)], ignore_conflicts=True)
    policy = Policy.objects.select_for_update().get(id=1)
    before = {name: getattr(policy, name) for name in changes}
    for name, value in changes.items():
        setattr(policy, name, value)
    _check(policy, changes)
    policy.save()
    changed = {name for name, value in before.items() if getattr(policy, name) != value}
    if not changed.isdisjoint(_JUDGING):
        Recount.objects.bulk_create(
            Recount(technician_id=technician, since=_BEGINNING, cause="policy")
            for technician in Technician.objects.order_by("pk").values_list("pk", flat=True)
        )
        ask_for("tracking.tasks.settle_tracks")
    if not changed.isdisjoint(_AGES):
        stream = company_stream(current_schema(), POLICY_STREAM)
        broadcast(stream, to_wire(technicians_on_map()))
    for name in sorted(changed):
        logger.info(
            "user %s changed the policy's %s from %r to %r",
            by.pk,
            name,
            before[name],
            getattr(policy, name),
        )
    return policy


def _check(policy: Policy, changes: Mapping[str, Any]) -> None:
    """Raises BadInputError."""
    try:
        policy.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        raise BadInputError(
            *(
                FieldError(name, echo(getattr(policy, name)), f"must be {_right(name)}")
                for name in error.message_dict
            )
        ) from None
    errors = []
    for lower, higher in pairwise(_AGES):
        least, most = getattr(policy, lower), getattr(policy, higher)
        if least >= most and higher in changes:
            errors.append(FieldError(higher, most, f"must be more than {lower}, which is {least}"))
        elif least >= most:
            errors.append(FieldError(lower, least, f"must be less than {higher}, which is {most}"))
    if errors:
        raise BadInputError(*errors)


def _has_type(name: str, value: Any) -> bool:
    """Whether JSON gave the field's own type; Django would read "nan", "7" and true as numbers."""
    field = _FIELDS[name]
    if isinstance(field, models.BooleanField):
        return isinstance(value, bool)
    if isinstance(field, models.CharField):
        return isinstance(value, str)
    if isinstance(value, bool):
        return False
    if isinstance(field, models.FloatField):
        return isinstance(value, int | float) and _is_finite(value)
    return isinstance(value, int)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False


def _right(name: str) -> str:
    """What a field may hold, in words."""
    field = _FIELDS[name]
    if isinstance(field, models.BooleanField):
        return "true or false"
    if field.choices:
        return "one of " + ", ".join(value for value, _ in field.flatchoices)
    bounds = {
        type(each): each.limit_value
        for each in reversed(field.validators)  # ours before those of the column
        if isinstance(each, BaseValidator)
    }
    number = "a number" if isinstance(field, models.FloatField) else "a whole number"
    return (
        f"{number} from {bounds[MinValueValidator]:,} to {bounds[MaxValueValidator]:,}"
        f"{f' ({field.help_text})' if field.help_text else ''}"
    )
