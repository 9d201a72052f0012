"""``python -m tests.crash`` reads lines like ``{"story": …, "seed": …, "full": …}``, and answers each by one."""

import django


def main() -> None:
    django.setup()
    from .driver import serve

    serve()


main()
