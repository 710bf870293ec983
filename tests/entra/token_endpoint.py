"""token_endpoint.py - POST /TENANT/oauth2/v2.0/token: one function per grant type.

A new grant type is a function (emulator, call) -> reply, and a row in GRANTS.
"""

import dataclasses

import client_auth
import form as forms
import scopes
from client_auth import Client
from directory import Authority, UnknownName
from refusals import Refusal


@dataclasses.dataclass(frozen=True)
class Call:
    """A token request whose client has been authenticated."""
    authority: Authority
    client: Client
    form: dict
    host: str

    @property
    def app(self):
        return self.client.app


def token(emulator, request, authority):
    """The reply's JSON, or a Refusal."""
    form = request.form
    grant_type = forms.required(form, "grant_type")
    if grant_type not in GRANTS:
        raise Refusal(70003, grant_type=grant_type)
    if "resource" in form:
        raise Refusal(901002)
    if grant_type == client_auth.CLIENT_CREDENTIALS and authority.alias:
        raise Refusal(50059 if authority.alias == "organizations" else 9001023)
    client = client_auth.authenticate(emulator, request, authority)
    reply = GRANTS[grant_type](emulator, Call(authority, client, form, request.host))
    if emulator.settings.numbers_as_strings:
        reply = {name: str(value) if isinstance(value, int) else value for name, value in reply.items()}
    return reply


def client_credentials(emulator, call):
    """The app as itself.  There is no refresh token: it can ask again whenever it likes."""
    audience = scopes.app_only(forms.required(call.form, "scope"), call.authority.segment)
    return lifetimes(emulator.settings) | {
        "access_token": emulator.tokens.app_only(call.app, call.authority.tenant, audience,
                                                 emulator.settings.access_token_lifetime, call.client.proof)}


def refresh_token(emulator, call):
    """Tokens for a user who signed in before."""
    value = forms.required(call.form, "refresh_token")
    grant = emulator.grants.use(value, call.app.client_id)
    wanted = scopes.delegated(call.form.get("scope", grant.scope), call.authority.segment)
    reply = user_tokens(emulator, call, grant, wanted)
    if wanted.offline and emulator.settings.refresh_rotation != "keep":
        reply["refresh_token"] = emulator.grants.refresh_token(grant)
        emulator.grants.spent(value)
    return reply


def device_code(emulator, call):
    """Tokens for a user who has typed the code by now."""
    row = emulator.devices.poll(forms.required(call.form, "device_code"), call.authority, call.app.client_id)
    wanted = scopes.delegated(row.scope, call.authority.segment)
    grant = emulator.grants.new(row.user, row.client_id, row.scope)
    reply = user_tokens(emulator, call, grant, wanted)
    if wanted.offline:
        reply["refresh_token"] = emulator.grants.refresh_token(grant)
    emulator.devices.redeemed(row)
    return reply


def authorization_code(emulator, call):
    """Tokens for a user who signed in with a browser."""
    if "scope" in call.form and not call.form["scope"].strip():
        raise Refusal(28003)
    row = emulator.codes.redeem(call.form, call.authority, call.app.client_id)
    allowed = scopes.consentable(row.scope, call.authority.segment)[0]
    wanted = scopes.delegated(call.form["scope"], call.authority.segment) if "scope" in call.form else allowed
    grant = emulator.grants.new(row.user, row.client_id, wanted.text)
    reply = user_tokens(emulator, call, grant, wanted, row.nonce)
    if wanted.offline and allowed.offline:
        reply["refresh_token"] = emulator.grants.refresh_token(grant)
    return reply


GRANTS = {
    client_auth.CLIENT_CREDENTIALS: client_credentials,
    "refresh_token": refresh_token,
    client_auth.DEVICE_CODE: device_code,
    "authorization_code": authorization_code,
}


def user_tokens(emulator, call, grant, wanted, nonce=None):
    """Access token, and id_token if asked for, of the user behind a grant."""
    user, tenant = account(emulator.directory, call.authority, call.app, grant.user)
    granted = wanted.granted(call.app, tenant, user)
    reply = lifetimes(emulator.settings) | {
        "scope": wanted.reply_text(granted),
        "access_token": emulator.tokens.delegated(call.app, user, tenant, wanted.audience, granted,
                                                  emulator.settings.access_token_lifetime, call.client.proof)}
    if "openid" in wanted.oidc:
        reply["id_token"] = emulator.tokens.identity(call.app, user, tenant, wanted, call.host, nonce)
    return reply


def account(directory, authority, app, address):
    """(User, Tenant) of somebody who may sign in here."""
    try:
        user = directory.user(address)
        tenant = directory.tenant_of(user.address)
    except UnknownName:
        raise Refusal(50034, user=address, tenant=authority.segment) from None
    if not authority.admits(tenant):
        raise Refusal(50020 if authority.tenant else 500208, user=user.address, tenant=authority.segment,
                      client_id=app.client_id)
    if user.disabled:
        raise Refusal(50057)
    return user, tenant


def lifetimes(settings):
    """The members every success has."""
    members = {"token_type": "Bearer", "expires_in": settings.access_token_lifetime,
               "ext_expires_in": settings.access_token_lifetime}
    if settings.refresh_in is not None:
        members["refresh_in"] = settings.refresh_in
    return members
