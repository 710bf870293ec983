"""adminconsent.py - GET /TENANT/v2.0/adminconsent and /TENANT/adminconsent: an administrator accepts for a tenant.

Afterwards the app has a service principal there, and what it was granted.
"""

import client_auth
import form as forms
import pages
import redirects
import scopes
import token_endpoint
from refusals import Refusal


def adminconsent(emulator, request, authority):
    """The Reply: a page, or the way back."""
    form, newer = request.form, "/v2.0/" in request.path
    if authority.alias == "consumers":
        raise Refusal(90130, client_id=form.get("client_id"))
    app = client_auth.find_app(emulator.directory, authority, forms.required(form, "client_id"))
    way_back = redirects.way_back(app, form)
    try:
        permissions = asked(app, forms.required(form, "scope") if newer else None, authority)
        tenant = accepting_tenant(emulator, request, authority, app, permissions)
    except Refusal as refusal:
        if refusal.reply is None:
            refusal.reply = lambda document: refused(way_back, document, newer)
        raise
    if tenant is None:
        return pages.admin_consent(app, permissions)
    emulator.directory.admin_consent(app, tenant, permissions)
    return way_back.reply({"admin_consent": "True", "tenant": tenant.id, "scope": form["scope"] if newer else None})


def asked(app, scope, authority):
    """The permissions to accept: those of the scope, or all that the registration lists."""
    if scope is None:
        permissions = app.registered
    else:
        permissions = [name for wanted in scopes.consentable(scope, authority.segment) for name in wanted.for_admins(app)]
    if not permissions:
        raise Refusal(650056)
    return permissions


def accepting_tenant(emulator, request, authority, app, permissions):
    """For whom it was accepted, or None while nobody has decided."""
    if request.method == "GET":
        choice = {"page": None, "approve": "at once", "cancel": "cancel"}[emulator.settings.authorize_outcome]
    else:
        choice = request.page.get("choice", "")
    if choice is None:
        return None
    if choice == "at once":
        return authority.tenant or emulator.directory.tenant(app.tenant)
    if choice != "accept":
        raise Refusal(65004)
    try:
        return administered(emulator.directory, authority, app, request.page.get("user", ""))
    except Refusal as refusal:                     # another account may do better
        refusal.reply = lambda document: pages.admin_consent(app, permissions, document["error_description"])
        raise


def administered(directory, authority, app, address):
    """The tenant whose administrator this is."""
    user, tenant = token_endpoint.account(directory, authority, app, address)
    if not user.admin:
        raise Refusal(90094)
    return tenant


def refused(way_back, document, newer):
    """The two endpoints word it differently when the administrator does not want to."""
    if 65004 not in document["error_codes"]:
        return way_back.refused(document)
    if newer:
        return way_back.refused(document | {"error": "consent_required"}, admin_consent="True")
    return way_back.reply({"error": "permission_denied", "error_description": "The admin canceled the request"})
