"""The app of outgoing webhooks as the tests install it."""

from pagoefectivo_django.contrib.webhooks.apps import PagoEfectivoWebhooksConfig


class QuietWebhooksConfig(PagoEfectivoWebhooksConfig):
    """Connects nothing: else each event of each test would have one more delivery."""

    def ready(self) -> None:
        """Leave connecting to the fixture ``webhooks``."""
