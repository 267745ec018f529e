"""Pages: signing in with a browser, and the board."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.mixins import AccessMixin
from django.contrib.auth.views import LoginView, LogoutView
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.generic import TemplateView

from dispatch.actions.sign_in import close_sockets
from dispatch.attempts import TooManyAttemptsError, count_attempt, forget_attempts
from dispatch.auth import current_user
from tenants.middleware import require_company


class SignInForm(AuthenticationForm):
    """E-mail address and password, with a bound on attempts."""

    error_messages = {
        "invalid_login": "This e-mail address and password do not belong together here. "
        "Passwords tell small and capital letters apart.",
        "inactive": "This account is not in use any more.",
    }

    def clean(self) -> dict[str, Any]:
        email = str(self.cleaned_data.get("username", ""))
        address = self.request.META.get("REMOTE_ADDR", "") if self.request else ""
        try:
            count_attempt(email=email, address=address)
        except TooManyAttemptsError as error:
            raise forms.ValidationError(str(error).capitalize() + ".") from None
        cleaned = super().clean()
        forget_attempts(email=email, address=address)
        return cleaned


class SignInView(LoginView):
    template_name = "registration/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(company=require_company(self.request), **kwargs)


class SignOutView(LogoutView):
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        user_id = request.user.pk  # None for nobody
        response = super().post(request, *args, **kwargs)
        if user_id is not None:
            close_sockets(user_id=user_id)
        return response


class BoardView(AccessMixin, TemplateView):
    """The live map, for owners and dispatchers."""

    template_name = "board.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return self.handle_no_permission()
        if not current_user(request).may_dispatch:
            raise PermissionDenied("The board is for owners and dispatchers.")
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        company = require_company(self.request)
        user = current_user(self.request)
        page = {
            "company": {
                "name": company.name,
                "schema": company.schema,
                "time_zone": company.time_zone,
            },
            "user": {"name": user.name, "email": user.email, "role": user.role},
            "map_style_url": settings.MAP_STYLE_URL,
            "map_style_dark_url": settings.MAP_STYLE_DARK_URL or None,
            "cable_url": "/cable",
            "map_center": None,
            "map_zoom": None,
        }
        return super().get_context_data(page=page, company=company, **kwargs)
