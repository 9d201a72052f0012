"""A project that says nothing about messages sends them all."""

import subprocess
import sys

import pytest

LIST = """
import django
from tests import settings
settings.PAGOEFECTIVO = {"CHANNELS": settings.PAGOEFECTIVO["CHANNELS"], **SAID}
django.setup()
from pagoefectivo_django.signals import SIGNALS
found = [each for signal in SIGNALS.values() for each in signal.by_name.values()]
mine = [each for each in found if each.name.startswith("pagoefectivo.")]
assert not [each for each in mine if each.atomic or each.in_request]
print(*sorted(each.name.removeprefix("pagoefectivo.") for each in mine))
"""
MAILS = ["mail.created", "mail.expired", "mail.in_review", "mail.paid", "mail.refund_account", "mail.refunded"]
MAILS += ["mail.reminder"]


@pytest.mark.parametrize(
    ("said", "connected"),
    [
        ("{}", MAILS),
        ("{'MESSAGES': ()}", []),
        (
            "{'MESSAGES': ['paid'], 'CARRIERS': {'sms': {}, 'b': {}}}",
            ["carrier.b.paid", "carrier.sms.paid", "mail.paid"],
        ),
        ("{'MESSAGES': ['in_review'], 'CARRIERS': {'sms': {}}}", ["mail.in_review"]),
        # Nonsense is told by the system checks, for which the app has to load.
        ("{'MESSAGES': 7}", []),
        ("{'MESSAGES': ['payed'], 'CARRIERS': None}", []),
        ("{'CARRIERS': ['sms']}", MAILS),
    ],
)
def test_the_app_connects_what_the_settings_say(
    child_environment: dict[str, str], said: str, connected: list[str]
) -> None:
    command = [sys.executable, "-W", "error", "-c", LIST.replace("SAID", said)]
    shown = subprocess.run(
        command, env=child_environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert shown.split() == connected
