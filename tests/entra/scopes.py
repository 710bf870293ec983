"""scopes.py - what a scope asks for, and of whom.

A scope is RESOURCE/PERMISSION.  A bare permission means Microsoft Graph, which is how clients end up
with a token that looks fine and that no mail server accepts.
"""

import dataclasses

from refusals import Refusal

OIDC = ("openid", "profile", "email", "offline_access")


@dataclasses.dataclass(frozen=True)
class Resource:
    name: str
    permissions: tuple


EXCHANGE = Resource("Office 365 Exchange Online",
                    ("IMAP.AccessAsUser.All", "POP.AccessAsUser.All", "SMTP.Send", "EWS.AccessAsUser.All", "Mail.Send"))
GRAPH = Resource("Microsoft Graph",
                 ("IMAP.AccessAsUser.All", "POP.AccessAsUser.All", "SMTP.Send", "User.Read", "Mail.Read", "Mail.Send"))
GRAPH_URI = "https://graph.microsoft.com"
RESOURCES = {"https://outlook.office.com": EXCHANGE, "https://outlook.office365.com": EXCHANGE,
             "https://ps.outlook.com": EXCHANGE, GRAPH_URI: GRAPH}


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A delegated scope, understood.  permissions is None for .default: whatever was consented."""
    text: str
    audience: str
    resource: Resource
    permissions: tuple
    oidc: frozenset

    @property
    def offline(self):
        return "offline_access" in self.oidc

    def granted(self, app, tenant):
        """The permissions `app` gets in `tenant`.  Raises 65001 without consent."""
        consented = app.consented if tenant.id in app.service_principals else ()
        if self.permissions is None:
            granted = tuple(name for name in consented if name in self.resource.permissions)
            missing = not granted
        else:
            granted = self.permissions
            missing = any(name not in consented for name in granted)
        if missing:
            raise Refusal(65001, client_id=app.client_id, app=app.name)
        return granted

    def reply_text(self, granted):
        """The "scope" member of the reply."""
        prefix = self.audience.rstrip("/")
        shown = [name for name in OIDC if name in self.oidc and name != "offline_access"]
        return " ".join(shown + [f"{prefix}/{name}" for name in granted])


def split(scope):
    """Scope to its parts: separated by blanks, visible ASCII."""
    parts = [part for part in scope.split(" ") if part]
    if not parts or not all("!" <= character <= "~" for part in parts for character in part):
        raise Refusal(70011, scope=scope)
    return parts


def find_resource(uri, tenant):
    try:
        return RESOURCES[uri.rstrip("/").lower()]
    except KeyError:
        raise Refusal(500011, resource=uri, tenant=tenant) from None


def delegated(scope, tenant):
    """Understand the scope of a user's token.  `tenant` is a name for texts."""
    audience, names, oidc = None, [], set()
    for part in split(scope):
        if part in OIDC:
            oidc.add(part)
            continue
        uri, _, name = part.rpartition("/")
        uri = uri or GRAPH_URI
        if audience not in (None, uri):
            raise Refusal(28002, scope=scope)
        audience = uri
        names.append(name)
    audience = audience or GRAPH_URI
    resource = find_resource(audience, tenant)
    if ".default" in names:
        if len(set(names)) > 1:
            raise Refusal(70011, scope=f"{scope} (.default can't be combined with resource-specific scopes)")
        return Wanted(scope, audience, resource, None, frozenset(oidc))
    for name in names:
        if name not in resource.permissions:
            raise Refusal(70011, scope=name)
    return Wanted(scope, audience, resource, tuple(dict.fromkeys(names)), frozenset(oidc))


def app_only(scope, tenant):
    """The audience of a client_credentials request: its scope must be exactly RESOURCE/.default."""
    parts = split(scope)
    if not all(part.endswith("/.default") for part in parts):
        raise Refusal(1002012, scope=scope)
    if len(parts) > 1:
        raise Refusal(70011, scope=scope)
    audience = parts[0][:-len("/.default")]
    find_resource(audience, tenant)
    return audience
