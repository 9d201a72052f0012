"""``make house`` and ``make prose`` count what they say."""

import ast
from pathlib import Path

import pytest

from tools.house import arrows, branches, floors
from tools.prose import docstrings, share


def test_floors_stand_on_what_they_import_and_circles_on_nothing() -> None:
    rooms = {"ledger": set(), "inbox": {"ledger"}, "round": {"inbox", "ledger"}, "egg": {"hen"}, "hen": {"egg"}}
    assert floors(rooms) == ([["ledger"], ["inbox"], ["round"]], ["egg", "hen"])


def test_arrows_of_our_flows_end_at_rooms() -> None:
    rooms = arrows()
    assert {"ledger", "inbox", "outbox"} <= rooms.keys()
    assert all(to <= rooms.keys() - {here} for here, to in rooms.items())


@pytest.mark.parametrize(
    ("body", "many"),
    [
        ("return a", 0),
        ("return a and b or c", 2),
        ("if a:\n  return [b for b in a if b]", 2),
        ("def inner():\n  if a: pass", 0),
        ("try:\n  a()\nexcept E:\n  pass", 1),
    ],
)
def test_branches_of_a_function(body: str, many: int) -> None:
    lines = "\n".join(f"  {line}" for line in body.splitlines())
    function = ast.parse(f"def f(a, b, c):\n{lines}").body[0]
    assert isinstance(function, ast.FunctionDef)
    assert branches(function) == many


def test_the_share_of_vague_words_is_of_first_paragraphs_without_code(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text('"""Return what ``it`` is worth.\n\nThat and those are not counted.\n"""\n')
    found = list(docstrings(tmp_path))
    assert [each.words for each in found] == [["return", "what", "code", "is", "worth"]]
    assert share(found) == 20
    assert share([]) == 0
