"""directory.py - tenants, apps, managed identities, users and mailboxes: what an administrator would have set up.

directory.json holds the built-in ones, with a note on what each is for.  A settings file and the
control port add to them or change them, in the same form and through the same code (`merge`).
"""

import dataclasses
import datetime
import fnmatch
import json
import pathlib
import secrets
import threading
import uuid

import redirects
from assertions import FederatedCredential
from rsa_keys import Certificate

ALIASES = ("common", "organizations", "consumers")
APP_ROLES = ("IMAP.AccessAsApp", "POP.AccessAsApp", "SMTP.SendAsApp")
PERSONAL_TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad"


@dataclasses.dataclass
class Tenant:
    id: str
    name: str
    domains: list
    personal: bool = False
    gmail: bool = False                     # its mailboxes open for Gmail's tokens, and for no others


@dataclasses.dataclass
class Secret:
    """A client secret.  `name` is its key in secrets.json; `value` is made up at start."""
    name: str
    value: str
    expires: datetime.date = None

    def expired(self):
        return self.expires is not None and self.expires < datetime.datetime.now(datetime.timezone.utc).date()


@dataclasses.dataclass
class App:
    """An app registration, and what administrators granted it in Entra and in Exchange."""
    client_id: str
    name: str
    tenant: str                             # where it is registered
    platform: str = "web"                   # "web" needs a credential, "mobile_and_desktop" must not send one
    allow_public_client_flows: bool = False
    multi_tenant: bool = False
    personal: bool = False                  # supports personal Microsoft accounts too
    enabled: bool = True
    redirect_uris: list = dataclasses.field(default_factory=list)
    secrets: list = dataclasses.field(default_factory=list)
    certificates: list = dataclasses.field(default_factory=list)
    federated_credentials: list = dataclasses.field(default_factory=list)
    service_principals: dict = dataclasses.field(default_factory=dict)   # tenant id: object id
    app_roles: list = dataclasses.field(default_factory=list)            # application permissions, consented
    consented: list = dataclasses.field(default_factory=list)            # delegated permissions, consented
    permissions: list = dataclasses.field(default_factory=list)          # the registration lists them, consented or not
    consents: dict = dataclasses.field(default_factory=dict)    # tenant id or user: permissions accepted on a page
    known_to_exchange: bool = True          # New-ServicePrincipal was run, with the right object id
    mailboxes: list = dataclasses.field(default_factory=list)            # globs: Add-MailboxPermission was run
    rbac_smtp: list = dataclasses.field(default_factory=list)            # globs: role 'Application SMTP.SendAsApp'
    note: str = ""

    @property
    def public(self):
        return self.platform == "mobile_and_desktop"

    @property
    def registered(self):
        """The permissions that the registration lists: what was consented in the portal is listed there too."""
        return list(dict.fromkeys([*self.permissions, *self.consented, *self.app_roles]))

    def consented_by(self, tenant, user):
        """The delegated permissions that are good for a user: by the portal, an administrator, or the user."""
        everywhere = self.consented if tenant.id in self.service_principals else ()
        return list(dict.fromkeys([*everywhere, *self.consents.get(tenant.id, ()), *self.consents.get(user.address, ())]))

    def roles_in(self, tenant):
        accepted = [name for name in self.consents.get(tenant.id, ()) if name in APP_ROLES]
        return list(dict.fromkeys([*self.app_roles, *accepted]))

    @property
    def extra_claims(self):
        """What its app-only tokens have beyond the usual."""
        return {}

    def may_open(self, address):
        return any(fnmatch.fnmatchcase(address, glob) for glob in self.mailboxes)

    def may_send_by_rbac(self, address):
        return any(fnmatch.fnmatchcase(address, glob) for glob in self.rbac_smtp)


