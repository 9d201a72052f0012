"""The settings: typed, read live, judged by their limits, and told by the manual's table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, assert_type

import pytest
from django.core.checks import run_checks
from docutils.core import publish_doctree

from pagoefectivo_django.conf import SETTINGS, Setting, conf, table

LIMITED = {name: setting.limits for name, setting in SETTINGS.items() if setting.limits}


def test_settings_have_types() -> None:
    """mypy judges these lines; when they run, the defaults are of these types."""
    assert isinstance(assert_type(conf.grace, timedelta), timedelta)
    assert isinstance(assert_type(conf.batch_size, int), int)
    assert isinstance(assert_type(conf.refund_four_eyes, bool), bool)
    assert isinstance(assert_type(conf.fee_tolerance, Decimal), Decimal)
    assert isinstance(assert_type(conf.late_payments, str), str)
    assert isinstance(assert_type(conf.messages, Collection[str]), tuple)
    assert isinstance(assert_type(conf.igv, Sequence[tuple[date, Decimal]]), list)
    assert isinstance(assert_type(conf.carriers, Mapping[str, Mapping[str, Any]]), Mapping)


def test_a_setting_is_read_at_each_access(settings: Any) -> None:
    settings.PAGOEFECTIVO = {"BATCH_SIZE": 7}
    assert conf.batch_size == 7
    settings.PAGOEFECTIVO["BATCH_SIZE"] = 8
    assert conf.batch_size == 8
    settings.PAGOEFECTIVO = {}
    assert conf.batch_size == SETTINGS["BATCH_SIZE"].default
    del settings.PAGOEFECTIVO
    assert conf.batch_size == SETTINGS["BATCH_SIZE"].default


@pytest.mark.parametrize("wrong", [None, "x", object()], ids=["None", "text", "object"])
def test_a_value_of_a_wrong_type_is_read_as_written(settings: Any, wrong: Any) -> None:
    for name in SETTINGS:
        settings.PAGOEFECTIVO = {name: wrong}
        assert getattr(conf, name.lower()) is wrong
        settings.PAGOEFECTIVO = wrong
        assert getattr(conf, name.lower()) is SETTINGS[name].default


def test_a_setting_is_changed_in_the_projects_settings_only() -> None:
    with pytest.raises(AttributeError):
        conf.batch_size = 7  # type: ignore[misc]
    with pytest.raises(AttributeError):
        _ = conf.bach_size  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "limits"), LIMITED.items(), ids=LIMITED)
def test_the_checks_know_the_limits(settings: Any, name: str, limits: tuple[Any, Any]) -> None:
    (least, most), default = limits, SETTINGS[name].default
    step = timedelta(seconds=1) if isinstance(least, timedelta) else 1

    def told(value: Any) -> list[str | None]:
        settings.PAGOEFECTIVO = {name: value}
        said = f"PAGOEFECTIVO[{name!r}] is {value!r}."
        return [message.hint for message in run_checks(tags=["pagoefectivo"]) if message.msg == said]

    hint = f"Use a {type(default).__name__} from {least} to {most}."
    assert [told(least), told(most), told(default)] == [[], [], []]
    assert [told(least - step), told(most + step), told(str(least))] == [[hint], [hint], [hint]]


@pytest.mark.parametrize(("name", "default", "description"), table())
def test_a_row_of_the_manual(name: str, default: str, description: str) -> None:
    names = {"timedelta": timedelta, "Decimal": Decimal, "date": date}
    assert eval(default, names) == SETTINGS[name].default
    assert description.endswith(".")
    publish_doctree(description, settings_overrides={"report_level": 2, "halt_level": 2})


def test_the_table_has_every_setting() -> None:
    attributes = [name for name, value in vars(type(conf)).items() if isinstance(value, Setting)]
    assert [name for name, _, _ in table()] == [name.upper() for name in attributes]
    assert {row[0]: row[1] for row in table()}["GRACE"] == "timedelta(minutes=30)"
