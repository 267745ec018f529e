"""Settings of the conformance application; the tests choose the layer and the bounds."""

from __future__ import annotations

import json
import os

SECRET_KEY = "conformance"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.conformance.app.urls"
USE_TZ = True
# Transactions without tables: what is broadcast inside of one must wait for its commit.
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}

_REDIS = {"hosts": [os.environ.get("REDIS_URL", "")]}
CHANNEL_LAYERS = {
    "default": {
        "pubsub": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": _REDIS,
        },
        "core": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {**_REDIS, "capacity": 1000},
        },
        "memory": {"BACKEND": "channels.layers.InMemoryChannelLayer"},
    }[os.environ["CONFORMANCE_LAYER"]]
}
CABLE = {
    "store": "memory" if os.environ["CONFORMANCE_LAYER"] == "memory" else os.environ["REDIS_URL"],
    # Streams of this kind keep nothing, as those of an application that wants none of it.
    "history": {"plain.*": {"limit": 0}, "short.*": {"limit": 5}},
    "presence_ttl": 1.0,
    "signing_keys": ["conformance signing key"],
    **json.loads(os.environ.get("CONFORMANCE_CABLE", "{}")),
}
EVENTS_FILE = os.environ["CONFORMANCE_EVENTS"]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}
