"""A company's people at a browser: signed in by the page's form, with its cookie."""

from __future__ import annotations

from django.test import Client

from tests.world import PASSWORD, Persona


def browser_of(persona: Persona, email: str | None = None) -> Client:
    """A Django client with the session cookie of a signed-in user, by default the dispatcher."""
    client = Client(HTTP_HOST=persona.host)
    response = client.post(
        "/login/", {"username": email or persona.dispatcher, "password": PASSWORD}
    )
    assert (response.status_code, response.headers.get("Location")) == (302, "/")
    return client
