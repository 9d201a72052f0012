"""Start a sandbox from the command line."""

import argparse
import re
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from types import FrameType
from typing import NoReturn

from .notices import is_web_address
from .server import Server
from .settings import Settings, made_up_access_key, made_up_secret_key


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C; then 0."""
    parser = _parser()
    options = parser.parse_args(arguments)
    settings = Settings(
        service_id=int(options.service_id),
        access_key=options.access_key or made_up_access_key(),
        secret_key=options.secret_key or made_up_secret_key(),
        token_life=timedelta(seconds=options.token_life),
        expires_after=timedelta(seconds=options.expires_after),
        maximum_amount=options.maximum_amount,
        repeat_delay=options.repeat_delay,
        clock_skew=timedelta(seconds=options.clock_skew),
    )
    try:
        server = Server(options.port, settings, options.webhook_url)
    except OSError as error:
        parser.error(f"cannot listen on port {options.port}: {error.strerror}")
    with server:
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, _stop)
            _announce(server, settings, options.webhook_url)
            server.serve_forever()
        except KeyboardInterrupt:
            pass
    return 0


def _announce(server: Server, settings: Settings, webhook_url: str) -> None:
    lines = (
        f"PagoEfectivo sandbox: {server.site}/v1/",
        f"SERVICE_ID={settings.service_id}",
        f"ACCESS_KEY={settings.access_key}",
        f"SECRET_KEY={settings.secret_key}",
        f"WEBHOOK_URL={webhook_url}",
    )
    print("\n".join(lines), flush=True)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pagoefectivo_django.sandbox",
        description="A whole PagoEfectivo on your own machine.",
        epilog="The agent's counter is at /counter, the control endpoints are under /sandbox/.",
    )
    add = parser.add_argument
    add("--port", type=port, required=True, help="0 takes a free one")
    add("--service-id", type=_form("[1-9][0-9]{0,4}"), default="1234", help="1 to 5 digits")
    add("--access-key", type=_form("[A-Za-z0-9]{20}"), help="20 letters and digits; made up if not given")
    add("--secret-key", type=_form("[A-Za-z0-9+/]{40}"), help="40 base64 characters; made up if not given")
    add("--webhook-url", type=url, default="", help="where notices go; can be set later")
    add("--token-life", type=seconds, default=7200.0, metavar="SECONDS")
    add("--expires-after", type=seconds, default=14400.0, metavar="SECONDS", help="without a dateExpiry")
    add("--maximum-amount", type=amount, default=Decimal(30000), metavar="AMOUNT", help="more is error 511")
    add("--repeat-delay", type=seconds, default=1.0, metavar="SECONDS", help="before the second webhook")
    add("--clock-skew", type=seconds, default=300.0, metavar="SECONDS", help="tolerated in dateRequest")
    return parser


def _form(expression: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if re.fullmatch(expression, text) is None:
            raise argparse.ArgumentTypeError(f"must look like {expression}")
        return text

    return read


# argparse shows the names of these four in its complaint: "invalid port value".
def port(text: str) -> int:
    """Read a port; 0 takes a free one."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise ValueError
    return number


def seconds(text: str) -> float:
    """Read a time of at most a year."""
    number = float(text)
    if not 0 <= number <= 31_536_000:
        raise ValueError
    return number


def amount(text: str) -> Decimal:
    """Read an amount above zero."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError from None
    if not number.is_finite() or number <= 0:
        raise ValueError
    return number


def url(text: str) -> str:
    """Read where notices go; empty is nowhere yet."""
    if text and not is_web_address(text):
        raise ValueError
    return text


if __name__ == "__main__":
    sys.exit(main())
