"""What several test modules of the admin look at."""

from django.test import Client
from django.urls import reverse


def page(client: Client, row: object) -> str:
    """Return a record's own page."""
    meta = row._meta  # type: ignore[attr-defined]
    answer = client.get(reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk]))  # type: ignore[attr-defined]
    assert answer.status_code == 200
    return answer.content.decode()
