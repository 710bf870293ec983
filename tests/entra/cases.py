"""cases.py - what the test cases share: a running emulator, requests with everything in order, and assertions."""

import json
import pathlib
import tempfile
import unittest

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
