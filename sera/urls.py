"""Addresses on a company's host."""

from __future__ import annotations

from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from dispatch.api.people import TechniciansView
from dispatch.api.phones import PhonesView, PhoneView
from dispatch.api.progress import ArrivedView, DoneView, OnTheWayView
from dispatch.api.shifts import BeginShiftView, EndShiftView, ShiftsView, ShiftView
from dispatch.api.sign_in import MeView, TokenRefreshView, TokenRevokeView, TokenView
from dispatch.api.work import JobsView
from dispatch.pages import BoardView, SignInView, SignOutView
from tracking.api.advice import JobArrivalView, JobTechniciansView, TechnicianPlanView
from tracking.api.days import DaysView
from tracking.api.policy import PolicyView
from tracking.api.positions_of_one import ExportView, PositionsOfOneView
from tracking.api.replay import ReplayView
from tracking.api.trips import TripsView
from tracking.api.viewings import ViewingsView
from tracking.api.views import FixesView, PositionsView
from tracking.api.visits import JobVisitsView

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
    path("api/v1/policy/", PolicyView.as_view()),
    path("api/v1/viewings/", ViewingsView.as_view()),
    path("api/v1/technicians/", TechniciansView.as_view()),
    path("api/v1/phones/", PhonesView.as_view()),
    path("api/v1/phones/<uuid:phone>/", PhoneView.as_view()),
    path("api/v1/jobs/<int:job>/visits/", JobVisitsView.as_view()),
    path("api/v1/jobs/<int:job>/on_the_way/", OnTheWayView.as_view()),
    path("api/v1/jobs/<int:job>/arrived/", ArrivedView.as_view()),
    path("api/v1/jobs/<int:job>/done/", DoneView.as_view()),
    path("api/v1/shifts/", ShiftsView.as_view()),
    path("api/v1/shifts/<int:shift>/", ShiftView.as_view()),
    path("api/v1/shifts/begin/", BeginShiftView.as_view()),
    path("api/v1/shifts/end/", EndShiftView.as_view()),
    path("api/v1/technicians/<int:technician>/plan/", TechnicianPlanView.as_view()),
    path("api/v1/trips/", TripsView.as_view()),
    path("api/v1/technicians/<int:technician>/days/", DaysView.as_view()),
    path("api/v1/technicians/<int:technician>/replay/", ReplayView.as_view()),
    path("api/v1/technicians/<int:technician>/positions/", PositionsOfOneView.as_view()),
    path("api/v1/technicians/<int:technician>/positions/export/", ExportView.as_view()),
    path("api/v1/jobs/", JobsView.as_view()),
    path("api/v1/jobs/<int:job>/technicians/", JobTechniciansView.as_view()),
    path("api/v1/jobs/<int:job>/eta/", JobArrivalView.as_view()),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="api-docs"),
]
