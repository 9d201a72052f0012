from typing import Any

from oscar.core.thumbnails import AbstractThumbnailer


class Original(AbstractThumbnailer):  # type: ignore[misc]
    """Pictures as they are: what makes small ones is a package of the shop's choice."""

    def generate_thumbnail(self, source: Any, **opts: Any) -> Any:
        return source
