"""The shop's addresses."""

from django.urls import path

from . import views

app_name = "shop"
urlpatterns = [
    path("", views.catalogue, name="catalogue"),
    path("productos/<slug:slug>/", views.product, name="product"),
    path("carrito/", views.cart, name="cart"),
    path("carrito/<slug:slug>/", views.put, name="put"),
    path("comprar/", views.checkout, name="checkout"),
    path("pedidos/<uuid:token>/", views.order, name="order"),
    path("pedidos/<uuid:token>/cambiar/", views.change, name="change"),
    path("correos/", views.mails, name="mails"),
    path("correos/<slug:name>/", views.mail, name="mail"),
    path("correos/<slug:name>/<int:place>/", views.attachment, name="attachment"),
]
