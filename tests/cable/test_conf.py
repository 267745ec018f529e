"""The setting CABLE."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from cable.conf import CableSettings, get_settings


def test_defaults_keep_what_clients_wait_for() -> None:
    defaults = CableSettings()
    assert defaults.ping_interval == 3.0
    assert defaults.authenticate_timeout + defaults.layer_timeout <= 6  # stale without a frame
    assert defaults.subscribe_timeout < 5
    assert defaults.layer_timeout < defaults.subscribe_timeout
    assert defaults.teardown_timeout < 10  # Daphne ends the application
    assert 2 * defaults.probe_interval + defaults.layer_timeout < 10
    assert defaults.max_message_bytes == 65_536
    assert defaults.max_payload_bytes + defaults.max_message_bytes <= 1_048_576  # Daphne's frames


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({"ping_intervall": 3}, "ping_intervall"),
        ({"ping_interval": "3"}, r"Expected `float`, got `str` - at `\$.ping_interval`"),
        ({"ping_interval": 0}, r"> 0.* - at `\$.ping_interval`"),
        ({"max_subscriptions": 0}, r">= 1 - at `\$.max_subscriptions`"),
        ([], "Expected `object`"),
    ],
)
def test_mistake_is_named(settings: Settings, value: object, complaint: str) -> None:
    settings.CABLE = value
    with pytest.raises(ImproperlyConfigured, match=complaint):
        get_settings()


def test_change_is_seen(settings: Settings) -> None:
    settings.CABLE = {"max_subscriptions": 7}
    assert get_settings().max_subscriptions == 7
    settings.CABLE = {}
    assert get_settings() == CableSettings()
