"""Django's settings. Every value from outside comes through `sera.env`."""

from __future__ import annotations

import warnings
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import django_stubs_ext
from psycopg import Connection

from sera.env import ROOT, env, next_redis_database
from sera.logging import logging_config

# Lets Django's generic classes be written with their type parameters.
django_stubs_ext.monkeypatch()

SECRET_KEY = env.SECRET_KEY
DEBUG = env.DEBUG
ROOT_URLCONF = "sera.urls"
PUBLIC_URLCONF = "sera.urls_public"
ASGI_APPLICATION = "sera.asgi.application"
DATA_DIR = env.DATA_DIR

# --- Hosts. The tenant middleware answers unknown companies with a page of its own, so
# ALLOWED_HOSTS only has to keep foreign Host headers out.
BASE_DOMAIN = env.BASE_DOMAIN
PUBLIC_HOSTS = [BASE_DOMAIN, "127.0.0.1", *env.EXTRA_PUBLIC_HOSTS]
ALLOWED_HOSTS = [f".{BASE_DOMAIN}", *PUBLIC_HOSTS]
METRICS_TOKEN = env.METRICS_TOKEN

# --- Apps. A list decides where tables live; no company table exists in `public`, so work
# that forgot its company fails with "relation does not exist" instead of reading `public`.
# `sessions` is the one app in both lists: staff and companies each sign in on their own host.
SHARED_APPS = [
    "django_tenants",
    "tenants",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
]
TENANT_APPS = [
    "django.contrib.sessions",
    "django.contrib.admin",
    "dispatch",
    "tracking",
]
INSTALLED_APPS = [
    "cable",  # first: it replaces `runserver`
    "daphne",
    *SHARED_APPS,
    *(app for app in TENANT_APPS if app not in SHARED_APPS),
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "django_vite",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "sera",
]

TENANT_MODEL = "tenants.Tenant"
TENANT_DOMAIN_MODEL = "tenants.Domain"
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
# New companies are copied from this schema; it holds tables and no rows of anybody.
TEMPLATE_SCHEMA = "template"
# How long a process may act on a company's old host, name or status.
TENANT_CACHE_SECONDS = 10

MIDDLEWARE = [
    "sera.health.HealthMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "tenants.middleware.TenantMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]


# --- Database


def _reset_search_path(connection: Connection) -> None:
    """Leave no company's schema on a connection that goes back to the pool.

    The ORM sets the path at each cursor anyway; this protects a raw cursor that does not.
    """
    connection.execute("RESET search_path")
    connection.commit()


def _database(url: Any, *, pool_size: int) -> dict[str, Any]:
    return {
        "ENGINE": "django_tenants.postgresql_backend",
        "NAME": unquote((url.path or "/").lstrip("/")),
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": url.host or "",
        "PORT": str(url.port or ""),
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            **dict(url.query_params()),
            "connect_timeout": 5,  # a dead server is an error within seconds, not minutes
            "pool": {
                "min_size": 0,
                "max_size": pool_size,
                "timeout": 5,  # seconds to wait for a free connection: then 503, not a queue
                "max_waiting": 200,
                # A backend caches every relation it touches, in every schema, for ever.
                "max_lifetime": 30 * 60,
                "max_idle": 5 * 60,
                "reset": _reset_search_path,
            },
        },
    }


DATABASES = {"default": _database(env.DATABASE_URL, pool_size=env.DATABASE_POOL_SIZE)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SOCKET_DATABASE_THREADS = env.SOCKET_DATABASE_THREADS

# --- Cache: `default` belongs to the current company and refuses to work without one;
# `shared` is the platform's.
REDIS_URL = str(env.REDIS_URL)
_REDIS_CACHE = {
    "BACKEND": "django.core.cache.backends.redis.RedisCache",
    "LOCATION": next_redis_database(env.REDIS_URL),
    "TIMEOUT": 300,
    "OPTIONS": {"socket_connect_timeout": 2, "socket_timeout": 2},
}
CACHES = {
    "default": {
        **_REDIS_CACHE,
        "BACKEND": "tenants.cache.CompanyRedisCache",
        "KEY_FUNCTION": "tenants.cache.company_key",
    },
    "shared": {**_REDIS_CACHE, "KEY_FUNCTION": "tenants.cache.shared_key"},
}

# --- Real time
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [{"address": REDIS_URL}], "prefix": "sera"},
    }
}
CABLE: dict[str, Any] = {
    "store": REDIS_URL,
    "store_prefix": "sera.cable",
    "drain_window": env.DRAIN_SECONDS,
    "drain_notice": env.DRAIN_NOTICE_SECONDS,
}

