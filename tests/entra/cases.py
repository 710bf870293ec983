"""cases.py - what the test cases share: a running emulator, requests with everything in order, and assertions."""

import json
import pathlib
import tempfile
import unittest
import urllib.parse

from browser import Browser
from harness import Entra
from tokens import unb64url

CONTOSO, FABRIKAM = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
RELAY = "4f5a9f88-1111-4111-8111-bdca9a88c089"
DISABLED, EXPIRED, NO_ROLES, NOT_REGISTERED, RBAC, PORTAL = (
    f"4f5a9f88-1111-4111-8111-00000000000{n}" for n in range(2, 8))
PUBLIC = "0c1d2e3f-2222-4222-8222-0123456789ab"
NO_FLOWS, NO_CONSENT, SINGLE = (f"0c1d2e3f-2222-4222-8222-00000000000{n}" for n in (2, 3, 4))
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
APP_SCOPE = "https://outlook.office365.com/.default"
IMAP, POP, SMTP = (f"https://outlook.office.com/{name}" for name in
                   ("IMAP.AccessAsUser.All", "POP.AccessAsUser.All", "SMTP.Send"))
USER_SCOPE = f"{IMAP} {SMTP} offline_access"
REDIRECT = "http://localhost:49152"
PORTAL_REDIRECT = "https://portal.contoso.com/signed-in"
NATIVE_CLIENT = "https://login.microsoftonline.com/common/oauth2/nativeclient"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"                   # of RFC 7636, appendix B
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
GRAPH_MAIL = "https://graph.microsoft.com/Mail.Read"
BOB, ALICE = "bob@fabrikam.com", "alice@contoso.com"


def claims_of(token):
    return json.loads(unb64url(token.split(".")[1]))


class EntraTest(unittest.TestCase):
    """One emulator for all cases of a class; each case starts from default settings and zero counters."""

    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.directory = pathlib.Path(scratch.name)
        cls.entra = Entra(cls.directory)
        cls.addClassCleanup(cls.entra.stop)

    def setUp(self):
        self.entra.ask("/settings/reset")
        self.entra.ask("/counters/reset")

    # Requests with everything in order; a case changes one thing.

    def app_only(self, tenant="contoso.com", **changes):
        form = {"grant_type": "client_credentials", "client_id": RELAY, "scope": APP_SCOPE,
                "client_secret": self.entra.secrets["app_only_client_secret"]} | changes
        return self.entra.post("token", tenant, **{name: value for name, value in form.items() if value is not None})

    def refresh(self, refresh_token, tenant="organizations", **changes):
        form = {"grant_type": "refresh_token", "client_id": PUBLIC, "refresh_token": refresh_token} | changes
        return self.entra.post("token", tenant, **{name: value for name, value in form.items() if value is not None})

    def grant(self, user="bob@fabrikam.com", client_id=PUBLIC, scope=USER_SCOPE):
        return self.entra.ask("/grants", user=user, client_id=client_id, scope=scope)["refresh_token"]

    def settings(self, **values):
        self.entra.ask("/settings", **values)

    # Answers

    def assert_success(self, answer):
        status, document = answer
        self.assertEqual((status, document.get("error_description")), (200, None))
        self.assertEqual(document["token_type"], "Bearer")
        return document

    def assert_refused(self, answer, number, error, status=400):
        got, document = answer
        self.assertEqual((got, document.get("error"), document.get("error_codes")), (status, error, [number]))
        self.assertRegex(document["error_description"],
                         rf"(?s)^AADSTS{number}: .* Trace ID: \S+ Correlation ID: \S+ Timestamp: ")
        for name in ("timestamp", "trace_id", "correlation_id", "error_uri"):
            self.assertIn(name, document)
        return document


class BrowserTest(EntraTest):
    """Signing in by browser."""

    def setUp(self):
        super().setUp()
        self.browser = Browser(self.entra)
        self.entra.ask(f"/apps/{NO_CONSENT}", consents={})

    def url(self, tenant="organizations", endpoint="oauth2/v2.0/authorize", **changes):
        """A request with everything in order; a change to None leaves a parameter out."""
        query = {"client_id": PUBLIC, "response_type": "code", "redirect_uri": REDIRECT, "scope": USER_SCOPE,
                 "state": "s t&=", "code_challenge": CHALLENGE, "code_challenge_method": "S256"} | changes
        present = {name: value for name, value in query.items() if value is not None}
        return f"/{tenant}/{endpoint}?{urllib.parse.urlencode(present)}"

    def open(self, *arguments, **changes):
        return self.browser.open(self.url(*arguments, **changes))

    def redeem(self, code, tenant="organizations", **changes):
        form = {"grant_type": "authorization_code", "client_id": PUBLIC, "code": code, "redirect_uri": REDIRECT,
                "code_verifier": VERIFIER} | changes
        return self.entra.post("token", tenant, **{name: value for name, value in form.items() if value is not None})

    def code(self, tenant="organizations", **changes):
        """One by the control port."""
        document = {"user": BOB, "client_id": PUBLIC, "scope": USER_SCOPE, "redirect_uri": REDIRECT, "tenant": tenant,
                    "code_challenge": CHALLENGE} | changes
        return self.entra.ask("/codes", **{name: value for name, value in document.items() if value is not None})["code"]

    def assert_page(self, number, page, status=400):
        """An error page: the browser stays here."""
        self.assertEqual(page.status, status)
        self.assertIn(f"AADSTS{number}: ", page.texts["error"])
        self.assertEqual(page.buttons, {})

    def assert_sent_back(self, number, error, arrived, url=f"{REDIRECT}/"):
        self.assertEqual((arrived.url, arrived["error"]), (url, error))
        self.assertRegex(arrived["error_description"],
                         rf"(?s)^AADSTS{number}: .* Trace ID: \S+ Correlation ID: \S+ Timestamp: ")
        self.assertTrue(arrived["error_uri"].endswith(f"/error?code={number}"))
        self.assertNotIn("code", arrived)

    def last_logged(self):
        return json.loads((self.directory / "requests.log").read_text().splitlines()[-1])
