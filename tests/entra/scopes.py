"""scopes.py - what a scope asks for, and of whom.

A scope is RESOURCE/PERMISSION.  A bare permission means Microsoft Graph, which is how clients end up
with a token that looks fine and that no mail server accepts.
"""

import dataclasses

from directory import APP_ROLES
from refusals import Refusal

OIDC = ("openid", "profile", "email", "offline_access")


@dataclasses.dataclass(frozen=True)
class Resource:
    name: str
    permissions: tuple
    roles: tuple = ()           # application permissions


EXCHANGE = Resource("Office 365 Exchange Online",
                    ("IMAP.AccessAsUser.All", "POP.AccessAsUser.All", "SMTP.Send", "EWS.AccessAsUser.All", "Mail.Send"),
                    APP_ROLES)
GRAPH = Resource("Microsoft Graph",
                 ("IMAP.AccessAsUser.All", "POP.AccessAsUser.All", "SMTP.Send", "User.Read", "Mail.Read", "Mail.Send"))
GMAIL = Resource("Gmail", ("",))            # one permission for everything: its scope is https://mail.google.com/ alone
GRAPH_URI = "https://graph.microsoft.com"
RESOURCES = {"https://outlook.office.com": EXCHANGE, "https://outlook.office365.com": EXCHANGE,
             "https://ps.outlook.com": EXCHANGE, GRAPH_URI: GRAPH, "https://mail.google.com": GMAIL}


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

    def granted(self, app, tenant, user):
        """The permissions `app` gets for `user` of `tenant`.  Raises 65001 without consent."""
        if self.unconsented(app, tenant, user):
            raise Refusal(65001, client_id=app.client_id, app=app.name)
        if self.permissions is not None:
            return self.permissions
        return tuple(name for name in app.consented_by(tenant, user) if name in self.resource.permissions)

    def unconsented(self, app, tenant, user):
        """The permissions that somebody has to accept first.  .default is content with any that were accepted."""
        consented = app.consented_by(tenant, user)
        if self.permissions is not None:
            return [name for name in self.permissions if name not in consented]
        if any(name in self.resource.permissions for name in consented):
            return []
        listed = [name for name in app.registered if name in self.resource.permissions]
        return listed or [".default"]              # which nobody can accept

    def for_admins(self, app):
        """The permissions that an administrator is asked for: application permissions come with .default only."""
        if self.permissions is not None:
            return self.permissions
        return [name for name in app.registered if name in self.resource.permissions + self.resource.roles]

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
    """Understand the scope of a user's token, which is for one resource.  `tenant` is a name for texts."""
    if len(sorted_out(scope)[1]) > 1:
        raise Refusal(28002, scope=scope)
    return consentable(scope, tenant)[0]


def consentable(scope, tenant):
    """Understand a scope that a user consents to: one Wanted for each resource, in the order they were named."""
    oidc, resources = sorted_out(scope)
    return [understood(oidc, audience, names, tenant) for audience, names in resources.items()]


def sorted_out(scope):
    """What is not about a resource, and {resource: names}.  Without any resource it is Graph."""
    oidc, resources = [], {}
    for part in split(scope):
        uri, _, name = part.rpartition("/")
        if part in OIDC:
            oidc.append(part)
        else:
            resources.setdefault(uri or GRAPH_URI, []).append(name)
    return oidc, resources or {GRAPH_URI: []}


def understood(oidc, audience, names, tenant):
    """A Wanted.  The resource exists and has these permissions."""
    text = " ".join([*oidc, *(f"{audience}/{name}" for name in names)])
    resource = find_resource(audience, tenant)
    if ".default" in names:
        if len(set(names)) > 1:
            raise Refusal(70011, scope=f"{text} (.default can't be combined with resource-specific scopes)")
        return Wanted(text, audience, resource, None, frozenset(oidc))
    for name in names:
        if name not in resource.permissions:
            raise Refusal(70011, scope=name)
    return Wanted(text, audience, resource, tuple(dict.fromkeys(names)), frozenset(oidc))


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
