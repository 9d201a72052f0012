"""Schemathesis against a real server: whatever is asked, no 500, and each answer is one that the schema has.

``SCHEMATHESIS_EXAMPLES=500`` asks longer, with new questions each time.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from rest_framework.authtoken.models import Token

from pagoefectivo_django.flows import refund_order, tick
from pagoefectivo_django.models import Order
from tests.factories.messages import paid, post
from tests.factories.orders import bought, make
from tests.factories.statements import line, load
from tests.serving import gunicorn

pytestmark = [
    pytest.mark.long,
    pytest.mark.once,
    pytest.mark.postgresql,
    pytest.mark.usefixtures("pagoefectivo_memory"),
    pytest.mark.django_db(transaction=True),
]

EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "")
SHORT = ["--max-examples=10", "--seed=1", "--phases=examples,fuzzing,stateful"]
#: What the schema can't say: a reference may be taken, a moment may be in the past. So a body that fits the schema may
#: be refused, and text that the schema does not allow in a header may mean nothing.
LEFT_OUT = "positive_data_acceptance"


def test_no_question_breaks_the_api_or_is_answered_in_another_way_than_the_schema_says(
    child_environment: dict[str, str], tmp_path: Path
) -> None:
    order = bought()
    post(paid(order, operation_number="8"))
    refund_order(order, actor="rosa", reason="Returned.")
    load(line(order))
    make()
    tick()
    token = Token.objects.create(user=User.objects.create_superuser("schemathesis"))
    environment = child_environment | {"DJANGO_SETTINGS_MODULE": "tests.api.settings"}
    with gunicorn(environment, tmp_path, "--threads=4", "django.core.wsgi:get_wsgi_application()") as site:
        length = [f"--max-examples={EXAMPLES}"] if EXAMPLES else SHORT
        told = subprocess.run(
            [
                *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"),
                *("run", f"{site}/pay/api/schema/", "--no-color", "--workers=2", "--continue-on-failure"),
                *(f"--header=Authorization:Token {token.key}", f"--exclude-checks={LEFT_OUT}", *length),
            ],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    (tmp_path / "told.txt").write_text(told.stdout)
    assert told.returncode == 0, told.stdout[-20000:] + told.stderr[-5000:]
    assert Order.objects.count() > 2  # questions were good enough to create orders
