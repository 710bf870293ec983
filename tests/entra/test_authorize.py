"""test_authorize.py - people at the pages of authorize, and what is checked before they see one."""

import json
import unittest
import uuid

from cases import (ALICE, BOB, CHALLENGE, CONTOSO, DISABLED, FABRIKAM, GRAPH_MAIL, IMAP, NATIVE_CLIENT, NO_CONSENT,
                   NO_FLOWS, POP, PORTAL, PORTAL_REDIRECT, REDIRECT, SINGLE, SMTP, VERIFIER, BrowserTest, claims_of)


class Pages(BrowserTest):
    """What a person goes through."""

    def test_sign_in(self):
        page = self.open(login_hint=BOB)
        self.assertEqual((page.status, page.fields["user"], set(page.buttons)), (200, BOB, {"signin", "cancel"}))
        self.assertIn("Mail programs", page.text)
        arrived = self.browser.press("signin", password="not looked at")
        self.assertEqual((arrived.url, arrived["state"], set(arrived)),
                         (f"{REDIRECT}/", "s t&=", {"code", "state", "session_state"}))
        reply = self.assert_success(self.redeem(arrived["code"]))
        self.assertEqual(claims_of(reply["access_token"])["upn"], BOB)
        self.assertEqual(set(reply), {"token_type", "expires_in", "ext_expires_in", "scope",
                                      "access_token", "refresh_token"})
        self.assert_success(self.refresh(reply["refresh_token"]))

    def test_field_ids(self):
        page = self.open()
        for identifier in ("user", "password", "signin", "cancel"):
            self.assertIn(f'id="{identifier}"', page.text)
        self.assertEqual(page.fields["user"], "")

    def test_hints_cannot_break_out_of_the_page(self):
        hint = '"><script>alert(1)</script>'
        page = self.open(login_hint=hint)
        self.assertEqual(page.fields["user"], hint)
        self.assertNotIn("<script>", page.text)
        page = self.browser.press("signin")
        self.assertIn(hint, page.texts["error"])
        self.assertNotIn("<script>", page.text)

    def test_another_account_than_the_hint(self):
        self.open(login_hint=BOB)
        arrived = self.browser.press("signin", user="Alice@Contoso.com")
        self.assertEqual(claims_of(self.assert_success(self.redeem(arrived["code"]))["access_token"])["upn"], ALICE)

    def test_accounts_that_cannot_sign_in_may_try_again(self):
        self.open("contoso.com")
        for user, number in (("nobody@contoso.com", 50034), ("", 50034), ("carol@contoso.com", 50057), (BOB, 50020)):
            page = self.browser.press("signin", user=user)
            self.assertIn(f"AADSTS{number}: ", page.texts["error"])
            self.assertEqual(page.fields["user"], user)
        self.assertIn("code", self.browser.press("signin", user=ALICE))
        self.open("organizations")
        self.assertIn("AADSTS500208: ", self.browser.press("signin", user="dana@outlook.com").texts["error"])

    def test_cancel(self):
        self.open()
        arrived = self.browser.press("cancel")
        self.assert_sent_back(65004, "access_denied", arrived)
        self.assertEqual((arrived["error_subcode"], arrived["state"]), ("cancel", "s t&="))

    def test_buttons_that_are_not_there(self):
        status, headers, _ = self.entra.request(self.url(), "choice=approve&user=bob%40fabrikam.com")
        self.assertEqual(status, 302)
        self.assertIn("AADSTS90004", headers["Location"])

    def test_consent(self):
        request = {"tenant": "contoso.com", "client_id": NO_CONSENT, "login_hint": ALICE}
        self.open(**request)
        page = self.browser.press("signin")
        self.assertEqual(set(page.buttons), {"accept", "cancel"})
        self.assertIn("IMAP.AccessAsUser.All", page.texts["permissions"])
        self.assert_sent_back(65004, "access_denied", self.browser.press("cancel"))
        self.open(**request)
        self.browser.press("signin")
        code = self.browser.press("accept")["code"]
        reply = self.assert_success(self.redeem(code, "contoso.com", client_id=NO_CONSENT))
        self.assertEqual(reply["scope"], f"{IMAP} {SMTP}")
        self.open(**request)
        self.assertIn("code", self.browser.press("signin"))
        self.open(**request | {"scope": POP})
        self.assertIn("POP.AccessAsUser.All", self.browser.press("signin").texts["permissions"])
        self.open(**request)
        # Consent is each user's own.
        self.assertIn("accept", self.browser.press("signin", user="admin@contoso.com").buttons)

    def test_prompt_consent_asks_again(self):
        self.open(prompt="consent")
        self.assertIn("accept", self.browser.press("signin", user=BOB).buttons)
        self.assertIn("code", self.browser.press("accept"))

    def test_users_who_may_not_consent(self):
        self.settings(user_consent=False)
        request = {"tenant": "contoso.com", "client_id": NO_CONSENT}
        self.open(**request)
        page = self.browser.press("signin", user=ALICE)
        self.assertIn("AADSTS90094: ", page.texts["error"])
        self.assertEqual(set(page.buttons), {"cancel"})
        self.assert_sent_back(90094, "consent_required", self.browser.press("cancel"))
        self.open(**request)
        self.assertIn("accept", self.browser.press("signin", user="admin@contoso.com").buttons)
        status, _, page = self.entra.request(self.url(**request), f"choice=accept&user={ALICE}")
        self.assertEqual((status, b"AADSTS90094" in page), (200, True))

    def test_default_of_an_app_that_lists_nothing(self):
        self.open(client_id=NO_FLOWS, tenant="contoso.com", scope=f"{GRAPH_MAIL.rpartition('/')[0]}/.default")
        self.assertIn("code", self.browser.press("signin", user=ALICE))
        self.entra.ask(f"/apps/{NO_CONSENT}", permissions=[])
        self.open(client_id=NO_CONSENT, tenant="contoso.com", scope="https://outlook.office.com/.default")
        self.assert_sent_back(650056, "invalid_client", self.browser.press("signin", user=ALICE))
        self.entra.ask(f"/apps/{NO_CONSENT}", permissions=["IMAP.AccessAsUser.All"])
        self.open(client_id=NO_CONSENT, tenant="contoso.com", scope="https://outlook.office.com/.default")
        self.browser.press("signin", user=ALICE)
        code = self.browser.press("accept")["code"]
        self.assertEqual(self.assert_success(self.redeem(code, "contoso.com", client_id=NO_CONSENT))["scope"], IMAP)

    def test_nativeclient_is_blank(self):
        status, headers, body = self.entra.request("/common/oauth2/nativeclient?code=x&state=y", None, "GET")
        self.assertEqual((status, headers.get_content_type(), b"<body></body>" in body), (200, "text/html", True))


