"""control.py - the plain HTTP port for tests and mail servers: ask, stage, approve, revoke.

Only ever bound to 127.0.0.1.  Each route is a function (emulator, argument, body) -> JSON document;
`argument` is what follows the route's path (a user in /users/USER), body the request's JSON.
"""

import hmac
import json
import time
import urllib.parse
import uuid

import codes
import exchange
import form as forms
import redirects
import scopes
import web
from directory import UnknownName
from journal import fingerprint, loggable_name
from refusals import Refusal


class BadCall(ValueError):
    """A control request that makes no sense."""


def needs(body, *names):
    missing = [name for name in names if not body.get(name)]
    if missing:
        raise BadCall(f"missing: {', '.join(missing)}")
    return tuple(body[name] for name in names)


# Watching

def get_counters(emulator, _argument, _body):
    return emulator.journal.counters()


def reset_counters(emulator, _argument, _body):
    emulator.journal.reset()
    return emulator.journal.counters()


# Staging

def get_settings(emulator, _argument, _body):
    return emulator.settings.as_dict()


def change_settings(emulator, _argument, body):
    emulator.settings.update(body)
    return emulator.settings.as_dict()


def reset_settings(emulator, _argument, _body):
    emulator.settings.reset()
    return emulator.settings.as_dict()


def change_directory(emulator, _argument, body):
    emulator.directory.merge(body)
    emulator.save_secrets()
    return {}


USER_FIELDS = ("name", "oid", "disabled", "admin")
MAILBOX_FIELDS = ("imap", "pop", "smtp", "full_access", "send_as")


def change_user(emulator, address, body):
    """Change a user and the mailbox of the same name; either comes into being if it does not exist."""
    unknown = set(body) - set(USER_FIELDS + MAILBOX_FIELDS)
    if unknown:
        raise BadCall(f"unknown field '{unknown.pop()}'")
    emulator.directory.tenant_of(address)
    user = {name: body[name] for name in USER_FIELDS if name in body}
    mailbox = {name: body[name] for name in MAILBOX_FIELDS if name in body}
    emulator.directory.merge({"users": [{"address": address} | user] if user or not body else [],
                              "mailboxes": [{"address": address} | mailbox]})
    return {}


def change_app(emulator, client_id, body):
    emulator.directory.registration(client_id)
    emulator.directory.merge({"apps": [{"client_id": client_id.lower()} | body]})
    emulator.save_secrets()
    return {}


def change_identity(emulator, client_id, body):
    emulator.directory.identity(client_id)
    emulator.directory.merge({"identities": [{"client_id": client_id.lower()} | body]})
    return {}


def rotate_secret(emulator, client_id, _body):
    secret = emulator.directory.rotate_secret(client_id)
    emulator.save_secrets()
    return {"client_secret": secret}


# Sign-ins and tokens

def new_grant(emulator, _argument, body):
    """A refresh token without the sign-in."""
    user, client_id, scope = needs(body, "user", "client_id", "scope")
    address = emulator.directory.user(user).address
    app = emulator.directory.app(client_id)
    if not scopes.delegated(scope, user).offline:
        raise BadCall("scope has no offline_access, so there is no refresh token")
    return {"refresh_token": emulator.grants.refresh_token(emulator.grants.new(address, app.client_id, scope))}


def new_code(emulator, _argument, body):
    """An authorization code without the page."""
    address, client_id, scope, _ = needs(body, "user", "client_id", "scope", "redirect_uri")
    user, app = emulator.directory.user(address), emulator.directory.app(client_id)
    authority = emulator.directory.authority(body.get("tenant", address.rpartition("@")[2]))
    scopes.consentable(scope, authority.segment)
    if "code_challenge" in body:
        body = {"code_challenge_method": "S256"} | body
    way_back = redirects.way_back(app, body)
    return {"code": emulator.codes.new(authority, app, user, way_back.redirect_uri, scope, codes.read_challenge(body),
                                       body.get("nonce"))}


def revoke_grants(emulator, _argument, body):
    filters = {name: body[name] for name in ("user", "client_id", "refresh_token") if name in body}
    return {"revoked": emulator.grants.revoke(**filters)}


def new_access_token(emulator, _argument, body):
    """An access token without a token request: for a user, or for the app itself if no user is named."""
    client_id, scope = needs(body, "client_id", "scope")
    app = emulator.directory.app(client_id)
    lifetime = body.get("lifetime", emulator.settings.access_token_lifetime)
    if "user" not in body:
        tenant = emulator.directory.tenant(body.get("tenant", app.tenant))
        return {"access_token": emulator.tokens.app_only(app, tenant, scopes.app_only(scope, tenant.id), lifetime)}
    user = emulator.directory.user(body["user"])
    tenant = emulator.directory.tenant_of(user.address)
    wanted = scopes.delegated(scope, tenant.id)
    return {"access_token": emulator.tokens.delegated(app, user, tenant, wanted.audience, wanted.granted(app, tenant, user),
                                                      lifetime)}


