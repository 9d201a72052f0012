from django.apps import AppConfig


class ContribShopConfig(AppConfig):
    """A shop whose receivers say in which process they ran."""

    name = "tests.contrib"
    label = "contrib_shop"

    def ready(self) -> None:
        from . import receivers  # noqa: F401
