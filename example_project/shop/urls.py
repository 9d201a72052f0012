"""The shop's addresses."""

from django.urls import path

from . import views

app_name = "shop"
urlpatterns = [
    path("", views.catalogue, name="catalogue"),
    path("productos/<slug:slug>/", views.product, name="product"),
    path("productos/<slug:slug>/comprar/", views.checkout, name="checkout"),
    path("gracias/<uuid:token>/", views.thanks, name="thanks"),
]