@dataclasses.dataclass
class Identity(App):
    """A managed identity: a service principal without a registration, whose tokens a machine hands out."""
    platform: str = "managed_identity"
    kind: str = "user"                      # "system": a machine's own; "user": made by somebody, assigned to machines
    resource_id: str = ""
    sources: list = dataclasses.field(default_factory=list)     # where it is assigned: names of machine.SOURCES

    def __post_init__(self):
        if self.kind not in ("system", "user") or not isinstance(self.sources, list):
            raise TypeError("kind is neither system nor user, or sources is no list")

    @property
    def object_id(self):
        return self.service_principals.get(self.tenant, "")

    @property
    def extra_claims(self):
        return {"xms_mirid": self.resource_id} if self.resource_id else {}


@dataclasses.dataclass
class User:
    address: str
    name: str
    oid: str
    disabled: bool = False
    admin: bool = False                     # may consent for the tenant


@dataclasses.dataclass
class Mailbox:
    address: str
    imap: bool = True
    pop: bool = True
    smtp: bool = True
    full_access: list = dataclasses.field(default_factory=list)
    send_as: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Authority:
    """The TENANT of a URL: a tenant, or an alias that stands for many."""
    segment: str
    tenant: Tenant = None

    @property
    def alias(self):
        return None if self.tenant else self.segment

    @property
    def key(self):
        """The same for all spellings of one tenant: a device code must come back to where it was made."""
        return self.tenant.id if self.tenant else self.segment

    def admits(self, tenant):
        """May an account of `tenant` sign in here?"""
        if self.tenant:
            return self.tenant.id == tenant.id
        return {"common": True, "organizations": not tenant.personal, "consumers": tenant.personal}[self.segment]


class UnknownName(KeyError):
    """No tenant, app, user or mailbox of that name."""


class BadEntry(ValueError):
    """An entry for the directory with a field that is missing or that nobody knows."""


