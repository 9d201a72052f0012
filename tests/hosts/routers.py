from typing import Any


class Elsewhere:
    """Puts our tables, and those of the receivers, on ``other``."""

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return "other" if model._meta.app_label in ("pagoefectivo", "shop") else None

    db_for_write = db_for_read

    def allow_relation(self, one: Any, two: Any, **hints: Any) -> bool | None:
        return None
