"""Addresses of a project without Django's admin."""

from django.urls import include, path

urlpatterns = [path("pay/", include("pagoefectivo_django.urls"))]
