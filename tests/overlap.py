"""Two packages own the module ``phonenumbers``: with both, installed in either order, phones are still judged.

``python tests/overlap.py PYTHON``, of an environment that has the app and may be changed; ``.ci/run`` throws it away.
"""

import re
import subprocess
import sys
import tempfile
from itertools import permutations
from pathlib import Path

LOCK = Path(__file__).parent.parent / "requirements" / "overlap.txt"
INSTALL = ("-m", "pip", "install", "--quiet", "--no-compile", "--require-hashes", "--no-deps")
VALIDATE = """
from django.core.exceptions import ValidationError
from pagoefectivo_django.payer import Payer, check_phone, e164

assert check_phone("999 888 777") == ("+51", "999888777")
assert e164(Payer(email="ana@example.com", phone="91123456789", phone_prefix="+54")) == "+5491123456789"
try:
    check_phone("99 888 777")
except ValidationError:
    pass
else:
    raise AssertionError("a number of eight digits")
"""


def main(python: str) -> None:
    locked = {name: text for text, name in re.findall(r"^((\w+)==.*\\\n(?: +--hash=.*\n)+)", LOCK.read_text(), re.M)}
    assert sorted(locked) == ["phonenumbers", "phonenumberslite"]

    def run(*arguments: str) -> None:
        subprocess.run([python, *arguments], check=True)

    def install(name: str, *options: str) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write(locked[name])
            file.flush()
            run(*INSTALL, *options, "--requirement", file.name)

    for first, second in permutations(locked):
        run("-m", "pip", "uninstall", "--quiet", "--yes", *locked)
        install(first)
        install(second)
        run("-c", VALIDATE)
        # What the manual says of uninstalling.
        run("-m", "pip", "uninstall", "--quiet", "--yes", second)
        install(first, "--force-reinstall")
        run("-c", VALIDATE)


if __name__ == "__main__":
    main(sys.argv[1])
