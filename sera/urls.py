"""Addresses on a company's host."""

from __future__ import annotations

from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from dispatch.api.people import TechniciansView
from dispatch.api.sign_in import MeView, TokenRefreshView, TokenRevokeView, TokenView
from dispatch.api.work import JobsView
from dispatch.pages import BoardView, SignInView, SignOutView
from tracking.api.days import DaysView
from tracking.api.positions_of_one import ExportView, PositionsOfOneView
from tracking.api.trips import TripsView
from tracking.api.views import FixesView, PositionsView

urlpatterns = [
    path("", BoardView.as_view(), name="board"),
    path("login/", SignInView.as_view(), name="login"),
    path("logout/", SignOutView.as_view(), name="logout"),
    path("api/v1/auth/token/", TokenView.as_view()),
    path("api/v1/auth/token/refresh/", TokenRefreshView.as_view()),
    path("api/v1/auth/token/revoke/", TokenRevokeView.as_view()),
    path("api/v1/me/", MeView.as_view()),
    path("api/v1/fixes/", FixesView.as_view()),
    path("api/v1/positions/", PositionsView.as_view()),
    path("api/v1/trips/", TripsView.as_view()),
    path("api/v1/technicians/", TechniciansView.as_view()),
    path("api/v1/technicians/<int:technician>/days/", DaysView.as_view()),
    path("api/v1/technicians/<int:technician>/positions/", PositionsOfOneView.as_view()),
    path("api/v1/technicians/<int:technician>/positions/export/", ExportView.as_view()),
    path("api/v1/jobs/", JobsView.as_view()),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="api-docs"),
]
