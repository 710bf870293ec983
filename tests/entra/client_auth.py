"""client_auth.py - which app is asking, and can it prove it?

A confidential app has a secret (in the body or by HTTP Basic, not both) or an assertion.  A public
app must send neither: one that does is told so (700025), because a leaked "secret" of a public app
proves nothing.
"""

import base64
import binascii
import dataclasses
import hmac

import assertions
import form as forms
from directory import App, UnknownName
from refusals import Refusal

CLIENT_CREDENTIALS = "client_credentials"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


@dataclasses.dataclass(frozen=True)
class Credentials:
    client_id: str
    secret: str = None
    assertion: str = None

    @property
    def any(self):
        return self.secret is not None or self.assertion is not None


@dataclasses.dataclass(frozen=True)
class Client:
    """An app that has proved itself.  proof is for "appidacr" in its tokens: 0 not at all, 1 secret, 2 assertion."""
    app: App
    proof: str


def credentials_sent(form, authorization):
    """Who the request says it comes from.  `authorization` is the header's value or None."""
    secret, assertion = form.get("client_secret"), form.get("client_assertion")
    if secret and assertion:
        raise Refusal(9002313)
    if assertion:
        forms.required(form, "client_assertion_type")
    if "client_assertion_type" in form:
        forms.required(form, "client_assertion")
    if authorization is None:
        return Credentials(forms.required(form, "client_id"), secret, assertion)
    client_id, basic_secret = read_basic(authorization)
    if secret or assertion or form.get("client_id", client_id) != client_id:
        raise Refusal(9002313)                      # one method per request (RFC 6749, section 2.3)
    return Credentials(client_id, basic_secret)


def read_basic(authorization):
    """HTTP Basic, with id and secret form-encoded before they were joined (RFC 6749, section 2.3.1)."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        client_id, colon, secret = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        raise Refusal(9002313) from None
    if scheme.lower() != "basic" or not colon:
        raise Refusal(9002313)
    return forms.decode(client_id), forms.decode(secret)


def find_app(directory, authority, client_id, grant_type=None):
    """The app, if it may be used at this TENANT."""
    try:
        app = directory.app(client_id)
    except UnknownName:
        raise Refusal(700016, client_id=client_id, tenant=authority.segment) from None
    names = {"client_id": app.client_id, "app": app.name, "tenant": authority.segment}
    if authority.tenant and authority.tenant.id != app.tenant and not app.multi_tenant:
        raise Refusal(700016, **names)
    if authority.alias in ("common", "organizations") and not app.multi_tenant:
        raise Refusal(50194, alias=authority.alias, **names)
    if authority.alias == "consumers" and not app.personal:
        raise Refusal(9002332, **names)
    if not app.enabled:
        raise Refusal(7000112, **names)
    if grant_type == CLIENT_CREDENTIALS and authority.tenant.id not in app.service_principals:
        raise Refusal(7000229, **names)
    return app


def authenticate(emulator, request, authority):
    """The Client that asks.  Raises the Refusal that fits."""
    grant_type = request.grant_type
    sent = credentials_sent(request.form, request.authorization)
    app = find_app(emulator.directory, authority, sent.client_id, grant_type)
    if grant_type == CLIENT_CREDENTIALS and not sent.any:
        raise Refusal(7000216)
    # Without a redirect URI only 'Allow public client flows' tells Entra that a client is public.
    public = app.public and (app.allow_public_client_flows or grant_type != DEVICE_CODE)
    if public and sent.any:
        raise Refusal(700025)
    if not public and not sent.any:
        raise Refusal(7000218)
    if sent.assertion is not None:
        if request.form["client_assertion_type"] != assertions.TYPE:
            raise Refusal(90023, parameter="client_assertion_type")
        emulator.assertions.check(app, sent.assertion, request.url)
        return Client(app, "2")
    if sent.secret is not None:
        check_secret(app, sent.secret)
        return Client(app, "1")
    return Client(app, "0")


def check_secret(app, value):
    for secret in app.secrets:
        if hmac.compare_digest(secret.value.encode(), value.encode()):
            if secret.expired():
                raise Refusal(7000222, client_id=app.client_id)
            return
    raise Refusal(7000215, client_id=app.client_id)
