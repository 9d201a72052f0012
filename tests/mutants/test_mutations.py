"""The mutations still fit the code; ``make mutants`` runs them."""

import ast
from pathlib import Path

import pytest

from .mutations import MUTATIONS, Mutation
from .running import Run, outcomes, why_survived, why_unsound

ROOT = Path(__file__).parents[2]
EVERY = pytest.mark.parametrize("mutation", MUTATIONS, ids=[mutation.name for mutation in MUTATIONS])


def names(source: str) -> set[str]:
    nodes = list(ast.walk(ast.parse(source)))
    return {node.id for node in nodes if isinstance(node, ast.Name)}


@EVERY
def test_its_text_stands_in_its_file_exactly_once(mutation: Mutation) -> None:
    source = (ROOT / mutation.path).read_text("utf-8")
    # A name that its file doesn't know any more would fail every test, and say nothing about any.
    assert names(mutation.applied_to(source)) <= names(source)


@EVERY
def test_its_tests_exist(mutation: Mutation) -> None:
    assert mutation.tests
    for test in mutation.tests:
        path, _, name = test.partition("::")
        body = ast.parse((ROOT / path).read_text("utf-8")).body
        assert name in {node.name for node in body if isinstance(node, ast.FunctionDef)}


def test_each_flow_and_each_promise_is_broken() -> None:
    files = {mutation.file for mutation in MUTATIONS}
    assert {"inbox/receive.py", "outbox/publish.py", "worker/expire.py", "ledger/advance.py"} <= files
    assert {mutation.promise for mutation in MUTATIONS} == {1, 2, 3}


BOTH = ("tests/a.py::test_one", "tests/a.py::test_two")
ONE, TWO = "tests.a.test_one", "tests.a.test_two"


@pytest.mark.parametrize(
    ("result", "why"),
    [
        (Run(1, 0, failed=frozenset({ONE, TWO})), ""),
        (Run(1, 0, passed=frozenset({ONE, TWO}), failed=frozenset({ONE, TWO})), ""),  # in one of their cases
        (Run(1, 0, passed=frozenset({TWO}), failed=frozenset({ONE})), "not noticed by tests/a.py::test_two"),
        (Run(0, 0, passed=frozenset({ONE, TWO})), "not noticed by tests/a.py::test_one, tests/a.py::test_two"),
        (Run(4, 0), "not noticed by tests/a.py::test_one, tests/a.py::test_two"),  # could not be collected
        (Run(2, 0, failed=frozenset({ONE, TWO})), "pytest ended with 2"),
    ],
)
def test_a_mutation_is_noticed_only_by_every_named_test(result: Run, why: str) -> None:
    mutation = Mutation("", 1, "", "", "", BOTH)
    assert why_survived(mutation, result).splitlines()[:1] == ([why] if why else [])


@pytest.mark.parametrize(
    ("result", "sound"),
    [
        (Run(0, 0, passed=frozenset({ONE, TWO})), True),
        (Run(0, 0, passed=frozenset({ONE})), False),  # the other was skipped
        (Run(1, 0, passed=frozenset({ONE, TWO}), failed=frozenset({TWO})), False),
        (Run(1, 0, passed=frozenset({ONE, TWO})), False),
    ],
)
def test_a_named_test_must_pass_without_a_mutation(result: Run, sound: bool) -> None:
    assert (why_unsound(result, BOTH) == "") == sound


def test_a_report_tells_what_passed_and_what_failed() -> None:
    report = """<testsuites><testsuite>
        <testcase classname="tests.a" name="test_one[x]"/>
        <testcase classname="tests.a" name="test_one[y]"><failure message="no"/></testcase>
        <testcase classname="tests.a" name="test_two"><error message="no"/></testcase>
        <testcase classname="tests.b" name="test_three"><skipped/></testcase>
        <testcase classname="tests.b" name="test_four"/>
    </testsuite></testsuites>"""
    passed, failed = outcomes(report)
    assert (set(passed), set(failed)) == ({ONE, "tests.b.test_four"}, {ONE, TWO})
