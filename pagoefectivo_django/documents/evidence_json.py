"""The evidence file for a provider's support as JSON; ``evidence_pdf.py`` makes the PDF."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def evidence_json(evidence: Mapping[str, Any]) -> bytes:
    """Return the evidence as indented JSON in UTF-8."""
    return json.dumps(evidence, ensure_ascii=False, indent=2).encode()
