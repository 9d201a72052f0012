"""A person with a browser: reads pages, follows links, fills in forms. It knows nothing of what is behind them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import requests

from .waiting import PATIENCE, Failed


@dataclass
class Form:
    """A form as it came; its fields have the values that the page gave them."""

    action: str = ""
    fields: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """What a person sees of a page."""

    def __init__(self, address: str, content: str) -> None:
        super().__init__()
        self.address = address
        self.forms: list[Form] = []
        #: By their text.
        self.links: dict[str, str] = {}
        #: Every ``data-…`` attribute of the page.
        self.data: dict[str, str] = {}
        self._words: list[str] = []
        self._link: tuple[str, int] | None = None
        self._hidden = False
        #: The name of the list that is open.
        self._list = ""
        self.feed(content)

    @property
    def text(self) -> str:
        """The words of the page."""
        return " ".join(" ".join(self._words).split())

    def link(self, text: str) -> str:
        """Return where the first link that has these words leads."""
        for words, address in self.links.items():
            if text in words:
                return address
        raise Failed(f"no link “{text}” on {self.address}")

    def form(self, *names: str) -> Form:
        """Return the form that has these fields."""
        for form in self.forms:
            if set(names) <= form.fields.keys():
                return form
        raise Failed(f"no form for {', '.join(names)} on {self.address}: {self.text[:300]}")

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.data |= {name.removeprefix("data-"): value for name, value in given.items() if name.startswith("data-")}
        self._hidden = tag in ("script", "style")
        if tag == "form":
            self.forms.append(Form(urljoin(self.address, given.get("action") or self.address)))
        elif tag in ("input", "button", "select", "option") and self.forms:
            self._fill(tag, given)
        elif tag == "a" and "href" in given:
            self._link = (urljoin(self.address, given["href"]), len(self._words))

    def _fill(self, tag: str, given: dict[str, str]) -> None:
        """Note what a field has before anybody fills it in."""
        fields, name, value = self.forms[-1].fields, given.get("name", ""), given.get("value", "")
        if tag == "select":
            self._list = name
        elif tag == "option" and ("selected" in given or self._list not in fields):
            fields[self._list] = value
        elif name and (given.get("type") not in ("radio", "checkbox") or "checked" in given):
            fields[name] = value

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False
        if tag == "a" and self._link:
            address, begin = self._link
            self.links.setdefault(" ".join(" ".join(self._words[begin:]).split()), address)
            self._link = None

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._words.append(data)


class Visitor:
    """One browser with its own cookies."""

    def __init__(self, language: str = "es-PE") -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Accept-Language"] = language

    def read(self, address: str) -> Page:
        """Open a page."""
        return self._page("GET", address)

    def send(self, page: Page, **filled: str) -> Page:
        """Fill in the form of a page that has these fields, send it, and return the page it leads to."""
        form = page.form(*filled)
        return self._page("POST", form.action, form.fields | filled)

    def ask(self, address: str) -> dict[str, Any]:
        """Read what is meant for programs."""
        return self._json(self._session.get(address, timeout=PATIENCE))

    def tell(self, address: str, **body: Any) -> dict[str, Any]:
        """Send what is meant for programs."""
        return self._json(self._session.post(address, json=body, timeout=PATIENCE))

    def _page(self, method: str, address: str, form: dict[str, str] | None = None) -> Page:
        answer = self._session.request(method, address, data=form, timeout=PATIENCE)
        page = Page(answer.url, answer.text)
        if answer.status_code != 200:
            raise Failed(f"{method} {address} answered {answer.status_code}: {page.text[:300]}")
        return page

    def _json(self, answer: requests.Response) -> dict[str, Any]:
        if answer.status_code != 200:
            raise Failed(f"{answer.url} answered {answer.status_code}: {answer.text[:300]}")
        found: dict[str, Any] = answer.json()
        return found
