"""Staff's screens on the public host."""

from __future__ import annotations

from typing import Any

import structlog
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest

from tenants.actions import create_company, update_company
from tenants.models import StaffUser, Tenant

log = structlog.get_logger(__name__)


class StaffSite(admin.AdminSite):
    """Django admin for the platform's own people.

    Django's own log of admin actions is a company's table; what staff do goes to the log.
    """

    site_header = site_title = "Sera staff"
    index_title = "Platform"
    index_template = "staff/index.html"

    def has_permission(self, request: HttpRequest) -> bool:
        user: object = request.user  # stubs know one user model
        return isinstance(user, StaffUser) and user.is_active


class StaffModelAdmin(admin.ModelAdmin[Any]):
    object_history_template = None

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        self._log("added", request, obj)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        self._log("changed", request, obj)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        for obj in queryset:
            self._log("deleted", request, obj)

    def history_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        raise PermissionDenied("the platform's log holds what staff did")

    def _log(self, verb: str, request: HttpRequest, obj: Model) -> None:
        log.info("staff_action", verb=verb, staff=request.user.pk, kind=obj._meta.label, id=obj.pk)


class TenantAdmin(StaffModelAdmin):
    list_display = ["name", "schema_name", "hosts", "status", "cell", "ready_at"]
    list_filter = ["status", "cell"]
    search_fields = ["name", "schema_name", "domains__domain"]
    readonly_fields = ["cell", "created_at", "ready_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tenant]:
        return super().get_queryset(request).prefetch_related("domains")

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        wanted = ["name", "schema_name", "time_zone"]
        return [*wanted, "status", "cell", "created_at", "ready_at"] if obj else wanted

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return [*self.readonly_fields, "schema_name"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False  # a company's data is never one careless click away from gone

    @admin.display(description="addresses")
    def hosts(self, tenant: Tenant) -> str:
        return ", ".join(domain.domain for domain in tenant.domains.all())

    def save_model(
        self,
        request: HttpRequest,
        obj: Tenant,
        form: ModelForm[Any],
        change: bool,  # noqa: FBT001
    ) -> None:
        if change:
            update_company(tenant=obj)
            return
        company = create_company(schema=obj.schema_name, name=obj.name, time_zone=obj.time_zone)
        obj.pk, obj._state.adding = Tenant.objects.get(pk=company.id).pk, False


class StaffUserAdmin(StaffModelAdmin):
    list_display = ["email", "name", "is_active", "last_login"]
    fields = ["email", "name", "is_active", "last_login"]
    readonly_fields = ["last_login"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # `manage.py create_staff` sets a password

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False  # deactivate instead: the log refers to them


site = StaffSite()
site.register(Tenant, TenantAdmin)
site.register(StaffUser, StaffUserAdmin)