# --- Background work
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True  # tasks are idempotent: a lost worker's task runs again
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_TASKS_PER_CHILD = 500  # bounds what a backend caches of many schemas
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_TIME_LIMIT = 15 * 60
CELERY_TASK_SOFT_TIME_LIMIT = 14 * 60
# Longer than any task may run, or a slow one would run twice.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 20 * 60}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    "delete-expired-sign-ins": {
        "task": "tenants.tasks.dispatch_to_companies",
        "schedule": timedelta(hours=1),
        "args": ("dispatch.tasks.delete_expired_sign_ins",),
    },
    "settle-tracks": {
        "task": "tenants.tasks.dispatch_to_companies",
        "schedule": timedelta(minutes=15),
        "args": ("tracking.tasks.settle_tracks",),
    },
    # More than once a day: each company's day ends at another hour, and a run that ended early
    # is taken up again.
    "delete-expired-positions": {
        "task": "tenants.tasks.dispatch_to_companies",
        "schedule": timedelta(hours=6),
        "args": ("tracking.tasks.delete_expired_positions",),
    },
}
# A job for every company is spread over this window, so that a thousand do not start at once.
DISPATCH_WINDOW_SECONDS = 600

# --- Sign-in
AUTH_USER_MODEL = "dispatch.User"
AUTHENTICATION_BACKENDS = ["dispatch.auth.CompanyBackend", "tenants.auth.StaffBackend"]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SESSION_ENGINE = "tenants.sessions"
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.SECURE_COOKIES
# No SESSION_COOKIE_DOMAIN: a cookie belongs to one company's host and no other.

# Bounds how long a revoked phone may still speak at doors that ask no database.
ACCESS_TOKEN_SECONDS = 10 * 60
# Of one process, some 2 kB each: the phones that upload within those minutes.
ACCESS_TOKENS_REMEMBERED = 10_000
# A phone that was not used for this long signs in again.
REFRESH_TOKEN_SECONDS = 30 * 24 * 3600
# A phone may lose the answer that carried its new refresh token; within this time its
# previous one is still taken. Later use of it means that it was stolen.
REFRESH_REUSE_SECONDS = 60
# A key is put into a phone by hand. Longer than a year, so that whoever renews them once a year is
# never late; not for ever, so that a phone in a drawer is cut off one day.
PHONE_KEY_SECONDS = 400 * 24 * 3600
# A phone, its successor, a tablet, a tracker in the van, each with some app on trial.
PHONE_KEYS_PER_TECHNICIAN = 10
# How long a process takes a key without asking the database. What it uploads with it is refused
# at once all the same if it was revoked: each commit looks.
PHONE_KEY_CACHE_SECONDS = 60
# Of one process, some 500 bytes each.
PHONE_KEYS_REMEMBERED = 10_000
PHONES_PAGE_SIZE = 1000

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "dispatch.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["dispatch.api.parsers.ShallowJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "dispatch.api.exception_handler.exception_handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Sera",
    "DESCRIPTION": "Dispatch for home-service companies. Each company answers on its own host.",
    "VERSION": "1",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_URLCONF": ROOT_URLCONF,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
}
# Sign-in attempts for one e-mail address, from one network address and from all of them. The
# second is larger, so that a stranger cannot lock somebody out by a few guesses.
SIGN_IN_ATTEMPTS = 10
SIGN_IN_ATTEMPTS_EVERYWHERE = 100
SIGN_IN_WINDOW_SECONDS = 300

# --- Requests. `sera.body_limit` refuses a larger body before Django sees it. 1,000 fixes of the
# native form are about 300 kB.
MAX_BODY_BYTES = 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES

