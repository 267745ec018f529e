"""A technician's phone on the cable."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import msgspec
from django.conf import settings
from django.utils import timezone

from cable import action
from dispatch.actions.progress import arrive, finish, set_on_the_way
from dispatch.errors import BadInputError, FieldError, echo
from dispatch.models import Job
from dispatch.sockets import CompanyChannel
from tenants.context import run_in_tenant
from tenants.streams import company_stream
from tracking.actions import NotSignedIn, Recorded, record_fixes
from tracking.messages import JobChanged, Refused, technician_stream, to_wire
from tracking.uploads import UNAVAILABLE, Caller, PostedFixes, store

# A phone's own name for what it sends is repeated in the answer, but no more of it than this.
MAX_REF = 64


class TechnicianChannel(CompanyChannel):
    """One technician's phone: it uploads positions and tells how far a job is; it is told what its
    positions propose for its jobs (`proposal`).

    Each action is answered, with the `ref` that the phone gave it if any: `fixes`, `job`, or
    `refused`, which changed nothing. Where something is refused with `retry_after`, it is to be
    sent again after so many seconds.
    """

    async def subscribed(self) -> None:
        technician = self.identity.technician_id
        if technician is None:
            self.reject()
            return
        schema = self.identity.company.schema
        await self.stream_from(company_stream(schema, technician_stream(technician)))

    @action
    async def fixes(self, data: dict[str, Any]) -> None:
        """Store `fixes`, an array of the native form; answered item by item, after the commit."""
        technician = self.identity.technician_id
        if technician is None:
            return  # nobody is subscribed
        try:
            posted = _read(data, technician)
            recorded = await self._store(technician, posted)
        except BadInputError as error:
            self._refuse("fixes", data, *error.errors)
        except NotSignedIn:
            self._refuse(
                "fixes", data, FieldError("fixes", None, "are of a phone that was signed out")
            )
        except UNAVAILABLE:
            again = settings.INGEST_RETRY_AFTER_SECONDS
            why = FieldError("fixes", None, "cannot be stored now; keep them and try again")
            self._refuse("fixes", data, why, retry_after=again)
        else:
            _, answer = posted.answer(recorded)
            self.transmit({"type": "fixes", **_ref(data), **msgspec.to_builtins(answer)})

    @action
    async def on_my_way(self, data: dict[str, Any]) -> None:
        """Drive to the `job` of this id, since now."""
        await self._progress("on_my_way", data, set_on_the_way)

    @action
    async def arrived(self, data: dict[str, Any]) -> None:
        """Be at the `job` of this id, since now, or since `at`."""
        await self._progress("arrived", data, arrive)

    @action
    async def done(self, data: dict[str, Any]) -> None:
        """Have done the `job` of this id."""
        await self._progress("done", data, finish)

    async def _store(self, technician: int, posted: PostedFixes) -> Recorded:
        schema, session = self.identity.company.schema, self.identity.phone_session
        if session is None:  # a browser's
            return await run_in_tenant(
                schema, record_fixes, technician_id=technician, fixes=posted.fixes
            )
        return await store(Caller(self.identity.company, technician, session), posted.fixes)

    async def _progress(self, name: str, data: dict[str, Any], act: Callable[..., Job]) -> None:
        technician = self.identity.technician_id
        if technician is None:
            return
        try:
            number, at = _job_number(data), _moment(data)
            job = await self.run(_act, act, number, technician, at)
        except BadInputError as error:
            self._refuse(name, data, *error.errors)
        else:
            changed = JobChanged(id=job.pk, status=job.status)
            self.transmit({**to_wire(changed), **_ref(data)})

    def _refuse(self, name: str, data: dict[str, Any], *errors: FieldError, **more: float) -> None:
        refused = Refused(action=name, errors=list(errors))
        self.transmit({**to_wire(refused), **_ref(data), **more})


def _read(data: dict[str, Any], technician: int) -> PostedFixes:
    """Raises BadInputError."""
    content = data.get("fixes")
    if not isinstance(content, list):
        raise BadInputError(FieldError("fixes", echo(content), "must be an array of fixes"))
    return PostedFixes.of_values(content, technician_id=technician, now=timezone.now())


def _act(act: Callable[..., Job], number: int, technician: int, at: datetime | None) -> Job:
    """Raises BadInputError."""
    job = Job.objects.filter(pk=number, technician_id=technician).first()
    unknown = BadInputError(FieldError("job", number, "must be a job of this technician's"))
    if job is None:
        raise unknown
    try:
        return act(job=job, at=at)
    except Job.DoesNotExist:  # given to somebody else at this moment
        raise unknown from None


def _job_number(data: dict[str, Any]) -> int:
    """Raises BadInputError."""
    number = data.get("job")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 2**63:
        raise BadInputError(FieldError("job", echo(number), "must be a job's id"))
    return number


def _moment(data: dict[str, Any]) -> datetime | None:
    """Raises BadInputError."""
    value = data.get("at")
    if value is None:
        return None
    try:
        return msgspec.convert(value, Annotated[datetime, msgspec.Meta(tz=True)])
    except msgspec.ValidationError:
        raise BadInputError(
            FieldError("at", echo(value), "must be a time with its offset, or absent for now")
        ) from None


def _ref(data: dict[str, Any]) -> dict[str, Any]:
    ref = data.get("ref")
    if isinstance(ref, str) and len(ref) <= MAX_REF:
        return {"ref": ref}
    if isinstance(ref, int) and abs(ref) < 2**53:
        return {"ref": ref}
    return {}
