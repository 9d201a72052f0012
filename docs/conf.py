"""How Sphinx builds the manual: ``make docs``. Nothing is asked of other hosts, neither here nor by the pages."""

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from docs.from_code import FromCode, set_up_django  # noqa: E402
from pagoefectivo_django import __version__  # noqa: E402

project = "pagoefectivo-django"
author = "the pagoefectivo-django contributors"
version = release = __version__
language = "en"
# Two hyphens begin an option, and straight quotation marks a text in Python: both stay as they are typed.
smartquotes = False

html_theme = "furo"
html_title = f"{project} {release}"
html_copy_source = False
# A link to a page, a term or an object that is not there is a warning, and a warning ends the build.
nitpicky = True


def setup(app: Any) -> None:
    """Let pages say ``.. from-code::``."""
    set_up_django()
    app.add_directive("from-code", FromCode)
