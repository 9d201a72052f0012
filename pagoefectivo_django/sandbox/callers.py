"""Who may call: programs and pages of this machine. A page of the web that a browser shows here may not."""

import ipaddress
import re
from email.message import Message

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+?)\.?(?::[0-9]{1,5})?")


def refused(method: str, headers: Message) -> str:
    """Give the reason why a request is not for this sandbox; empty if it is.

    A name of the web's can be made to lead to this machine, so the name in `Host` must be one of the machine's own
    (localhost, *.localhost, 127.0.0.0/8, [::1]; any port, for tunnels). A browser says in `Origin` whose page sends a
    request that can change something: only a page of the sandbox's own may. PagoEfectivo's clients send a word there
    (`web`, `android`, `IOS`; protocol 1.2), which is no origin of a page.
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
