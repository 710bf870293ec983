"""authorize.py - GET /TENANT/oauth2/v2.0/authorize: a person signs in for an app, which gets a code.

What is wrong with the app or its redirect URI ends on an error page; everything after that goes back to the app.
The page's buttons post to the URL of the page itself, so all of it is checked again each time and nothing is kept.
"""

import dataclasses
import uuid

import client_auth
import codes
import form as forms
import pages
import redirects
import scopes
import token_endpoint
from refusals import Refusal

PROMPTS = (None, "login", "none", "consent", "select_account")
NEEDS_CONSENT = (65001, 90008, 90094, 90095)
FOREIGN_ISSUER = "https://login.stranger.example/{}/v2.0"


@dataclasses.dataclass(frozen=True)
class SignIn:
    """A request that has passed all checks; what happens to it is up to a person."""
    emulator: object
    request: object
    authority: object
    app: object
    way_back: redirects.WayBack
    wanted: list                # of scopes.Wanted, one per resource
    challenge: codes.Challenge

    @property
    def form(self):
        return self.request.form

    @property
    def settings(self):
        return self.emulator.settings

    def opened(self):
        """The browser came here."""
        outcome, silent = self.settings.authorize_outcome, self.form.get("prompt") == "none"
        if outcome == "cancel":
            raise Refusal(65004)
        if outcome == "approve":
            return self._approved(silent)
        if silent:
            raise Refusal(50058)
        return pages.sign_in(self.app, self.form.get("login_hint", ""))

    def _approved(self, silent):
        """Without a page, as by somebody who is signed in and accepts what there is to accept."""
        address = self.settings.authorize_user or self.form.get("login_hint")
        if address is None:
            raise Refusal(50058)
        user, tenant = self._account(address)
        missing = self._unconsented(user, tenant)
        if missing and silent:
            raise Refusal(65001, client_id=self.app.client_id, app=self.app.name)
        if missing and not self._may_consent(user):
            raise Refusal(90094)
        return self._code(user, tenant, missing)

    def pressed(self, page):
        """A button of the page was pressed; `page` is its form."""
        choice = page.get("choice")
        if choice in ("cancel", "return"):
            raise Refusal(65004 if choice == "cancel" else 90094)
        if choice not in ("signin", "accept"):
            raise Refusal(90004)
        address = self.settings.authorize_user or page.get("user", "")
        try:
            user, tenant = self._account(address)
        except Refusal as refusal:                 # another account may do better
            refusal.reply = lambda document: pages.sign_in(self.app, address, document["error_description"])
            raise
        missing = self._unconsented(user, tenant)
        if missing and not self._may_consent(user):
            refusal = Refusal(90094)
            refusal.reply = lambda document: pages.needs_admin(self.app, document["error_description"])
            raise refusal
        if choice == "signin" and (missing or self.form.get("prompt") == "consent"):
            return pages.consent(self.app, address, missing or self._asked())
        return self._code(user, tenant, missing)

    def _account(self, address):
        return token_endpoint.account(self.emulator.directory, self.authority, self.app, address)

    def _unconsented(self, user, tenant):
        missing = [name for wanted in self.wanted for name in wanted.unconsented(self.app, tenant, user)]
        if ".default" in missing:                  # of an app that lists nothing
            raise Refusal(650056)
        return missing

    def _may_consent(self, user):
        return self.settings.user_consent or user.admin

    def _asked(self):
        return [name for wanted in self.wanted for name in wanted.permissions or (".default",)]

    def _code(self, user, tenant, accepted):
        self.emulator.directory.consent(self.app, user.address, accepted)
        code = self.emulator.codes.new(self.authority, self.app, user, self.way_back.redirect_uri, self.form["scope"],
                                       self.challenge, self.form.get("nonce"))
        way_back = dataclasses.replace(self.way_back, issuer=issuer(self.settings, self.request, tenant.id))
        return way_back.reply({"code": code, "session_state": str(uuid.uuid4())})


def authorize(emulator, request, authority):
    """The Reply: a page, or the way back.  Refusals bring their own Reply with them once there is a way back."""
    form = request.form
    app = client_auth.find_app(emulator.directory, authority, forms.required(form, "client_id"))
    way_back = redirects.way_back(app, form, issuer(emulator.settings, request, authority.key))
    try:
        wanted, challenge = checked(form, authority)
        if emulator.settings.authorize_refuse is not None:
            raise Refusal(emulator.settings.authorize_refuse, client_id=app.client_id, app=app.name,
                          tenant=authority.segment)
        sign_in = SignIn(emulator, request, authority, app, way_back, wanted, challenge)
        return sign_in.opened() if request.method == "GET" else sign_in.pressed(request.page)
    except Refusal as refusal:
        refusal.error = browser_error(refusal)
        if refusal.reply is None:
            refusal.reply = way_back.refused
        raise


def checked(form, authority):
    """What is asked for: the scopes.Wanted of each resource, and the Challenge."""
    check_response_type(forms.required(form, "response_type"))
    if form.get("response_mode", "query") not in redirects.RESPONSE_MODES:
        raise Refusal(70007, value=form["response_mode"])
    if form.get("prompt") not in PROMPTS:
        raise Refusal(90023, parameter="prompt")
    if "resource" in form:
        raise Refusal(901002)
    wanted = scopes.consentable(forms.required(form, "scope"), authority.segment)
    return wanted, codes.read_challenge(form)


def check_response_type(value):
    """Only codes: tokens in a redirect are for apps that have switched that on."""
    if value == "code":
        return
    words = value.split(" ")
    raise Refusal(700051 if "token" in words else 700054 if "id_token" in words else 70005, value=value)


def browser_error(refusal):
    """In a redirect "error" is one of RFC 6749, section 4.1.2.1, or of OpenID Connect: grants come later."""
    if refusal.error not in ("invalid_grant", "authorization_declined"):
        return refusal.error
    return "consent_required" if refusal.number in NEEDS_CONSENT else "access_denied"


def issuer(settings, request, tenant):
    """What "iss" in the redirect says (RFC 9207).  Entra sends none."""
    if settings.authorize_iss is None:
        return None
    return FOREIGN_ISSUER.format(tenant) if settings.authorize_iss == "bad" else f"https://{request.host}/{tenant}/v2.0"
