from typing import Any

from payments.models import BasePayment


class Payment(BasePayment):  # type: ignore[misc]  # django-payments has no types
    def get_success_url(self) -> str:
        return f"/payments-shop/{self.pk}/thanks/"

    def get_failure_url(self) -> str:
        return f"/payments-shop/{self.pk}/sorry/"

    def get_purchased_items(self) -> Any:
        return []