# --- Positions
FIXES_MAX_ITEMS = 1000
# Of one upload in another app's format. An app whose upload is refused sends the same again and
# again, so this is beyond what MAX_BODY_BYTES of any of them hold (200 bytes an item); only
# made-up items are shorter.
INGEST_MAX_ITEMS = 5_000
# OsmAnd's own are about ten, and each app adds a few.
INGEST_MAX_FORM_FIELDS = 200
# Of one process. Fixes that wait for a commit: half a second's work, some 30 MB. Beyond it phones
# are told to come back.
INGEST_MAX_WAITING_FIXES = 20_000
# Fixes of one commit: larger ones gain nothing and make the phones in them wait.
INGEST_MAX_COMMIT_FIXES = 2_000
# Commits of one process under way at once: while one waits for the database, the next is worked
# out. More would only make the batches smaller, and so would another one for little.
INGEST_COMMITS_AT_ONCE = 3
INGEST_FURTHER_COMMIT_FIXES = 500
INGEST_RETRY_AFTER_SECONDS = 2
# A commit waits for a lock of one company, such as a migration's, and all companies' phones in it
# wait too: longer than any of our own transactions, and far below a phone's patience…
INGEST_LOCK_SECONDS = 2
# …and that company's phones are told to come back for so long, before it is tried again.
INGEST_LOCKED_SECONDS = 5
# Late fixes make a technician's track be worked through again, this many fixes in a transaction:
# half a second in which the phone's new fixes are stored but not followed.
SETTLE_MAX_FIXES = 20_000
# One process's tracks that wait for that; what is beyond it, beat finds.
SETTLE_MAX_WAITING = 10_000
# Working through again begins at one of these: a late fix costs this many older ones at most, and
# all that are newer.
FIXES_BETWEEN_CHECKPOINTS = 250
# Below CELERY_TASK_SOFT_TIME_LIMIT by more than one of these; what is left is for another task.
SETTLE_RUN_SECONDS = 10 * 60
# How fast a phone's clock that was set is believed: this part of the difference an upload.
CLOCK_LAG_FADES = 0.02
# A job's site is watched from so long before its window until so long after it.
JOB_NEAR_HOURS = 12
# Jobs of one technician that are watched at once: for each day of what a phone uploads…
JOBS_AT_WORK = 30
# …and altogether, of a phone that comes back after days: a month of eight a day, and a bound to
# what one that sends fixes of any time costs.
JOBS_OF_DAYS = 300
# How a phone is told to track, by what its technician does. A fix costs the phone's battery little
# against an upload: metres between fixes, seconds between them, seconds between uploads.
TRACKING_PROFILES: dict[str, dict[str, float]] = {
    "off": {},
    "coarse": {"distance_filter": 100, "interval": 60, "upload_interval": 120},
    "fine": {"distance_filter": 10, "interval": 5, "upload_interval": 10},
}
# Phones' clocks run a little ahead. Past this, a fix is history but not the live position.
FIX_LIVE_AHEAD_SECONDS = 120
# A clock that is a day wrong is broken, and its fixes would hide every true one.
FIX_MAX_AHEAD_SECONDS = 24 * 3600
FIXES_PAGE_SIZE = 1000
# --- Drives. Without an engine they are estimated by air, and say so.
ROUTING_ENGINE = env.ROUTING_ENGINE
ROUTING_URL = env.ROUTING_URL
# A dispatcher waits for the answer: of one request to the engine, and of all for one answer.
ROUTING_TIMEOUT_SECONDS = 2
ROUTING_DEADLINE_SECONDS = 4
# Of one process. Each holds a thread and a database connection: a third of the pool.
ROUTING_MAX_CONCURRENT = 4
# Sources and targets of one request: what both engines take as they come (OSRM 100 × 100 cells,
# Valhalla 2,500), and short enough for OSRM's address.
ROUTING_PART_PLACES = 50
# 10 requests for one answer. Who is further away than 500 others is not the best to send.
ROUTING_MAX_SOURCES = 500
# 2,500 cells of Valhalla are some 200 kB.
ROUTING_MAX_ANSWER_BYTES = 1024 * 1024
# After so many failures in a row the engine is left alone: waiting for it helps nobody.
ROUTING_FAILURES = 3
ROUTING_PAUSE_SECONDS = 30
# --- Advice: who is best sent, and in which order
# Technicians in service of one company who are compared; with them an answer takes half a second.
ADVICE_MAX_TECHNICIANS = 5_000
ADVICE_PAGE_SIZE = 200
# Jobs have no planned length of their own: what work at a customer's takes.
JOB_WORK_SECONDS = 60 * 60
# Who works for longer than that is not done at once either.
JOB_LEAST_REMAINING_SECONDS = 10 * 60
# One technician's day, at an hour a job. Finding the order of so many takes 0.2 s.
PLAN_MAX_JOBS = 20
# A day with its nights: 170,000 fixes at one a second, which are read and drawn in two seconds.
REPLAY_MAX_HOURS = 48
# The way to a job begins at the one before, or so long before at most: in the morning.
JOURNEY_HOURS = 12
# A technician makes some 15 trips a day: a month.
TRIPS_PAGE_SIZE = 500
# A quarter. Its fixes are counted, some 50,000, which takes tens of milliseconds.
DAYS_MAX = 92
# Read and held in memory at a time while a person's fixes are exported: some 2 MB.
EXPORT_PAGE_ROWS = 2_000
# Deleted in one transaction, some 0.1 s when they come from the disk. It holds a technician's
# track: what their phone uploads meanwhile is stored, and followed later.
RETENTION_BATCH_ROWS = 2_000
# Below CELERY_TASK_SOFT_TIME_LIMIT by more than a batch; what is left is for the next run.
RETENTION_RUN_SECONDS = 10 * 60
# As long as an owner may look at a page that loads. What is left then a task erases.
ERASURE_REQUEST_SECONDS = 10
# What one answer lists at most, until the board brings paging by day.
JOBS_PAGE_SIZE = 500
# A page that polls, and a map that stays open, prolong one row within this time: a dispatcher's
# day is some rows for each technician and not thousands.
VIEWING_WINDOW_SECONDS = 900
# A row that was prolonged less than this ago is left alone: a page that polls each second would
# rewrite a row for each technician each second.
VIEWING_PROLONG_SECONDS = 60
# An open map tells this often that it is looked at; its end is told when it is closed. Well within
# the window, or each time would be another row.
VIEWING_TICK_SECONDS = 300
# Parts of the map that one viewer looked at and that wait to be told, before all of it counts as
# seen. Each costs a look at every position.
VIEWING_MAX_PARTS = 20
# What one page of viewings lists.
VIEWINGS_PAGE_SIZE = 200