class Authorize(BrowserTest):
    """What is checked before anybody signs in."""

    def test_errors_that_must_not_be_redirected(self):
        for number, page in ((700016, self.open(client_id=str(uuid.uuid4()))), (900144, self.open(client_id=None)),
                             (90002, self.open("nowhere.example")), (50194, self.open(client_id=SINGLE)),
                             (700016, self.open("fabrikam.com", client_id=SINGLE)),
                             (7000112, self.open("contoso.com", client_id=DISABLED)),
                             (9002332, self.open("consumers", client_id=PORTAL)),
                             (900971, self.open(redirect_uri=None)), (9002313, self.browser.open(self.url() + "&state=2")),
                             (9002313, self.browser.open(self.url() + "&x=%zz")),
                             (9002313, self.browser.open(self.url() + "&x=%ff"))):
            with self.subTest(number=number):
                self.assert_page(number, page)

    def test_redirect_uris_that_are_registered(self):
        for uri in ("http://localhost", "http://localhost:1", "http://localhost:65535", NATIVE_CLIENT):
            self.assertEqual(self.open(redirect_uri=uri).status, 200, uri)

    def test_redirect_uris_that_are_not(self):
        for uri in ("http://localhost/", "http://localhost:49152/", "http://localhost:49152/x", "http://127.0.0.1:49152",
                    "http://[::1]:49152", "http://LOCALHOST:49152", "https://localhost:49152",
                    "http://localhost.example:49152",
                    "http://localhost:49152@evil.example", "http://evil.example", "http://localhost:0",
                    "http://localhost:65536",
                    "http://localhost:", "http://localhost:49152?x", "http://localhost:49152#x", "http://localhost:49152\n",
                    NATIVE_CLIENT + "/", NATIVE_CLIENT.replace("native", "Native"), NATIVE_CLIENT.replace("https", "http")):
            with self.subTest(uri=uri):
                self.assert_page(50011, self.open(redirect_uri=uri))

    def test_paths_compare_with_case(self):
        self.addCleanup(self.entra.ask, f"/apps/{PORTAL}", redirect_uris=[PORTAL_REDIRECT, "http://localhost"])
        self.entra.ask(f"/apps/{PORTAL}", redirect_uris=["http://127.0.0.1/Back?x=1", "http://localhost:80/fixed"])
        for uri in ("http://127.0.0.1/Back?x=1", "http://127.0.0.1:5000/Back?x=1", "http://localhost:81/fixed"):
            self.assertEqual(self.open(client_id=PORTAL, redirect_uri=uri).status, 200)
        for uri in ("http://127.0.0.1:5000/back?x=1", "http://127.0.0.1:5000/Back", "http://localhost/Back?x=1",
                    "http://127.0.0.1:5000/Back?x=1&y=2", "http://localhost:81/Fixed"):
            self.assert_page(50011, self.open(client_id=PORTAL, redirect_uri=uri))
        self.settings(authorize_outcome="approve")
        arrived = self.open(client_id=PORTAL, redirect_uri="http://127.0.0.1:5000/Back?x=1", login_hint=BOB)
        self.assertTrue(arrived.location.startswith("http://127.0.0.1:5000/Back?x=1&code=1.A"))

    def test_registrations_that_are_not_taken(self):
        for uri in ("http://intranet.example/x", "http://[::1]", "https://a.example/" + "x" * 256, "https://a.example/(x)",
                    "https://a.example/#x", "https://a.example/ ", "myapp://x", 7):
            status, reply = self.entra.control(f"/apps/{PORTAL}", {"redirect_uris": [uri]})
            self.assertEqual((status, "cannot be registered" in reply["error"]), (400, True), uri)

    def test_errors_that_go_back_to_the_app(self):
        for number, error, changes in (
                (900144, "invalid_request", {"response_type": None}),
                (700051, "unsupported_response_type", {"response_type": "token"}),
                (700054, "unsupported_response_type", {"response_type": "code id_token"}),
                (70005, "unsupported_response_type", {"response_type": "Code"}),
                (70007, "invalid_request", {"response_mode": "web_message"}),
                (90023, "invalid_request", {"prompt": "never"}),
                (901002, "invalid_request", {"resource": "https://outlook.office.com"}),
                (900144, "invalid_request", {"scope": None}),
                (900144, "invalid_request", {"scope": ""}),
                (70011, "invalid_scope", {"scope": " "}),
                (70011, "invalid_scope", {"scope": "https://outlook.office.com/Imap"}),
                (70011, "invalid_scope", {"scope": "SMTP.SendAsApp"}),
                (70011, "invalid_scope", {"scope": f"https://outlook.office.com/.default {IMAP}"}),
                (70011, "invalid_scope", {"scope": f"{IMAP}\n"}),
                (500011, "invalid_resource", {"scope": "https://nowhere.example/x"}),
                (50147, "invalid_request", {"code_challenge": None}),
                (90023, "invalid_request", {"code_challenge_method": "s256"}),
                (501491, "invalid_request", {"code_challenge": CHALLENGE[1:]}),
                (501491, "invalid_request", {"code_challenge": CHALLENGE + "A"}),
                (501491, "invalid_request", {"code_challenge": CHALLENGE[1:] + "="}),
                (501491, "invalid_request", {"code_challenge": "x" * 129, "code_challenge_method": None}),
                (501491, "invalid_request", {"code_challenge": "x" * 42, "code_challenge_method": "plain"})):
            with self.subTest(**changes):
                arrived = self.open(**changes)
                self.assert_sent_back(number, error, arrived)
                self.assertEqual(arrived["state"], "s t&=")

    def test_pages_check_again_when_a_button_is_pressed(self):
        for changes, number in (({"redirect_uri": "http://evil.example"}, 50011), ({"scope": "x"}, 70011)):
            status, headers, body = self.entra.request(self.url(**changes), f"choice=signin&user={BOB}")
            self.assertIn(f"AADSTS{number}", headers.get("Location", "") + body.decode())

    def test_other_methods(self):
        status, _, body = self.entra.request(self.url(), b"", "PUT")
        self.assertEqual(status, 400)
        self.assertIn(b"AADSTS900561: The endpoint only accepts GET or POST requests. Received a PUT", body)

    def test_state_may_be_absent(self):
        self.settings(authorize_outcome="approve")
        self.assertNotIn("state", self.open(state=None, login_hint=BOB))

    def test_answers_in_the_fragment(self):
        self.settings(authorize_outcome="approve")
        arrived = self.open(response_mode="fragment", login_hint=BOB)
        self.assertEqual((arrived.url, arrived["state"]), (f"{REDIRECT}/", "s t&="))
        self.assert_success(self.redeem(arrived["code"]))
        self.assertTrue(arrived.fragment)
        self.assertTrue(self.open(response_mode="fragment", scope="x").fragment)

    def test_answers_by_form(self):
        self.settings(authorize_outcome="approve")
        page = self.open(response_mode="form_post", login_hint=BOB)
        self.assertEqual((page.status, page.form["action"], page.form["method"]), (200, REDIRECT, "post"))
        self.assertEqual(page.fields["state"], "s t&=")
        self.assert_success(self.redeem(page.fields["code"]))
        self.settings(authorize_outcome="cancel")
        page = self.open(response_mode="form_post")
        self.assertEqual((page.fields["error"], page.fields["error_subcode"]), ("access_denied", "cancel"))

    def test_outcomes_without_a_page(self):
        self.settings(authorize_outcome="cancel")
        self.assert_sent_back(65004, "access_denied", self.open())
        self.settings(authorize_outcome="approve")
        self.assert_sent_back(50058, "login_required", self.open())
        self.assert_sent_back(50034, "access_denied", self.open(login_hint="nobody@fabrikam.com"))
        self.assert_sent_back(50020, "access_denied", self.open("contoso.com", login_hint=BOB))
        self.assert_success(self.redeem(self.open(login_hint=BOB)["code"]))
        self.settings(authorize_user=ALICE)
        reply = self.assert_success(self.redeem(self.open(login_hint=BOB)["code"]))
        self.assertEqual(claims_of(reply["access_token"])["upn"], ALICE)
        self.settings(authorize_outcome="page")
        self.open(login_hint=BOB)
        reply = self.assert_success(self.redeem(self.browser.press("signin")["code"]))
        self.assertEqual(claims_of(reply["access_token"])["upn"], ALICE)

    def test_silent_sign_in(self):
        self.assert_sent_back(50058, "login_required", self.open(prompt="none", login_hint=BOB))
        self.settings(authorize_outcome="approve")
        self.assertIn("code", self.open(prompt="none", login_hint=BOB))
        request = {"tenant": "contoso.com", "client_id": NO_CONSENT, "login_hint": ALICE}
        self.assert_sent_back(65001, "consent_required", self.open(prompt="none", **request))
        self.settings(user_consent=False)
        self.assert_sent_back(90094, "consent_required", self.open(**request))
        self.settings(user_consent=True)
        self.assertIn("code", self.open(**request))
        self.assertIn("code", self.open(prompt="none", **request))

    def test_refusals_of_any_number(self):
        for number, error in ((53003, "access_denied"), (50105, "access_denied"), (65001, "consent_required"),
                              (90094, "consent_required"),
                              (50076, "access_denied"), (50097, "interaction_required"), (90033, "temporarily_unavailable")):
            self.settings(authorize_refuse=number)
            self.assert_sent_back(number, error, self.open())
        self.assert_page(50011, self.open(redirect_uri="http://evil.example"))
        self.settings(authorize_refuse=None, fail={"aadsts": 90033, "endpoint": "authorize"})
        self.assert_page(90033, self.open(), 503)

    def test_issuer(self):
        self.settings(authorize_outcome="approve")
        self.assertNotIn("iss", self.open(login_hint=BOB))
        metadata = "/organizations/v2.0/.well-known/openid-configuration"
        self.assertNotIn(b"authorization_response_iss", self.entra.request(metadata, None, "GET")[2])
        self.settings(authorize_iss="good")
        self.assertIn(b'"authorization_response_iss_parameter_supported": true',
                      self.entra.request(metadata, None, "GET")[2])
        base = f"https://localhost:{self.entra.ready['https_port']}"
        self.assertEqual(self.open(login_hint=BOB)["iss"], f"{base}/{FABRIKAM}/v2.0")
        self.assertEqual(self.open("contoso.com", login_hint=BOB)["iss"], f"{base}/{CONTOSO}/v2.0")     # 50020
        self.settings(authorize_iss="bad")
        self.assertEqual(self.open(login_hint=BOB)["iss"], f"https://login.stranger.example/{FABRIKAM}/v2.0")

    def test_counters_and_log(self):
        self.open(login_hint=BOB)
        self.assertEqual(self.last_logged()["pkce"], "S256")
        code = self.browser.press("signin")["code"]
        self.assertEqual((self.last_logged()["endpoint"], self.last_logged()["status"]), ("authorize", 302))
        self.assert_success(self.redeem(code))
        self.open(scope="x", code_challenge_method=None)
        logged = self.last_logged()
        self.assertEqual((logged["outcome"], logged["status"], logged["code"], logged["pkce"]),
                         ("refused", 302, 70011, "plain"))
        self.open(code_challenge=None, code_challenge_method=None)
        self.assertEqual(self.last_logged()["pkce"], "none")
        counters = self.entra.control("/counters")[1]
        self.assertEqual((counters["authorize"], counters["token"]["authorization_code"]), (3, 1))
        self.assertEqual((counters["total"], counters["refused"]), (5, 1))
        log = (self.directory / "requests.log").read_text()
        issued = (self.directory / "issued.txt").read_text().splitlines()
        self.assertTrue({code, VERIFIER} <= set(issued))
        self.assertFalse([value for value in issued if value in log])

    def test_metadata(self):
        document = json.loads(self.entra.request("/contoso.com/v2.0/.well-known/openid-configuration", None, "GET")[2])
        base = f"https://localhost:{self.entra.ready['https_port']}/{CONTOSO}"
        self.assertEqual((document["authorization_endpoint"], document["issuer"]),
                         (f"{base}/oauth2/v2.0/authorize", f"{base}/v2.0"))


if __name__ == "__main__":
    unittest.main()
