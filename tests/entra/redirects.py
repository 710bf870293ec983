"""redirects.py - where a browser may be sent back to, and how the answer travels there."""

import dataclasses
import re
import urllib.parse

import pages
import web
from refusals import Refusal

LOOPBACK = re.compile(r"(http://(?:localhost|127\.0\.0\.1))(?::([1-9][0-9]{0,4}))?((?:[/?].*)?)")
RESPONSE_MODES = ("query", "fragment", "form_post")
MAX_LENGTH = 256
NOT_ALLOWED = re.compile(r"[^!-~]|[!$'(),;#]")


def without_port(uri):
    """Programs listen where there is room: http on loopback compares without the port (RFC 8252, section 7.3)."""
    match = LOOPBACK.fullmatch(uri)
    return match[1] + match[3] if match and int(match[2] or 80) < 1 << 16 else uri


def is_registered(app, uri):
    """Letter by letter, path and slash included; localhost is not 127.0.0.1."""
    return without_port(uri) in {without_port(row) for row in app.redirect_uris}


def check_registration(uris):
    """What the portal and the manifest take.  Raises ValueError."""
    for uri in uris:
        if (not isinstance(uri, str) or len(uri) > MAX_LENGTH or NOT_ALLOWED.search(uri)
                or not (uri.startswith("https://") or LOOPBACK.fullmatch(uri))):
            raise ValueError(f"redirect URI {uri!r} cannot be registered")
    return list(uris)


@dataclasses.dataclass(frozen=True)
class WayBack:
    """A redirect URI that was checked, and what every answer to it carries."""
    redirect_uri: str
    response_mode: str = "query"
    state: str = None
    issuer: str = None          # "iss" (RFC 9207), or None to leave it out

    def reply(self, members):
        """The Reply that takes `members` there.  None is left out."""
        members = {name: value for name, value in (members | {"state": self.state, "iss": self.issuer}).items()
                   if value is not None}
        if self.response_mode == "form_post":
            return pages.form_post(self.redirect_uri, members)
        return web.Reply(b"", 302, "text/html", {"Location": self._location(urllib.parse.urlencode(members))})

    def _location(self, answer):
        uri = self.redirect_uri
        if not urllib.parse.urlsplit(uri).path:
            uri += "/"                             # Entra adds it
        if self.response_mode == "fragment":
            return f"{uri}#{answer}"
        return f"{uri}{'&' if '?' in uri else '?'}{answer}"

    def refused(self, document, **more):
        """The Reply that takes a refusal there; `document` is that of Refusal.document()."""
        subcode = "cancel" if 65004 in document["error_codes"] else None
        return self.reply({name: document[name] for name in ("error", "error_description", "error_uri")}
                          | {"error_subcode": subcode} | more)


def way_back(app, form, issuer=None):
    """The WayBack of a request.  Without a redirect URI that is registered there is none: the Refusal stays here."""
    uri = form.get("redirect_uri")
    if uri is None:
        raise Refusal(900971)
    if not is_registered(app, uri):
        raise Refusal(50011, client_id=app.client_id)
    mode = form.get("response_mode", "query")
    return WayBack(uri, mode if mode in RESPONSE_MODES else "query", form.get("state"), issuer)
