"""``python -m tests.mutants``: break each promise in a copy of the project, and see that the named tests notice.

Tells a line for each mutation; exits with 1 if one survives, or if a named test fails without any.
"""

import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .mutations import MUTATIONS, Mutation
from .running import Run, copy, mutate, run, why_survived, why_unsound

ROOT = Path(__file__).parents[2]
AT_ONCE = 2


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants_") as folder, ThreadPoolExecutor(AT_ONCE) as pool:
        original = Path(folder) / "original"
        copy(ROOT, original)
        tests: dict[str, list[str]] = {}
        for mutation in MUTATIONS:
            tests.setdefault(mutation.database, []).extend(mutation.tests)
        if problems := [why for why in pool.map(lambda item: unsound(original, *item), tests.items()) if why]:
            say("\n".join(problems))
            return 1
        say(f"Without a mutation all named tests pass: {time.monotonic() - begin:.0f} s.")

        def break_copy(mutation: Mutation) -> Run:
            broken = Path(folder) / str(MUTATIONS.index(mutation))
            copy(original, broken)
            mutate(broken, mutation)
            return run(broken, mutation.database, mutation.tests)

        survived = 0
        for mutation, result in zip(MUTATIONS, pool.map(break_copy, MUTATIONS), strict=True):
            why = why_survived(mutation, result)
            survived += bool(why)
            status = "SURVIVED" if why else "noticed"
            say(f"{status:8} {result.seconds:5.1f} s  {mutation.database:10}  {mutation.file:20}  {mutation.name}")
            if why:
                say(why)
    say(f"{len(MUTATIONS)} mutations, {survived} survived: {time.monotonic() - begin:.0f} s.")
    return 1 if survived else 0


def unsound(original: Path, database: str, tests: list[str]) -> str:
    names = dict.fromkeys(tests)
    return why_unsound(run(original, database, names), names)


sys.exit(main())
