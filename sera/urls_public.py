"""Addresses on the staff's host."""

from __future__ import annotations

from django.urls import path
from django.views.generic import RedirectView

from tenants.admin import site

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", site.urls),
]
