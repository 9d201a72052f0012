"""The evidence file: what a support desk reads, as JSON; on paper it is in ``evidence_pdf.py``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def evidence_json(evidence: Mapping[str, Any]) -> bytes:
    """Return the evidence as JSON in UTF-8, made to be read."""
    return json.dumps(evidence, ensure_ascii=False, indent=2).encode()
