"""browser.py - for tests: a browser without a window, that fills in the one form of a page and presses its buttons."""

import html.parser
import urllib.parse


class Page(html.parser.HTMLParser):
    """A page, understood as far as ours go: texts by id, fields and buttons of its form."""

    def __init__(self, status, text):
        super().__init__()
        self.status, self.text = status, text
        self.fields, self.buttons, self.texts, self.form = {}, {}, {}, None
        self._inside = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self._inside = attributes.get("id", self._inside)
        if tag == "form":
            self.form = attributes
        elif tag == "input":
            self.fields[attributes["name"]] = attributes.get("value", "")
        elif tag == "button":
            self.buttons[attributes["id"]] = attributes

    def handle_data(self, data):
        if self._inside:
            self.texts[self._inside] = self.texts.get(self._inside, "") + data

    def handle_endtag(self, tag):
        self._inside = None if tag in ("p", "ul", "button") else self._inside


class Arrived(dict):
    """Where a redirect led, without going there: the parameters, and `url` without them."""

    def __init__(self, location):
        parts = urllib.parse.urlsplit(location)
        super().__init__(urllib.parse.parse_qsl(parts.query or parts.fragment, strict_parsing=True))
        self.location, self.fragment = location, parts.fragment
        self.url = location[:-len(parts.query or parts.fragment) - 1]


class Browser:
    """One window.  `entra` is a harness.Entra; pages come from it alone."""

    def __init__(self, entra):
        self._entra = entra
        self._path = self._page = None

    def open(self, path):
        """Go there: a Page, or what Arrived where the emulator sent us."""
        self._path = path
        return self._ask("GET", None)

    def press(self, identifier, **typed):
        """Fill in the fields of the page and press a button."""
        unknown = set(typed) - set(self._page.fields)
        if unknown:
            raise AssertionError(f"the page has no field {unknown}")
        button = self._page.buttons[identifier]
        return self._ask("POST", urllib.parse.urlencode(self._page.fields | typed | {button["name"]: button["value"]}))

    def _ask(self, method, body):
        status, headers, content = self._entra.request(self._path, body, method)
        if status == 302:
            return Arrived(headers["Location"])
        self._page = Page(status, content.decode())
        return self._page
