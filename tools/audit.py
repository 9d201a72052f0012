"""The audit: asks pip-audit what is known of everything that is locked, and fails unless it looked at each package.

``python -m tools.audit PIP-AUDIT`` (``make audit``). Where the service of known weaknesses cannot be reached, pip-audit
itself is content with having looked at nothing. ``AUDIT=no`` says that no audit is possible: then nothing is asked, and
the output says so, loudly.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from packaging.utils import canonicalize_name

from tools.lock import FOLDER, locked

NOT_AUDITED = "!!! NOT AUDITED: AUDIT=no. Nobody looked whether weaknesses of the locked packages are known."


def complaints(report: Mapping[str, Any], wanted: Mapping[str, str]) -> list[str]:
    """Return what is wrong: each known weakness, and the locked packages that pip-audit did not look at."""
    seen = {canonicalize_name(found["name"]): found for found in report["dependencies"] if "version" in found}
    wrong = [
        f"{name} {found['version']}: {weakness['id']}, mended in {', '.join(weakness['fix_versions']) or 'no version'}"
        for name, found in seen.items()
        for weakness in found["vulns"]
    ]
    looked_at = {(name, found["version"]) for name, found in seen.items()}
    missing = [f"{name} {version}" for name, version in wanted.items() if (name, version) not in looked_at]
    if missing:
        number = len(wanted) - len(missing)
        wrong.append(f"Looked at {number} of {len(wanted)} locked packages; not at {', '.join(missing)}.")
    return wrong


def main(program: str) -> int:
    """Run pip-audit over every set of the lock; 0 if it looked at each package and knows nothing bad of any."""
    if os.environ.get("AUDIT") == "no":
        print(NOT_AUDITED)
        return 0
    sets = sorted(FOLDER.glob("*.txt"))
    options = ["--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json"]
    options += [f"--requirement={path}" for path in sets]
    run = subprocess.run([program, *options], capture_output=True, text=True, check=False)
    try:
        report = json.loads(run.stdout)
    except ValueError:
        print(f"pip-audit ended with {run.returncode} and no report:\n{run.stderr}", file=sys.stderr)
        return 1
    wanted = locked(sets)
    wrong = complaints(report, wanted)
    print(*wrong or [f"pip-audit looked at all {len(wanted)} packages that are locked for this Python."], sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
