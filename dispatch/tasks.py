"""A company's background work on people and their sign-ins."""

from __future__ import annotations

from celery import shared_task

from dispatch.actions.sign_in import delete_expired_sign_ins as delete_expired


@shared_task
def delete_expired_sign_ins() -> int:
    """Delete phone and browser sessions that no one can use any more; returns how many."""
    return delete_expired()
