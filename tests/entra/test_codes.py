"""test_codes.py - the authorization_code grant."""

import base64
import concurrent.futures
import hashlib
import unittest
import uuid

from cases import (ALICE, BOB, CHALLENGE, FABRIKAM, GRAPH_MAIL, IMAP, NO_CONSENT, NO_FLOWS, PORTAL, PORTAL_REDIRECT,
                   PUBLIC, REDIRECT, SMTP, USER_SCOPE, VERIFIER, BrowserTest, claims_of)


class Codes(BrowserTest):
    """The authorization_code grant."""

    def test_only_once(self):
        code = self.code()
        self.assert_success(self.redeem(code))
        self.assert_refused(self.redeem(code), 54005, "invalid_grant")

    def test_only_once_however_many_ask(self):
        code = self.code()
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: self.redeem(code)[0], range(20)))
        self.assertEqual(sorted(answers), [200] + [400] * 19)

    def test_redirect_uri_is_the_same_string(self):
        code = self.code()
        for uri in ("http://localhost", REDIRECT + "/", "http://localhost:49153", REDIRECT.upper()):
            self.assert_refused(self.redeem(code, redirect_uri=uri), 500112, "invalid_client", 401)
        self.assert_refused(self.redeem(code, redirect_uri=None), 900144, "invalid_request")
        self.assert_success(self.redeem(code))

    def test_verifier(self):
        code = self.code()
        self.assert_refused(self.redeem(code, code_verifier=None), 9002313, "invalid_grant")
        self.assert_refused(self.redeem(code, code_verifier=VERIFIER[1:]), 501491, "invalid_request")
        self.assert_refused(self.redeem(code, code_verifier=VERIFIER + "="), 501491, "invalid_request")
        self.assert_refused(self.redeem(code, code_verifier="x" * 129), 501491, "invalid_request")
        self.assert_refused(self.redeem(code, code_verifier=VERIFIER[:-1] + "l"), 501481, "invalid_grant")
        self.assert_refused(self.redeem(code, code_verifier=CHALLENGE), 501481, "invalid_grant")
        self.assert_success(self.redeem(code))

    def test_verifiers_of_other_kinds(self):
        longest = "~." * 64
        digest = base64.urlsafe_b64encode(hashlib.sha256(longest.encode()).digest()).decode().rstrip("=")
        self.assert_success(self.redeem(self.code(code_challenge=digest), code_verifier=longest))
        plain = self.code(code_challenge=longest, code_challenge_method="plain")
        self.assert_refused(self.redeem(plain), 501481, "invalid_grant")
        self.assert_success(self.redeem(plain, code_verifier=longest))
        self.settings(authorize_outcome="approve")
        absent = self.open(code_challenge=VERIFIER, code_challenge_method=None, login_hint=BOB)["code"]
        self.assert_success(self.redeem(absent))
        none = self.code(code_challenge=None)
        self.assert_refused(self.redeem(none), 501481, "invalid_grant")
        self.assert_success(self.redeem(none, code_verifier=None))

    def test_codes_that_are_not_good(self):
        code = self.code()
        self.assert_refused(self.redeem(None), 900144, "invalid_request")
        for value in ("x", code + "+", " " + code, self.entra.secrets["plain_password"]):
            self.assert_refused(self.redeem(value), 9002313, "invalid_grant")
        self.assert_refused(self.redeem(code + "x"), 70000, "invalid_grant")
        self.assert_refused(self.redeem(self.grant()), 70000, "invalid_grant")
        self.assertEqual(self.redeem(code, "contoso.com", client_id=NO_FLOWS)[1]["suberror"], "client_mismatch")
        self.assert_refused(self.refresh(code), 9002313, "invalid_grant")

    def test_tenant_is_that_of_the_sign_in(self):
        code = self.code()
        for tenant in ("common", "fabrikam.com", "contoso.com"):
            self.assert_refused(self.redeem(code, tenant), 700005, "invalid_grant")
        self.assert_success(self.redeem(code))
        self.assert_success(self.redeem(self.code("fabrikam.com"), FABRIKAM))

    def test_lifetime(self):
        self.settings(code_lifetime=0)
        document = self.assert_refused(self.redeem(self.code()), 70008, "invalid_grant")
        self.assertEqual(document["suberror"], "token_expired")

    def test_user_who_was_disabled_meanwhile(self):
        code = self.code()
        self.addCleanup(self.entra.ask, f"/users/{BOB}", disabled=False)
        self.entra.ask(f"/users/{BOB}", disabled=True)
        self.assert_refused(self.redeem(code), 50057, "invalid_grant")

    def test_public_apps_send_no_secret_and_the_others_do(self):
        self.assert_refused(self.redeem(self.code(), client_secret="x"), 700025, "invalid_client", 401)
        code = self.code("contoso.com", client_id=NO_FLOWS, user=ALICE)
        self.assert_success(self.redeem(code, "contoso.com", client_id=NO_FLOWS))
        code = self.code("contoso.com", client_id=PORTAL, user=ALICE, redirect_uri=PORTAL_REDIRECT)
        mine = {"tenant": "contoso.com", "client_id": PORTAL, "redirect_uri": PORTAL_REDIRECT}
        self.assert_refused(self.redeem(code, **mine), 7000218, "invalid_client", 401)
        self.assert_refused(self.redeem(code, client_secret="x", **mine), 7000215, "invalid_client", 401)
        reply = self.assert_success(self.redeem(code, client_secret=self.entra.secrets["web_client_secret"], **mine))
        self.assertEqual(claims_of(reply["access_token"])["appidacr"], "1")

    def test_scope_is_optional_and_may_be_narrower(self):
        self.assertEqual(self.assert_success(self.redeem(self.code()))["scope"], f"{IMAP} {SMTP}")
        reply = self.assert_success(self.redeem(self.code(), scope=f"{IMAP} offline_access"))
        self.assertEqual((reply["scope"], "refresh_token" in reply), (IMAP, True))
        self.assertNotIn("refresh_token", self.assert_success(self.redeem(self.code(), scope=IMAP)))
        self.assertNotIn("refresh_token", self.assert_success(self.redeem(self.code(scope=IMAP), scope=USER_SCOPE)))
        self.assertNotIn("refresh_token", self.assert_success(self.redeem(self.code(scope=IMAP))))
        self.assert_refused(self.redeem(self.code(), scope=" "), 28003, "invalid_scope")
        self.assert_refused(self.redeem(self.code(), scope=f"{IMAP} User.Read"), 28002, "invalid_scope")
        self.assert_refused(self.redeem(self.code(), scope=GRAPH_MAIL), 65001, "invalid_grant")

    def test_several_resources_are_consented_and_the_token_is_for_the_first(self):
        self.open("contoso.com", client_id=NO_CONSENT, scope=f"openid {IMAP} {GRAPH_MAIL} offline_access")
        page = self.browser.press("signin", user=ALICE)
        self.assertIn("Mail.Read", page.texts["permissions"])
        code = self.browser.press("accept")["code"]
        reply = self.assert_success(self.redeem(code, "contoso.com", client_id=NO_CONSENT))
        self.assertEqual((claims_of(reply["access_token"])["aud"], reply["scope"]),
                         ("https://outlook.office.com", f"openid {IMAP}"))
        again = {"tenant": "contoso.com", "client_id": NO_CONSENT}
        self.assertEqual(self.assert_success(self.refresh(reply["refresh_token"], **again))["scope"], f"openid {IMAP}")
        other = self.assert_success(self.refresh(reply["refresh_token"], scope=GRAPH_MAIL, **again))
        self.assertEqual(other["scope"], GRAPH_MAIL)

    def test_id_token(self):
        self.settings(authorize_outcome="approve")
        code = self.open(scope=f"openid email {IMAP}", nonce="n-0S6", login_hint=BOB)["code"]
        claims = claims_of(self.assert_success(self.redeem(code))["id_token"])
        self.assertEqual((claims["nonce"], claims["preferred_username"], claims["tid"], claims["aud"], claims["email"]),
                         ("n-0S6", BOB, FABRIKAM, PUBLIC, BOB))
        self.assertEqual(claims["iss"], f"https://localhost:{self.entra.ready['https_port']}/{FABRIKAM}/v2.0")
        self.assertNotIn("nonce", claims_of(self.assert_success(self.redeem(self.code(scope="openid")))["id_token"]))

    def test_personal_accounts(self):
        code = self.code("consumers", user="dana@outlook.com")
        self.assertTrue(self.assert_success(self.redeem(code, "consumers"))["access_token"].startswith("EwB"))

    def test_control_port_makes_only_codes_that_the_page_would(self):
        for changes in ({"redirect_uri": "http://evil.example"}, {"redirect_uri": None}, {"user": "nobody@contoso.com"},
                        {"client_id": str(uuid.uuid4())}, {"scope": "x"}, {"code_challenge": "short"},
                        {"tenant": "nowhere.example"}):
            with self.subTest(**changes), self.assertRaises(AssertionError):
                self.code(**changes)
        self.assert_success(self.redeem(self.code(tenant=None), "fabrikam.com"))


if __name__ == "__main__":
    unittest.main()
