"""The schema: valid, whole, fresh, and what the API really answers; and the page that shows it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client, override_settings
from django.urls import URLPattern, get_resolver, reverse
from drf_spectacular import drainage
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]
from rest_framework.test import APIClient

from pagoefectivo_django.api import schema as schema_module
from pagoefectivo_django.api.base import ApiView
from pagoefectivo_django.flows import refund_order, tick
from tests.conftest import ROOT
from tests.factories.messages import paid, post
from tests.factories.orders import bought
from tests.factories.statements import line, load

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]
SCHEMA = reverse("pagoefectivo-api:schema")


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The schema as it is served, to somebody without a login."""
    schema_module._schema.cache_clear()
    drainage.reset_generator_stats()
    answer = Client().get(SCHEMA)
    assert answer.status_code == 200
    told: dict[str, Any] = answer.json()
    return told


def views() -> Iterator[tuple[str, type[ApiView]]]:
    """The routes of the API as the schema writes them, each with its view."""
    for pattern in get_resolver("pagoefectivo_django.api.urls").url_patterns:
        assert isinstance(pattern, URLPattern)
        cls = getattr(pattern.callback, "cls", None)
        if cls and cls.schema is not None:
            path = re.sub(r"<\w+:(pk|public_id)>", "{id}", str(pattern.pattern))
            yield "/" + re.sub(r"<\w+:(\w+)>", r"{\1}", path), cls


def test_the_schema_is_valid_and_made_without_a_warning(schema: dict[str, Any]) -> None:
    assert schema["openapi"].startswith("3.1.")
    validate_schema(schema)
    assert not drainage.GENERATOR_STATS._warn_cache
    assert not drainage.GENERATOR_STATS._error_cache
    assert schema["servers"] == [{"url": "http://testserver/pay/api"}]


def test_every_route_is_in_the_schema_and_nothing_else(schema: dict[str, Any]) -> None:
    routes = {(path, method.lower()) for path, view in views() for method in view.permissions}
    assert routes == {(path, method) for path, methods in schema["paths"].items() for method in methods}
    names = [method["operationId"] for methods in schema["paths"].values() for method in methods.values()]
    assert len(names) == len(set(names))


def test_every_answer_and_problem_is_in_the_schema(schema: dict[str, Any]) -> None:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            answers = operation["responses"]
            assert {"400", "401", "403", "429", "503"} <= {*answers}, path
            assert ("404" in answers) == ("{" in path)
            assert ({"409", "413", "415"} <= {*answers}) == (method in ("post", "patch"))
            for status, answer in answers.items():
                if status == "204":
                    continue
                kind = "application/json" if status < "300" else "application/problem+json"
                assert [*answer["content"]] == [kind], (path, status)


def test_the_manual_names_every_address(schema: dict[str, Any]) -> None:
    told = (ROOT / "docs/reference/api.rst").read_text()
    for path, methods in schema["paths"].items():
        for method in methods:
            address = re.sub(r"\{\w+\}", "<id>", path[1:])
            assert f"``{method.upper()} {address}``" in told


def test_a_filter_is_a_parameter_and_the_other_way_round(schema: dict[str, Any]) -> None:
    for path, view in views():
        for operation in schema["paths"][path].values():
            told = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}
            assert told >= {*view.filters} or "post" in schema["paths"][path]


def fits(schema: dict[str, Any], name: str, value: object) -> None:
    """Hold a value against a component; a field that the component does not know is an error too."""
    told = {**schema, **schema["components"]["schemas"][name]}
    Draft202012Validator(told, format_checker=FormatChecker()).validate(value)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("orders", "OrderPage"),
        ("events", "EventPage"),
        ("discrepancies", "DiscrepancyPage"),
        ("settlements", "SettlementPage"),
        ("balance", "Balance"),
    ],
)
def test_lists_are_as_the_schema_says(shop: APIClient, schema: dict[str, Any], address: str, name: str) -> None:
    order = bought()
    post(paid(order, operation_number="8"))  # a discrepancy
    load(line(order))
    refund_order(order, actor="rosa", reason="Returned.")
    tick()
    told = shop.get(reverse(f"pagoefectivo-api:{address}")).json()
    fits(schema, name, told)
    assert told["results"]
    item = schema["components"]["schemas"][name]["properties"]["results"]["items"]["$ref"].rpartition("/")[2]
    known = schema["components"]["schemas"][item]
    for each in told["results"]:
        assert {*known["required"]} <= {*each} <= {*known["properties"]}


def test_a_problem_is_as_the_schema_says(shop: APIClient, schema: dict[str, Any]) -> None:
    fits(schema, "Problem", shop.get(reverse("pagoefectivo-api:orders"), {"state": "payed"}).json())


@pytest.mark.parametrize("settings", [{"TITLE": "Ours", "OAS_VERSION": "3.0.3", "SCHEMA_PATH_PREFIX_INSERT": "/x"}, {}])
def test_the_projects_own_schema_settings_are_left_alone(settings: dict[str, str]) -> None:
    schema_module._schema.cache_clear()
    with override_settings(SPECTACULAR_SETTINGS=settings):
        told = Client().get(SCHEMA).json()
    assert (told["info"]["title"], told["openapi"]) == ("PagoEfectivo orders", "3.1.1")
    assert "/orders/" in told["paths"]


def test_the_page_loads_nothing_but_our_static_files() -> None:
    told = Client().get(reverse("pagoefectivo-api:schema-page"))
    html = told.content.decode()
    assert 'data-schema="../"' in html
    assert told.request["PATH_INFO"] == f"{SCHEMA}page/"
    assert "//" not in re.sub("<!.*?>", "", html)
    files = re.findall(r'(?:src|href)="/static/([^"]+)"', html)
    assert len(files) == 3
    assert all(finders.find(name) for name in files)


def test_without_the_static_files_there_is_no_page() -> None:
    with override_settings(
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "pagoefectivo_django"]
    ):
        assert Client().get(reverse("pagoefectivo-api:schema-page")).status_code == 404
