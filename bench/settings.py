"""Settings of the benches' servers and publishers; the environment names stack and Valkey."""

from __future__ import annotations

import os
from typing import Any

SECRET_KEY = "only for benches on the loopback interface"
ALLOWED_HOSTS = ["*"]
USE_TZ = True
# Never opened; a project without any database is no ordinary one.
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}

_CONFIG: dict[str, Any] = {"hosts": [os.environ["BENCH_VALKEY"]], "prefix": "bench"}
_LAYERS = {
    "pubsub": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": _CONFIG},
    "core": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        # The default of 100 messages of a whole process drops under load, without a word.
        "CONFIG": {**_CONFIG, "capacity": 1_000_000},
    },
}
CHANNEL_LAYERS = {"default": _LAYERS[os.environ["BENCH_LAYER"]]}
CABLE = {
    "store": os.environ["BENCH_VALKEY"],
    # The map's baseline keeps no history of positions; what slow readers missed is all kept.
    "history": {"fixes-*": {"limit": 0}, "stalled-*": {"limit": 20_000}},
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
