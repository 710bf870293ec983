"""test_adminconsent.py - administrators at the pages of adminconsent."""

import unittest
import uuid

from cases import (ALICE, CONTOSO, FABRIKAM, IMAP, NO_CONSENT, NO_ROLES, RELAY, SMTP, BrowserTest, claims_of)


class AdminConsent(BrowserTest):

    def setUp(self):
        super().setUp()
        self.entra.ask(f"/apps/{NO_ROLES}", consents={}, multi_tenant=False,
                       service_principals={"contoso.com": str(uuid.uuid4())})
        self.entra.ask(f"/apps/{NO_CONSENT}", permissions=["IMAP.AccessAsUser.All", "SMTP.Send"])

    def ask(self, tenant="contoso.com", version="v2.0/", **changes):
        query = {"client_id": NO_ROLES, "scope": "https://outlook.office365.com/.default", "response_type": None,
                 "code_challenge": None, "code_challenge_method": None} | changes
        return self.open(tenant, f"{version}adminconsent", **query)

    def as_app(self, tenant="contoso.com"):
        return self.app_only(tenant, client_id=NO_ROLES, client_secret=self.entra.secrets["no_roles_client_secret"])

    def roles(self, tenant="contoso.com"):
        return claims_of(self.assert_success(self.as_app(tenant))["access_token"]).get("roles")

    def test_accept(self):
        self.assertIsNone(self.roles())
        page = self.ask()
        self.assertIn("No roles", page.text)
        self.assertIn("IMAP.AccessAsApp", page.texts["permissions"])
        self.assertEqual(set(page.buttons), {"accept", "cancel"})
        arrived = self.browser.press("accept", user="admin@contoso.com")
        self.assertEqual(dict(arrived), {"admin_consent": "True", "tenant": CONTOSO, "state": "s t&=",
                                         "scope": "https://outlook.office365.com/.default"})
        self.assertEqual(self.roles(), ["IMAP.AccessAsApp", "POP.AccessAsApp", "SMTP.SendAsApp"])

    def test_accept_at_the_older_address(self):
        self.ask(version="", scope=None)
        arrived = self.browser.press("accept", user="admin@contoso.com")
        self.assertEqual(dict(arrived), {"admin_consent": "True", "tenant": CONTOSO, "state": "s t&="})
        self.assertEqual(len(self.roles()), 3)

    def test_cancel(self):
        self.ask(version="")
        self.assertEqual(dict(self.browser.press("cancel")), {"error": "permission_denied", "state": "s t&=",
                                                              "error_description": "The admin canceled the request"})
        self.ask()
        arrived = self.browser.press("cancel")
        self.assert_sent_back(65004, "consent_required", arrived)
        self.assertEqual(arrived["admin_consent"], "True")
        self.assertIsNone(self.roles())

    def test_only_administrators_of_the_tenant(self):
        self.ask()
        for user, number in ((ALICE, 90094), ("nobody@contoso.com", 50034), ("admin@fabrikam.com", 50020)):
            page = self.browser.press("accept", user=user)
            self.assertIn(f"AADSTS{number}: ", page.texts["error"])
        self.assertIsNone(self.roles())

    def test_another_tenant_gets_a_service_principal(self):
        self.entra.ask(f"/apps/{NO_ROLES}", multi_tenant=True)
        self.assert_refused(self.as_app("fabrikam.com"), 7000229, "unauthorized_client")
        self.ask("organizations")
        self.assertEqual(self.browser.press("accept", user="admin@fabrikam.com")["tenant"], FABRIKAM)
        self.assertEqual(len(self.roles("fabrikam.com")), 3)
        self.assertIsNone(self.roles())

    def test_delegated_permissions_are_good_for_all_users(self):
        self.ask(client_id=NO_CONSENT, scope=IMAP)
        self.browser.press("accept", user="admin@contoso.com")
        self.open("contoso.com", client_id=NO_CONSENT, scope=IMAP)
        self.assertIn("code", self.browser.press("signin", user=ALICE))
        self.open("contoso.com", client_id=NO_CONSENT, scope=SMTP)
        self.assertIn("accept", self.browser.press("signin", user=ALICE).buttons)

    def test_outcomes_without_a_page(self):
        self.settings(authorize_outcome="approve")
        self.assertEqual(self.ask()["tenant"], CONTOSO)
        self.assertEqual(len(self.roles()), 3)
        self.settings(authorize_outcome="cancel")
        self.assertEqual(self.ask()["error"], "consent_required")

    def test_requests_that_are_wrong(self):
        self.assert_page(700016, self.ask(client_id=str(uuid.uuid4())))
        self.assert_page(900144, self.ask(client_id=None))
        self.assert_page(50011, self.ask(redirect_uri="http://evil.example"))
        self.assert_page(900971, self.ask(redirect_uri=None))
        self.assert_page(90130, self.ask("consumers"))
        self.assert_page(90002, self.ask("nowhere.example"))
        self.assert_page(50194, self.ask("organizations"))
        self.assert_sent_back(900144, "invalid_request", self.ask(scope=None))
        self.assert_sent_back(500011, "invalid_resource", self.ask(scope="https://nowhere.example/.default"))
        self.entra.ask(f"/apps/{NO_CONSENT}", permissions=[])
        self.assert_sent_back(650056, "invalid_client", self.ask(client_id=NO_CONSENT))

    def test_counter(self):
        self.ask(client_id=RELAY)
        self.browser.press("cancel")
        counters = self.entra.control("/counters")[1]
        self.assertEqual((counters["adminconsent"], counters["total"], counters["refused"]), (1, 2, 1))


if __name__ == "__main__":
    unittest.main()