class Directory:
    """All of it, with look-ups.  Names compare without regard to case, as Entra does."""

    def __init__(self, secret_values=None):
        self.lock = threading.RLock()
        self.tenants, self.apps, self.identities, self.users, self.mailboxes = {}, {}, {}, {}, {}
        self.secret_values = dict(secret_values or {})      # name: value, kept over restarts
        for name in ("plain_password", "identity_header"):
            self.secret_values.setdefault(name, secrets.token_urlsafe(18))
        self.merge(json.loads(pathlib.Path(__file__).with_name("directory.json").read_text(encoding="utf-8")))

    # Building it

    def merge(self, document):
        """Add or change what `document` lists; entries that exist keep the fields it does not name."""
        with self.lock:
            for entry in document.get("tenants", ()):
                self._put(self.tenants, Tenant, key_of(entry, "id"), entry)
            for entry in document.get("apps", ()):
                self._put(self.apps, App, key_of(entry, "client_id"), self._app_fields(entry))
            for entry in document.get("identities", ()):
                self._put(self.identities, Identity, key_of(entry, "client_id"), self._app_fields(entry))
            for entry in document.get("users", ()):
                address = key_of(entry, "address")
                new = {} if address in self.users else {"name": address, "oid": str(uuid.uuid4())}
                self._put(self.users, User, address, new | entry | {"address": address})
            for entry in document.get("mailboxes", ()):
                for address, fields in numbered(key_of(entry, "address"), entry):
                    self._put(self.mailboxes, Mailbox, address, fields | {"address": address})

    @staticmethod
    def _put(table, kind, key, fields):
        try:
            table[key] = dataclasses.replace(table[key], **fields) if key in table else kind(**fields)
        except TypeError as error:
            raise BadEntry(f"{kind.__name__.lower()} '{key}': {error}") from None

    def _app_fields(self, entry):
        """The JSON form of an app names tenants by domain and secrets by name only."""
        fields = dict(entry)
        if "tenant" in fields:
            fields["tenant"] = self.tenant(fields["tenant"]).id
        if "service_principals" in fields:
            fields["service_principals"] = {self.tenant(name).id: oid
                                            for name, oid in fields["service_principals"].items()}
        if "consents" in fields:
            fields["consents"] = {name.lower() if "@" in name else self.tenant(name).id: names
                                  for name, names in fields["consents"].items()}
        if "redirect_uris" in fields:
            fields["redirect_uris"] = redirects.check_registration(fields["redirect_uris"])
        if "secrets" in fields:
            fields["secrets"] = [self._secret(row) for row in fields["secrets"]]
        for name, read in (("certificates", Certificate.read), ("federated_credentials", FederatedCredential.read)):
            if name in fields:
                fields[name] = [read(row) for row in fields[name]]
        return fields

    def _secret(self, row):
        value = self.secret_values.setdefault(row["name"], new_secret())
        expires = datetime.date.fromisoformat(row["expires"]) if row.get("expires") else None
        return Secret(row["name"], value, expires)

    def rotate_secret(self, client_id):
        """The old secret of an app stops working, a new one takes its name.  Returns it."""
        with self.lock:
            app = self.registration(client_id)
            name = app.secrets[0].name if app.secrets else f"{app.client_id}_client_secret"
            value = self.secret_values[name] = new_secret()
            app.secrets = [Secret(name, value)]
            return value

    def consent(self, app, who, permissions):
        """A page was accepted by a user, or for a tenant."""
        with self.lock:
            app.consents[who] = list(dict.fromkeys([*app.consents.get(who, ()), *permissions]))

    def admin_consent(self, app, tenant, permissions):
        """The app is known in the tenant from now on, too."""
        with self.lock:
            app.service_principals.setdefault(tenant.id, str(uuid.uuid4()))
            self.consent(app, tenant.id, permissions)

    # Looking things up; all raise UnknownName

    def tenant(self, name):
        name = name.lower()
        for tenant in self.tenants.values():
            if name == tenant.id or name in tenant.domains:
                return tenant
        raise UnknownName(f"no tenant '{name}'")

    def tenant_of(self, address):
        return self.tenant(address.rpartition("@")[2])

    def authority(self, segment):
        """What the TENANT part of a URL means."""
        segment = segment.lower()
        if segment == "consumers":
            return Authority(segment)
        if segment == PERSONAL_TENANT:
            return Authority("consumers")
        return Authority(segment) if segment in ALIASES else Authority(segment, self.tenant(segment))

    def app(self, client_id):
        """A registered app, or a managed identity: both ask for tokens and get into mailboxes."""
        if client_id.lower() in self.identities:
            return self.identities[client_id.lower()]
        return self._find(self.apps, client_id, "app")

    def registration(self, client_id):
        return self._find(self.apps, client_id, "app")

    def identity(self, client_id):
        return self._find(self.identities, client_id, "managed identity")

    def user(self, address):
        return self._find(self.users, address, "user")

    def mailbox(self, address):
        return self._find(self.mailboxes, address, "mailbox")

    @staticmethod
    def _find(table, name, kind):
        try:
            return table[name.lower()]
        except KeyError:
            raise UnknownName(f"no {kind} '{name}'") from None


def key_of(entry, name):
    if not isinstance(entry.get(name), str):
        raise BadEntry(f"an entry lacks '{name}'")
    return entry[name].lower()


def numbered(address, entry):
    """A mailbox entry with "count" stands for that many, with their number in place of {}."""
    fields = {name: value for name, value in entry.items() if name != "count"}
    if "count" not in entry:
        return [(address, fields)]
    return [(address.format(number), fields) for number in range(1, entry["count"] + 1)]


def new_secret():
    """A client secret that only arrives whole if the client url-encodes it.  Real ones have a '~' and
    may have the others; '+', '%' and '&' change or end a value that was sent as it is."""
    parts = [secrets.token_hex(4) for _ in range(7)]
    return "{}~{}+{}/{}={}%z{}&{}".format(*parts)
