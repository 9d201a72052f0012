"""The command line of the sandbox: ``python -m pagoefectivo_django.sandbox --port N``."""

import argparse
import re
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from functools import partial
from types import FrameType
from typing import Any, NoReturn

from .notices import is_web_address
from .server import Server
from .settings import Service, Settings, made_up_access_key, made_up_secret_key
from .wire import Json


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C, then return 0; wrong arguments exit with 2."""
    parser = _parser()
    options = parser.parse_args(arguments)
    settings = Settings(
        services=_services(parser, options.services),
        token_life=timedelta(seconds=options.token_life),
        expires_after=timedelta(seconds=options.expires_after),
        maximum_amount=options.maximum_amount,
        optional_phone=options.optional_phone,
        shortest_life=timedelta(seconds=options.shortest_life),
        repeat_delay=options.repeat_delay,
        clock_skew=timedelta(seconds=options.clock_skew),
    )
    try:
        server = Server(options.port, settings)
    except OSError as error:
        parser.error(f"cannot listen on port {options.port}: {error.strerror}")
    with server:
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, _stop)
            _announce(server, settings)
            server.serve_forever()
        except KeyboardInterrupt:
            pass
    return 0


def _announce(server: Server, settings: Settings) -> None:
    """Print the address, then a `.env`: each service's keys in plain names, the first's in the app's names, and each
    dialect's.
    """
    base = f"{server.site}/v1/"
    lines = [f"PagoEfectivo sandbox: {base}"]
    for number, service in enumerate(settings.services, start=1):
        end = "" if number == 1 else f"_{number}"
        lines += [
            f"SERVICE_ID{end}={service.service_id}",
            f"ACCESS_KEY{end}={service.access_key}",
            f"SECRET_KEY{end}={service.secret_key}",
            f"WEBHOOK_URL{end}={service.webhook_url}",
        ]
    first = settings.services[0]
    lines += [
        f"PAGOEFECTIVO_BASE_URL={base}",
        f"PAGOEFECTIVO_SERVICE_ID={first.service_id}",
        f"PAGOEFECTIVO_ACCESS_KEY={first.access_key}",
        f"PAGOEFECTIVO_SECRET_KEY={first.secret_key}",
    ]
    lines += [line for dialect in server.dialects.values() for line in dialect.environment]
    print("\n".join(lines), flush=True)


def _services(parser: argparse.ArgumentParser, given: Sequence[Json]) -> tuple[Service, ...]:
    """Return the services given on the command line; keys that were not given are made up."""
    services: list[Service] = []
    for each in given or ({},):
        number = int(each.get("service_id", 1234))
        if any(number == service.service_id for service in services):
            parser.error(f"--service-id {number} is given twice")
        access_key = each.get("access_key") or made_up_access_key(number)
        secret_key = each.get("secret_key") or made_up_secret_key(number)
        services.append(Service(number, access_key, secret_key, each.get("webhook_url", "")))
    return tuple(services)


class _OfService(argparse.Action):
    """An argparse action for the options of a service; a second `--service-id` begins the next service."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, value: Any, option: Any = None
    ) -> None:
        services = namespace.services = list(namespace.services)
        if not services or (self.dest == "service_id" and "service_id" in services[-1]):
            services.append({})
        if self.dest in services[-1]:
            parser.error(f"{self.option_strings[0]} is given twice for one service")
        services[-1][self.dest] = value


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
    parser.set_defaults(services=())
    service = parser.add_argument_group("services", "--service-id may be repeated; what follows belongs to it.")
    of_service = partial(service.add_argument, action=_OfService, default=argparse.SUPPRESS)
    of_service("--service-id", type=_form("[1-9][0-9]{0,4}"), help="1 to 5 digits; default 1234")
    of_service("--access-key", type=_form("[A-Za-z0-9]{20}"), help="20 letters and digits; made up if not given")
    of_service("--secret-key", type=_form("[A-Za-z0-9+/]{40}"), help="40 base64 characters; made up if not given")
    of_service("--webhook-url", type=url, help="where its notices go; can be set later")
    add("--optional-phone", action="store_true", help="userPhone and userCodeCountry may be missing")
    add("--shortest-life", type=seconds, default=600.0, metavar="SECONDS", help="of a code, from now to its dateExpiry")
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


# argparse shows the names of the next four functions in its complaint: "invalid port value".
def port(text: str) -> int:
    """Return a port; 0 means any free port."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise ValueError
    return number


def seconds(text: str) -> float:
    """Return a time of at most a year, in seconds."""
    number = float(text)
    if not 0 <= number <= 31_536_000:
        raise ValueError
    return number


def amount(text: str) -> Decimal:
    """Return an amount above zero."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError from None
    if not number.is_finite() or number <= 0:
        raise ValueError
    return number


def url(text: str) -> str:
    """Return the webhook's URL; "" for none."""
    if text and not is_web_address(text):
        raise ValueError
    return text


if __name__ == "__main__":
    sys.exit(main())
