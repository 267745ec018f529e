"""HTTP's door: the host decides the company, before anything reads a session or a table."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from psycopg_pool import PoolTimeout

from tenants.context import company_scope, platform_scope
from tenants.queries import Company, UnknownHostError, host_name, is_public_host, locate


class TenantMiddleware:
    """Sets `request.company` (None on the staff's host) and binds the work to its schema."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            host = host_name(request.get_host())
        except DisallowedHost:
            host = ""
        if is_public_host(host):
            request.company = None  # type: ignore[attr-defined]
            request.urlconf = settings.PUBLIC_URLCONF
            with platform_scope():
                return self.get_response(request)
        try:
            company = locate(host)
        except (OperationalError, PoolTimeout):
            return _refuse(
                request,
                host,
                status=503,
                code="unavailable",
                detail="The database cannot be reached; try again in a moment.",
            )
        except UnknownHostError:
            return _refuse(
                request,
                host,
                status=404,
                code="unknown_company",
                detail=f"No company answers at {host or 'this address'}.",
            )
        if not company.is_ready:
            return _refuse(
                request,
                host,
                status=403,
                code=f"company_{company.status}",
                detail=f"{company.name} is {company.status} and cannot be used now.",
            )
        request.company = company  # type: ignore[attr-defined]
        with company_scope(company.schema):
            return self.get_response(request)


def require_company(request: HttpRequest) -> Company:
    """The company of a request that came in at a company's host.

    Raises:
        UnknownHostError: the request came in at the staff's host.
    """
    company: Company | None = request.company  # type: ignore[attr-defined]
    if company is None:
        raise UnknownHostError("this address belongs to the staff's site, not to a company")
    return company


def _refuse(
    request: HttpRequest, host: str, *, status: int, code: str, detail: str
) -> HttpResponse:
    """A page for people, JSON for programs."""
    wants_page = "text/html" in request.headers.get("Accept", "")
    if not wants_page or request.path.startswith(("/api/", "/webhooks/", "/ingest/")):
        return JsonResponse({"detail": detail, "code": code}, status=status)
    template = "unknown_company.html" if status == 404 else "company_closed.html"
    page = {"host": host, "base_domain": settings.BASE_DOMAIN, "detail": detail}
    return HttpResponse(render_to_string(template, page), status=status)
