"""The check of callers: programs and pages of this machine may call, pages of the web may not."""

import ipaddress
import re
from email.message import Message

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+?)\.?(?::[0-9]{1,5})?")


def refused(method: str, headers: Message) -> str:
    """Return the reason for refusing a request, or "" for a request from this machine.

    An attacker can make a name of the web lead to this machine, so the name in `Host` must be one of the machine's own
    (localhost, *.localhost, 127.0.0.0/8, [::1]; any port, for tunnels). A browser names in `Origin` the page that sends
    a request with effects: only the sandbox's own pages may. PagoEfectivo's clients send a word in `Origin` (`web`,
    `android`, `IOS`; protocol 1.2), which is no origin of a page.
    """
    hosts = headers.get_all("Host", [])
    if len(hosts) != 1 or not _is_own_name(hosts[0].strip()):
        return "the sandbox answers to localhost, 127.0.0.1 and [::1] only"
    if method in ("GET", "HEAD"):
        return ""
    for origin in headers.get_all("Origin", []):
        is_page = "://" in origin or origin.strip().lower() == "null"
        if is_page and origin.strip().lower() != f"http://{hosts[0].strip().lower()}":
            return "the sandbox takes nothing from pages of others"
    return ""


def _is_own_name(host: str) -> bool:
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = match.group(1).lower().strip("[]")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
