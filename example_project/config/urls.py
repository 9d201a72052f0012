"""Where everything is: the shop, its payments, its staff."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("pagar/", include("pagoefectivo_django.urls")),
    path("", include("shop.urls")),
]
