from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "tests.wagtail_shop"

    def ready(self) -> None:
        from . import receivers  # noqa: F401  the worker must have them too
