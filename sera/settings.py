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
# Of one process. Fixes that wait for a commit: half a second's work, some 30 MB. Beyond it phones
# are told to come back.
INGEST_MAX_WAITING_FIXES = 20_000
# Fixes of one commit: larger ones gain nothing and make the phones in them wait.
INGEST_MAX_COMMIT_FIXES = 2_000
INGEST_RETRY_AFTER_SECONDS = 2
# Phones' clocks run a little ahead. Past this, a fix is history but not the live position.
FIX_LIVE_AHEAD_SECONDS = 120
# A clock that is a day wrong is broken, and its fixes would hide every true one.
FIX_MAX_AHEAD_SECONDS = 24 * 3600
FIXES_PAGE_SIZE = 1000
# A technician makes some 15 trips a day: a month.
TRIPS_PAGE_SIZE = 500
# A quarter. Its fixes are counted, some 50,000, which takes tens of milliseconds.
DAYS_MAX = 92
# Read and held in memory at a time while a person's fixes are exported: some 2 MB.
EXPORT_PAGE_ROWS = 2_000
# Deleted in one transaction, some 0.1 s when they come from the disk. It holds a technician's
# track, and the phones whose uploads share a commit with that technician's wait for it.
RETENTION_BATCH_ROWS = 2_000
# Below CELERY_TASK_SOFT_TIME_LIMIT by more than a batch; what is left is for the next run.
RETENTION_RUN_SECONDS = 10 * 60
# As long as an owner may look at a page that loads. What is left then a task erases.
ERASURE_REQUEST_SECONDS = 10
# What one answer lists at most, until the board brings paging by day.
JOBS_PAGE_SIZE = 500
# Age of the last fix at which a position stops being called live (seconds, server's clock).
FRESHNESS_SECONDS = {"delayed": 60, "stale": 300, "lost": 1800}

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