# --- Work
# Who clocks in and forgets to clock out is not followed for longer than a working day.
SHIFT_DEFAULT_HOURS = 8
# Two days of stand-by with the night between them; longer is a mistake in the date.
SHIFT_MAX_HOURS = 48
# What one page of shifts lists: a week of a hundred technicians.
SHIFTS_PAGE_SIZE = 700
# Moments that people tell. Phones' clocks run a little ahead; and a phone that lay without signal
# for weeks still brings what its technician did, while a wrong year is none of that.
TOLD_AHEAD_SECONDS = 120
TOLD_MAX_AGE_SECONDS = 60 * 24 * 3600

# --- Pages, files, language
MAP_STYLE_URL = env.MAP_STYLE_URL or "/static/basemap/style.json"
MAP_STYLE_DARK_URL = env.MAP_STYLE_DARK_URL or (
    "" if env.MAP_STYLE_URL else "/static/basemap/style-dark.json"
)
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
_FRONTEND_DIST = ROOT / "frontend" / "dist"
STATICFILES_DIRS = [_FRONTEND_DIST] if _FRONTEND_DIST.exists() else []
DJANGO_VITE = {"default": {"dev_mode": False, "manifest_path": _FRONTEND_DIST / "manifest.json"}}
# Files come from the finders; a deployment that ran `collectstatic` has STATIC_ROOT as well.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
warnings.filterwarnings("ignore", f"No directory at: {STATIC_ROOT}")
STORAGES = {
    "default": {"BACKEND": "tenants.storage.CompanyFileStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
MEDIA_ROOT = DATA_DIR / "files"
MEDIA_URL = "/files/"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

LOGGING = logging_config(level=env.LOG_LEVEL, style=env.LOG_FORMAT)
