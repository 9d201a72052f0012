"""Each line of the threat model names a test that is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINES = re.findall(r"^\| .* \| `(tests/[\w/]+\.py)(?:::(\w+))?` \|$", (ROOT / "SECURITY.md").read_text(), re.MULTILINE)


def test_the_threat_model_was_read() -> None:
    rows = [line for line in (ROOT / "SECURITY.md").read_text().splitlines() if line.startswith("| ")]
    assert len(LINES) == len(rows) - 1 > 20


@pytest.mark.parametrize(("path", "name"), LINES)
def test_its_tests_are_there(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text())
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    names |= {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert name in names if name else any(one.startswith("test_") for one in names)