def new_federated_token(emulator, _argument, body):
    """What another party's issuer would write: a JWT for a federated credential, or one with something wrong."""
    issuer, subject, audience = needs(body, "issuer", "subject", "audience")
    lifetime = body.get("lifetime", 3600)
    if type(lifetime) is not int:
        raise BadCall("lifetime is not an integer")
    now = int(time.time())
    claims = {"iss": issuer, "sub": subject, "aud": audience, "iat": now, "nbf": now, "exp": now + lifetime,
              "jti": str(uuid.uuid4())}
    header = {"alg": "RS256", "typ": "JWT", "kid": emulator.assertions.issuer.kid}
    token = emulator.assertions.issuer.token(changed(claims, body.get("claims")), changed(header, body.get("header")),
                                             body.get("stranger", False))
    return {"token": emulator.journal.issued(token)}


def changed(members, changes):
    """With `changes` merged in; null takes a member out."""
    if not isinstance(changes, (dict, type(None))):
        raise BadCall("claims and header are JSON objects")
    return {name: value for name, value in (members | (changes or {})).items() if value is not None}


def expire_tokens(emulator, _argument, _body):
    emulator.tokens.expire_all()
    return {}


def pending_devices(emulator, _argument, _body):
    return [{"user_code": row.user_code, "client_id": row.client_id, "tenant": row.authority, "scope": row.scope,
             "polls": row.polls} for row in emulator.devices.pending()]


def approve_device(emulator, _argument, body):
    row = emulator.devices.decide("approved", body.get("user_code"), body.get("user"))
    return {"user_code": row.user_code, "user": row.user}


def decline_device(emulator, _argument, body):
    return {"user_code": emulator.devices.decide("declined", body.get("user_code")).user_code}


# What mail servers ask

def may_open(emulator, _argument, body):
    token, mailbox, protocol = needs(body, "token", "mailbox", "protocol")
    if protocol not in exchange.PROTOCOLS:
        raise BadCall(f"unknown protocol '{protocol}'")
    emulator.journal.asked_may_open()
    verdict = exchange.may_open(emulator, token, mailbox, protocol)
    emulator.journal.log(endpoint="may-open", mailbox=loggable_name(mailbox), protocol=protocol,
                         access_token_sha256=fingerprint(token), outcome="allow" if verdict["allow"] else "deny",
                         reason=verdict["reason"])
    return verdict


def check_password(emulator, _argument, body):
    """The one account with a password, for tests of PLAIN beside bearer tokens."""
    user, password = needs(body, "user", "password")
    right = hmac.compare_digest(password.encode(), emulator.directory.secret_values["plain_password"].encode())
    allow = right and user.lower() == "plain@contoso.com"
    emulator.journal.log(endpoint="check-password", mailbox=loggable_name(user), outcome="allow" if allow else "deny")
    return {"allow": allow, "reason": "" if allow else "wrong user or password"}


ROUTES = {
    ("GET", "/counters"): get_counters, ("POST", "/counters/reset"): reset_counters,
    ("GET", "/settings"): get_settings, ("POST", "/settings"): change_settings,
    ("POST", "/settings/reset"): reset_settings,
    ("POST", "/directory"): change_directory,
    ("POST", "/users/"): change_user, ("POST", "/apps/"): change_app, ("POST", "/rotate-secret/"): rotate_secret,
    ("POST", "/identities/"): change_identity, ("POST", "/federated-tokens"): new_federated_token,
    ("POST", "/codes"): new_code,
    ("POST", "/grants"): new_grant, ("POST", "/grants/revoke"): revoke_grants,
    ("POST", "/access-tokens"): new_access_token, ("POST", "/expire_tokens"): expire_tokens,
    ("GET", "/device"): pending_devices, ("POST", "/device/approve"): approve_device,
    ("POST", "/device/decline"): decline_device,
    ("POST", "/may-open"): may_open, ("POST", "/check-password"): check_password,
}


class ControlHandler(web.Handler):
    """`emulator` is set on the class by entra.py."""

    emulator = None

    def do_GET(self):
        try:
            route, argument = self.route()
            reply = self.render(route(self.emulator, argument, self.document()))
        except web.BadRequest as bad:
            self.hang_up(bad.status)
            return
        except (ValueError, UnknownName, Refusal) as error:
            reply = web.json_reply({"error": str(error.args[0])}, 400)
        self.send(reply)

    do_POST = do_GET

    def route(self):
        path = urllib.parse.urlsplit(self.path).path
        if (self.command, path) in ROUTES:
            return ROUTES[self.command, path], None
        parent, slash, argument = path.rpartition("/")
        if argument and (self.command, parent + slash) in ROUTES:
            return ROUTES[self.command, parent + slash], urllib.parse.unquote(argument)
        raise BadCall(f"no route {self.command} {path}")

    def document(self):
        """The body, from JSON or from a form; no body is an empty document."""
        body = self.read_body()
        if self.headers.get_content_type() == "application/x-www-form-urlencoded" and not body.startswith(b"{"):
            return forms.parse(body)
        try:
            document = json.loads(body or b"{}")
        except ValueError:
            raise BadCall("body is not JSON") from None
        if not isinstance(document, dict):
            raise BadCall("body is not a JSON object")
        return document

    def render(self, document):
        """JSON, or for askers that cannot read it a line: 'allow' or 'deny REASON'."""
        if self.headers.get("Accept") == "text/plain" and "allow" in document:
            line = "allow\n" if document["allow"] else f"deny {document['reason']}\n"
            return web.Reply(line.encode(), content_type="text/plain; charset=utf-8")
        return web.json_reply(document)
