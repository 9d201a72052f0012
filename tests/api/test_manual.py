"""The manual's pages about the API say what the code says."""

import re

from pagoefectivo_django.api import urls
from tests.conftest import ROOT

API = ROOT / "pagoefectivo_django" / "api"
PAGE = (ROOT / "docs/reference/api.rst").read_text()


def test_every_address_is_in_the_reference() -> None:
    told = set(re.findall(r"``(?:GET|POST|PATCH|DELETE) ([\w/<>-]+)", PAGE))
    assert told == {re.sub(r"<\w+:\w+>", "<id>", str(each.pattern)) for each in urls.urlpatterns}


def test_no_address_is_there_twice() -> None:
    told = re.findall(r"``((?:GET|POST|PATCH|DELETE) [\w/<>-]+)``", PAGE[: PAGE.index("\nA page has")])
    assert len(told) == len(set(told))


def test_every_code_of_the_apis_own_is_in_the_reference() -> None:
    text = "".join(path.read_text() for path in API.glob("*.py"))
    used = set(re.findall(r'(?:BadRequest\(|problem\(\s*\d+,) ?"(\w+)"', text))
    assert len(used) > 6
    assert not {code for code in used if f"``{code}``" not in PAGE}
