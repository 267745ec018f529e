from django.urls import path

from bench.baseline.api import CreateFix

urlpatterns = [path("api/v1/fixes/", CreateFix.as_view())]
