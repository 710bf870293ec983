"""test_entra.py - the emulator says yes and no as Entra does."""

import base64
import json
import socket
import unittest
import urllib.parse
import uuid

import aadsts
import refusals
from cases import (APP_SCOPE, CONTOSO, DEVICE, DISABLED, EXPIRED, FABRIKAM, IMAP, NO_CONSENT, NO_FLOWS, NO_ROLES, PORTAL, PUBLIC,
                   RBAC, RELAY, SINGLE, SMTP, USER_SCOPE, EntraTest, claims_of)


class ClientCredentials(EntraTest):

    def test_secret_in_body_gives_a_token_and_no_refresh_token(self):
        reply = self.assert_success(self.app_only())
        self.assertEqual(set(reply), {"token_type", "expires_in", "ext_expires_in", "access_token"})
        self.assertIs(type(reply["expires_in"]), int)
        claims = claims_of(reply["access_token"])
        self.assertEqual((claims["aud"], claims["iss"], claims["tid"], claims["appid"], claims["appidacr"], claims["ver"]),
                         ("https://outlook.office365.com", f"https://sts.windows.net/{CONTOSO}/", CONTOSO, RELAY, "1", "1.0"))
        self.assertEqual(claims["roles"], ["IMAP.AccessAsApp", "POP.AccessAsApp", "SMTP.SendAsApp"])
        self.assertEqual(claims["exp"] - claims["iat"], 3600)
        self.assertFalse({"scp", "upn", "unique_name"} & set(claims))
        self.assertAlmostEqual(len(reply["access_token"]), 1800, delta=20)

    def test_tenant_by_guid_and_other_domain(self):
        for tenant in (CONTOSO, "contoso.onmicrosoft.com", "CONTOSO.com"):
            self.assert_success(self.app_only(tenant))

    def test_secret_by_http_basic(self):
        form = {"grant_type": "client_credentials", "scope": APP_SCOPE}
        pair = ":".join(urllib.parse.quote(part, safe="") for part in (RELAY, self.entra.secrets["app_only_client_secret"]))
        basic = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        self.assert_success(self.entra.post("token", CONTOSO, basic, **form))
        self.assert_refused(self.entra.post("token", CONTOSO, basic, client_secret="x", **form), 9002313, "invalid_request")
        self.assert_refused(self.entra.post("token", CONTOSO, {"Authorization": "Basic ?"}, **form), 9002313, "invalid_request")

    def test_client_that_cannot_prove_itself(self):
        refused = self.assert_refused
        refused(self.app_only(client_secret="wrong"), 7000215, "invalid_client", 401)
        refused(self.app_only(client_secret=self.entra.secrets["app_only_client_secret"] + "\n"), 7000215, "invalid_client", 401)
        refused(self.app_only(client_secret=None), 7000216, "invalid_client", 401)
        refused(self.app_only(client_secret=""), 7000216, "invalid_client", 401)
        refused(self.app_only(client_id=EXPIRED, client_secret=self.entra.secrets["expired_client_secret"]),
                7000222, "invalid_client", 401)
        refused(self.app_only(client_secret=None, client_assertion="e30.e30.", client_assertion_type="jwt-bearer"),
                90023, "invalid_request")
        refused(self.app_only(client_secret=None, client_assertion="e30.e30."), 900144, "invalid_request")
        refused(self.app_only(client_assertion="e30.e30."), 9002313, "invalid_request")
        refused(self.app_only("fabrikam.com", client_id=PUBLIC), 700025, "invalid_client", 401)

    def test_client_or_tenant_that_is_not_there(self):
        refused = self.assert_refused
        refused(self.app_only("nowhere.example"), 90002, "invalid_request")
        refused(self.app_only(client_id=str(uuid.uuid4())), 700016, "unauthorized_client")
        refused(self.app_only(client_id="relay"), 700016, "unauthorized_client")
        refused(self.app_only("fabrikam.com"), 700016, "unauthorized_client")
        refused(self.app_only(client_id=DISABLED), 7000112, "unauthorized_client")
        refused(self.app_only("outlook.com", client_id=PORTAL), 7000229, "unauthorized_client")
        refused(self.app_only(client_id=None), 900144, "invalid_request")

    def test_an_alias_is_no_tenant_for_an_app(self):
        self.assert_refused(self.app_only("common"), 9001023, "invalid_request")
        self.assert_refused(self.app_only("consumers"), 9001023, "invalid_request")
        self.assert_refused(self.app_only("organizations"), 50059, "invalid_request")

    def test_scope_must_be_resource_default(self):
        refused = self.assert_refused
        refused(self.app_only(scope=SMTP), 1002012, "invalid_scope")
        refused(self.app_only(scope="SMTP.SendAsApp"), 1002012, "invalid_scope")
        refused(self.app_only(scope=APP_SCOPE + " offline_access"), 1002012, "invalid_scope")
        refused(self.app_only(scope=urllib.parse.quote(APP_SCOPE, safe="")), 1002012, "invalid_scope")
        refused(self.app_only(scope=f"{APP_SCOPE} https://graph.microsoft.com/.default"), 70011, "invalid_scope")
        refused(self.app_only(scope=APP_SCOPE + "\n"), 70011, "invalid_scope")
        refused(self.app_only(scope="https://outlook.office365.us/.default"), 500011, "invalid_resource")
        refused(self.app_only(scope=None), 900144, "invalid_request")

    def test_without_roles_a_token_is_issued_all_the_same(self):
        reply = self.assert_success(self.app_only(client_id=NO_ROLES, client_secret=self.entra.secrets["no_roles_client_secret"]))
        self.assertNotIn("roles", claims_of(reply["access_token"]))

    def test_a_trailing_slash_of_the_resource_stays_in_aud(self):
        reply = self.assert_success(self.app_only(scope="https://outlook.office365.com//.default"))
        self.assertEqual(claims_of(reply["access_token"])["aud"], "https://outlook.office365.com/")

    def test_rotated_secret(self):
        before = self.entra.secrets["rbac_client_secret"]
        after = self.entra.ask(f"/rotate-secret/{RBAC}")["client_secret"]
        self.assert_refused(self.app_only(client_id=RBAC, client_secret=before), 7000215, "invalid_client", 401)
        self.assert_success(self.app_only(client_id=RBAC, client_secret=after))
        self.assertIn(after, (self.directory / "secrets.json").read_text())
        self.assertIn(after, (self.directory / "issued.txt").read_text().splitlines())


class Requests(EntraTest):
    """What is wrong before anybody looks at the grant."""

    TOKEN = "/contoso.com/oauth2/v2.0/token"

    def raw(self, body, path=TOKEN, **more):
        status, _, reply = self.entra.request(path, body, **more)
        return status, json.loads(reply)

    def test_other_methods(self):
        for method in ("GET", "PUT", "DELETE"):
            self.assert_refused(self.raw(None, method=method), 900561, "invalid_request")

    def test_other_content_type_means_no_parameters(self):
        body = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": RELAY})
        for content_type in ("application/json", "text/plain", "multipart/form-data; boundary=x"):
            document = self.assert_refused(self.raw(body, headers={"Content-Type": content_type}), 900144, "invalid_request")
            self.assertIn("'grant_type'", document["error_description"])
        self.assert_refused(self.raw(body, headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}),
                            7000216, "invalid_client", 401)

    def test_malformed_bodies(self):
        for body in (b"grant_type=client%5credentials&x=%zz", b"grant_type=a%", b"grant_type=a%2", b"grant_type=a\n",
                     b"grant_type=a\r\n&b=c", b"grant_type=a b", b"grant_type=%ff", b"grant_type=\xc3\xa4",
                     b"grant_type=a&grant_type=a", b"grant_type=a&x=1&x="):
            with self.subTest(body=body):
                self.assert_refused(self.raw(body), 9002313, "invalid_request")

    def test_a_secret_that_is_not_encoded_does_not_arrive(self):
        body = (f"grant_type=client_credentials&client_id={RELAY}&scope={APP_SCOPE}"
                f"&client_secret={self.entra.secrets['app_only_client_secret']}")
        self.assert_refused(self.raw(body), 9002313, "invalid_request")

    def test_missing_parameters_and_empty_ones(self):
        for body in (b"", b"grant_type=", b"grant_type", b"&&"):
            self.assert_refused(self.raw(body), 900144, "invalid_request")
        document = self.assert_refused(self.raw(b"grant_type=refresh_token"), 900144, "invalid_request")
        self.assertIn("'client_id'", document["error_description"])

    def test_grant_types_that_are_not_there(self):
        for grant_type in ("password", "Client_Credentials", "Authorization_Code"):
            self.assert_refused(self.raw(f"grant_type={grant_type}&client_id={RELAY}"), 70003, "unsupported_grant_type")

    def test_resource_belongs_to_v1(self):
        self.assert_refused(self.raw(f"grant_type=client_credentials&client_id={RELAY}&resource=https%3A%2F%2Foutlook.office365.com"),
                            901002, "invalid_request")

    def test_paths_that_are_not_there(self):
        for path in ("/", "/contoso.com/oauth2/token", "/contoso.com/oauth2/authorize", "//oauth2/v2.0/token"):
            self.assertEqual(self.entra.request(path)[0], 404)

    def test_bodies_without_a_usable_length(self):
        for header, status in (("Content-Length: 9999999", 413), ("Content-Length: x", 400), ("Transfer-Encoding: chunked", 411)):
            with socket.create_connection(("127.0.0.1", self.entra.ready["https_port"]), timeout=10) as plain, \
                    self.entra.tls.wrap_socket(plain, server_hostname="localhost") as connection:
                connection.sendall(f"POST {self.TOKEN} HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n".encode())
                self.assertIn(str(status).encode(), connection.recv(100))

    def test_correlation_id_comes_back(self):
        sent = str(uuid.uuid4())
        _, headers, body = self.entra.request(self.TOKEN, headers={"client-request-id": sent, "return-client-request-id": "true"})
        self.assertEqual(json.loads(body)["correlation_id"], sent)
        self.assertEqual(headers["client-request-id"], sent)
        self.assertEqual(headers.get_content_type(), "application/json")

    def test_one_connection_serves_many_requests(self):
        with self.entra.connect() as connection:
            for _ in range(3):
                connection.request("POST", self.TOKEN, b"", {"Content-Type": "application/x-www-form-urlencoded"})
                self.assertEqual(json.load(connection.getresponse())["error_codes"], [900144])

    def test_metadata(self):
        status, _, body = self.entra.request("/contoso.com/v2.0/.well-known/openid-configuration", None, "GET")
        self.assertEqual(status, 200)
        self.assertEqual(json.loads(body)["token_endpoint"],
                         f"https://localhost:{self.entra.ready['https_port']}/{CONTOSO}/oauth2/v2.0/token")


class RefreshTokens(EntraTest):

    def test_each_use_gives_a_new_one_and_the_old_stays_valid(self):
        old = self.grant()
        reply = self.assert_success(self.refresh(old))
        self.assertNotEqual(reply["refresh_token"], old)
        self.assertRegex(reply["refresh_token"], r"^1\.AX[A-Za-z0-9_-]{1100,1300}$")
        self.assertEqual(reply["scope"], f"{IMAP} {SMTP}")
        self.assertNotIn("id_token", reply)
        claims = claims_of(reply["access_token"])
        self.assertEqual((claims["aud"], claims["scp"], claims["upn"], claims["unique_name"], claims["tid"], claims["appidacr"]),
                         ("https://outlook.office.com", "IMAP.AccessAsUser.All SMTP.Send", "bob@fabrikam.com",
                          "bob@fabrikam.com", FABRIKAM, "0"))
        self.assertNotIn("roles", claims)
        self.assert_success(self.refresh(old))
        self.assert_success(self.refresh(reply["refresh_token"]))

    def test_rotation_keep(self):
        self.settings(refresh_rotation="keep")
        self.assertNotIn("refresh_token", self.assert_success(self.refresh(self.grant())))

    def test_rotation_single_use(self):
        self.settings(refresh_rotation="single_use")
        old = self.grant()
        new = self.assert_success(self.refresh(old))["refresh_token"]
        self.assert_refused(self.refresh(old), 70000, "invalid_grant")
        self.assert_success(self.refresh(new))

    def test_a_refused_request_does_not_use_it_up(self):
        self.settings(refresh_rotation="single_use")
        token = self.grant()
        self.assert_refused(self.refresh(token, scope="https://example.com/x"), 500011, "invalid_resource")
        self.assert_success(self.refresh(token))

    def test_reuse_detection_revokes_the_grant(self):
        self.settings(refresh_rotation="single_use", reuse_detection=True)
        old = self.grant()
        new = self.assert_success(self.refresh(old))["refresh_token"]
        self.assert_refused(self.refresh(old), 70000, "invalid_grant")
        self.assert_refused(self.refresh(new), 50173, "invalid_grant")

    def test_expired(self):
        token = self.grant()
        self.settings(refresh_token_lifetime=0)
        self.assert_refused(self.refresh(token), 700082, "invalid_grant")

    def test_revoked(self):
        self.entra.ask("/users/fay@fabrikam.com")
        token = self.grant("fay@fabrikam.com")
        self.assertEqual(self.entra.ask("/grants/revoke", user="fay@fabrikam.com"), {"revoked": 1})
        document = self.assert_refused(self.refresh(token), 50173, "invalid_grant")
        self.assertEqual(document["suberror"], "bad_token")
        self.assert_success(self.refresh(self.grant("fay@fabrikam.com")))

    def test_not_a_refresh_token(self):
        self.assert_refused(self.refresh("garbage"), 9002313, "invalid_grant")
        self.assert_refused(self.refresh(self.grant() + "\n"), 9002313, "invalid_grant")
        self.assert_refused(self.refresh("1.AX" + "x" * 1200), 70000, "invalid_grant")
        self.assert_refused(self.refresh(None), 900144, "invalid_request")

    def test_of_another_client(self):
        document = self.assert_refused(self.refresh(self.grant(), client_id=SINGLE, tenant="contoso.com"), 70000, "invalid_grant")
        self.assertEqual(document["suberror"], "client_mismatch")

    def test_public_client_with_a_secret_and_confidential_without(self):
        self.assert_refused(self.refresh(self.grant(), client_secret="x"), 700025, "invalid_client", 401)
        self.assert_refused(self.refresh(self.grant(), client_assertion="x", client_assertion_type="y"), 700025, "invalid_client", 401)
        token = self.grant(client_id=PORTAL)
        self.assert_refused(self.refresh(token, client_id=PORTAL), 7000218, "invalid_client", 401)
        self.assert_success(self.refresh(token, client_id=PORTAL, client_secret=self.entra.secrets["web_client_secret"]))

    def test_disabled_user(self):
        token = self.grant("erin@fabrikam.com")
        self.entra.ask("/users/erin@fabrikam.com", disabled=True)
        self.addCleanup(self.entra.ask, "/users/erin@fabrikam.com", disabled=False)
        self.assert_refused(self.refresh(token), 50057, "invalid_grant")

    def test_consent_is_missing(self):
        token = self.grant("alice@contoso.com", NO_CONSENT)
        document = self.assert_refused(self.refresh(token, "contoso.com", client_id=NO_CONSENT), 65001, "invalid_grant")
        self.assertEqual(document["suberror"], "consent_required")
        self.assert_refused(self.refresh(self.grant(), scope="https://outlook.office.com/EWS.AccessAsUser.All"), 65001, "invalid_grant")

    def test_tenants(self):
        token = self.grant()
        for tenant in ("common", "organizations", "fabrikam.com", FABRIKAM):
            self.assert_success(self.refresh(token, tenant))
        self.assert_refused(self.refresh(token, "contoso.com"), 50020, "invalid_grant")
        self.assert_refused(self.refresh(token, "consumers"), 500208, "invalid_grant")
        single = self.grant("alice@contoso.com", SINGLE)
        self.assert_success(self.refresh(single, "contoso.com", client_id=SINGLE))
        self.assert_refused(self.refresh(single, "organizations", client_id=SINGLE), 50194, "invalid_request")
        self.assert_refused(self.refresh(single, "consumers", client_id=SINGLE), 9002332, "invalid_request")
        self.assert_refused(self.refresh(single, "fabrikam.com", client_id=SINGLE), 700016, "unauthorized_client")

    def test_personal_accounts_get_opaque_tokens(self):
        token = self.grant("dana@outlook.com")
        for tenant in ("consumers", "common", "9188040d-6c67-4c5b-b112-36a304b66dad"):
            reply = self.assert_success(self.refresh(token, tenant))
            self.assertTrue(reply["access_token"].startswith("EwB"))
        verdict = self.entra.ask("/may-open", token=reply["access_token"], mailbox="dana@outlook.com", protocol="imap")
        self.assertTrue(verdict["allow"])
        self.assert_refused(self.refresh(token, "organizations"), 500208, "invalid_grant")

    def test_scopes(self):
        token = self.grant()
        def scope(text):
            return self.refresh(token, scope=text)
        self.assert_refused(scope(f"{IMAP} https://graph.microsoft.com/User.Read"), 28002, "invalid_scope")
        self.assert_refused(scope(f"{IMAP} https://outlook.office365.com/SMTP.Send"), 28002, "invalid_scope")
        self.assert_refused(scope(f"{IMAP} SMTP.Send"), 28002, "invalid_scope")
        self.assert_refused(scope(f"https://outlook.office.com/.default {IMAP}"), 70011, "invalid_scope")
        self.assert_refused(scope("https://outlook.office.com/SMTP.SendAsApp"), 70011, "invalid_scope")
        self.assert_refused(scope("https://outlook.office.com/imap"), 70011, "invalid_scope")
        self.assert_refused(scope(f"{IMAP}\t{SMTP}"), 70011, "invalid_scope")
        self.assert_refused(scope("https://partner.outlook.cn/.default"), 500011, "invalid_resource")
        reply = self.assert_success(scope("https://outlook.office.com/.default offline_access openid"))
        self.assertEqual(claims_of(reply["access_token"])["scp"], "IMAP.AccessAsUser.All POP.AccessAsUser.All SMTP.Send")
        self.assertEqual(reply["scope"].split()[0], "openid")

    def test_a_bare_permission_means_graph_and_opens_no_mailbox(self):
        reply = self.assert_success(self.refresh(self.grant(), scope="SMTP.Send offline_access"))
        self.assertEqual(claims_of(reply["access_token"])["aud"], "https://graph.microsoft.com")
        verdict = self.entra.ask("/may-open", token=reply["access_token"], mailbox="bob@fabrikam.com", protocol="smtp")
        self.assertEqual((verdict["allow"], verdict["reason"]), (False, "audience is https://graph.microsoft.com, not Exchange"))

    def test_offline_access_and_openid_decide_what_comes_along(self):
        token = self.grant()
        self.assertNotIn("refresh_token", self.assert_success(self.refresh(token, scope=IMAP)))
        reply = self.assert_success(self.refresh(token, scope=f"openid email {IMAP} offline_access"))
        self.assertIn("refresh_token", reply)
        claims = claims_of(reply["id_token"])
        self.assertEqual((claims["preferred_username"], claims["upn"], claims["email"], claims["tid"], claims["aud"]),
                         ("bob@fabrikam.com", "bob@fabrikam.com", "bob@fabrikam.com", FABRIKAM, PUBLIC))
        self.assertEqual(self.entra.control("/grants", {"user": "bob@fabrikam.com", "client_id": PUBLIC, "scope": IMAP})[0], 400)


class DeviceFlow(EntraTest):

    def start(self, tenant="organizations", client_id=PUBLIC, scope=USER_SCOPE):
        status, document = self.entra.post("devicecode", tenant, client_id=client_id, scope=scope)
        self.assertEqual(status, 200)
        return document

    def poll(self, started, tenant="organizations", client_id=PUBLIC, **more):
        return self.entra.post("token", tenant, grant_type=DEVICE, client_id=client_id,
                               device_code=started["device_code"], **more)

    def test_pending_then_approved_then_used_up(self):
        started = self.start()
        self.assertEqual(set(started), {"user_code", "device_code", "verification_uri", "expires_in", "interval", "message"})
        self.assertEqual((started["expires_in"], started["interval"]), (900, 5))
        self.assertIn(started["user_code"], started["message"])
        self.assert_refused(self.poll(started), 70016, "authorization_pending")
        _, pending = self.entra.control("/device")
        self.assertEqual((pending[0]["user_code"], pending[0]["polls"]), (started["user_code"], 1))
        self.entra.ask("/device/approve", user_code=started["user_code"], user="erin@fabrikam.com")
        reply = self.assert_success(self.poll(started))
        self.assertEqual(claims_of(reply["access_token"])["upn"], "erin@fabrikam.com")
        self.assert_success(self.refresh(reply["refresh_token"]))
        self.assert_refused(self.poll(started), 90120, "invalid_grant")

    def test_without_offline_access_no_refresh_token(self):
        started = self.start(scope=IMAP)
        self.entra.ask("/device/approve", user_code=started["user_code"])
        self.assertNotIn("refresh_token", self.assert_success(self.poll(started)))

    def test_declined(self):
        started = self.start()
        self.entra.ask("/device/decline", user_code=started["user_code"])
        self.assert_refused(self.poll(started), 65004, "authorization_declined")

    def test_expired(self):
        self.settings(device_lifetime=0)
        self.assert_refused(self.poll(self.start()), 70019, "expired_token")

    def test_settings_approve_after_some_polls(self):
        self.settings(device_outcome="approve", device_after_polls=2, device_interval=1)
        started = self.start()
        self.assertEqual(started["interval"], 1)
        for _ in range(2):
            self.assert_refused(self.poll(started), 70016, "authorization_pending")
        self.assert_success(self.poll(started))

    def test_settings_decline_at_once(self):
        self.settings(device_outcome="decline", device_interval=None)
        started = self.start()
        self.assertNotIn("interval", started)
        self.assert_refused(self.poll(started), 65004, "authorization_declined")

    def test_settings_name_a_user_of_another_tenant(self):
        self.settings(device_outcome="approve", device_user="alice@contoso.com")
        self.assert_refused(self.poll(self.start("fabrikam.com"), "fabrikam.com"), 50020, "invalid_grant")

    def test_slow_down(self):
        self.settings(device_slow_down=1)
        started = self.start()
        self.assert_refused(self.poll(started), 70016, "slow_down")
        self.assert_refused(self.poll(started), 70016, "authorization_pending")
        self.settings(device_enforce_interval=True)
        self.assert_refused(self.poll(started), 70016, "slow_down")

    def test_error_with_status_200(self):
        self.settings(device_refuse=53003)
        self.assert_refused(self.entra.post("devicecode", "organizations", client_id=PUBLIC, scope=IMAP),
                            53003, "invalid_grant", 200)

    def test_devicecode_refusals(self):
        def refused(number, error, tenant="organizations", **form):
            self.assert_refused(self.entra.post("devicecode", tenant, **form), number, error)
        refused(900144, "invalid_request", scope=IMAP)
        refused(900144, "invalid_request", client_id=PUBLIC)
        refused(700016, "unauthorized_client", client_id=str(uuid.uuid4()), scope=IMAP)
        refused(50194, "invalid_request", client_id=SINGLE, scope=IMAP)
        refused(9002332, "invalid_request", tenant="consumers", client_id=SINGLE, scope=IMAP)
        refused(90002, "invalid_request", tenant="nowhere.example", client_id=PUBLIC, scope=IMAP)
        refused(70011, "invalid_scope", client_id=PUBLIC, scope="https://outlook.office.com/SMTP.SendAsApp")
        status, _, body = self.entra.request("/common/oauth2/v2.0/devicecode", None, "GET")
        self.assert_refused((status, json.loads(body)), 900561, "invalid_request")

    def test_polls_that_do_not_fit(self):
        started = self.start("fabrikam.com")
        self.assert_refused(self.poll(started, "organizations"), 700005, "invalid_grant")
        self.assert_refused(self.poll(started, FABRIKAM), 70016, "authorization_pending")
        self.assert_refused(self.poll({"device_code": "x"}), 70018, "bad_verification_code")
        self.assert_refused(self.poll(started, "contoso.com", NO_FLOWS), 7000218, "invalid_client", 401)
        self.assert_refused(self.poll(started, "fabrikam.com", client_secret="x"), 700025, "invalid_client", 401)

    def test_who_can_approve(self):
        started = self.start("fabrikam.com")
        for user in ("alice@contoso.com", "dana@outlook.com", "nobody@fabrikam.com"):
            status, _ = self.entra.control("/device/approve", {"user_code": started["user_code"], "user": user})
            self.assertEqual(status, 400)
        carol = self.start("contoso.com")
        self.assertEqual(self.entra.control("/device/approve", {"user_code": carol["user_code"], "user": "carol@contoso.com"})[0], 400)
        self.assertEqual(self.entra.control("/device/approve", {"user_code": "NOSUCH"})[0], 400)


# What Microsoft documents, or what was reported, that a mail client may meet: by who must act.
CLIENT = """7000215 7000222 70002 7000216 7000218 700025 700027 700024 50012 50048 900384 700030 700016 700011 70001 7000112
    7000229 1000031 65002 90002 50059 90019 50128 50194 9001023 90124 90130 9002332 90027 90038 50049 900439 900440 900382
    900432 500208 700005 5000224 5000225 900144 90014 9002313 90004 90023 90100 90056 900561 901002 70003 70011 28002 28003
    700022 700023 1002012 500011 50001 500014 650052 650056 65005 650057 650054 50011 900971 70004 50147 501491 501481"""
CONSENT = """65001 65004 90094 90095 90008 9002341 50105 16000 50020 51004 50014 90072 50034 500021 500022 500212 500213"""
SIGN_IN = """70008 700082 700084 70043 50173 50132 50133 50089 70000 54005 50076 50079 50072 50074 50078 50158 53004 50055 50144
    50056 50126 50064 50135 50057 50053 50085 50197 50199 50140 50058 16001 700020"""
POLICY = """53003 53000 53001 53002 50005 50097 50131 50155 50187 530032 530035 530036 53011 530034 135011 135010 7000116"""
FEDERATION = """70021 700211 700212 700213 7000226 700229 700231 50013 500133 50027"""
DEVICE_FLOW = """70016 70018 70019 50134 90119 90120"""
TRANSIENT = """50033 50087 50088 50166 50196 70012 90006 90012 90024 90033 90055 90090 90091 80002 80005 50000"""
ERRORS = {"invalid_request", "invalid_client", "unauthorized_client", "invalid_grant", "invalid_scope", "invalid_resource",
          "invalid_instance", "unsupported_grant_type", "access_denied", "interaction_required", "login_required",
          "unsupported_response_type", "temporarily_unavailable", "server_error", "authorization_pending", "authorization_declined", "expired_token",
          "bad_verification_code"}


class Numbers(EntraTest):

    def test_every_number_has_a_row(self):
        wanted = " ".join((CLIENT, CONSENT, SIGN_IN, POLICY, FEDERATION, DEVICE_FLOW, TRANSIENT)).split()
        self.assertEqual({int(number) for number in wanted} - set(aadsts.ROWS), set())
        self.assertEqual(list(aadsts.ROWS), sorted(aadsts.ROWS))
        self.assertLessEqual(set(aadsts.SUBERRORS), set(aadsts.ROWS))
        for number, (status, error, _) in aadsts.ROWS.items():
            self.assertIn(error, ERRORS, number)
            self.assertIn(status, (400, 401, 429, 500, 503), number)
            self.assertEqual(status == 401, error == "invalid_client" and status != 400, number)
            self.assertGreater(len(refusals.Refusal(number).text), 10)

    def test_who_must_act_shows_in_error(self):
        for number in map(int, f"{SIGN_IN} {POLICY}".replace("7000116", "").split()):
            self.assertIn(aadsts.ROWS[number][1], ("invalid_grant", "interaction_required", "login_required"), number)
        for number in map(int, TRANSIENT.replace("50196", "").split()):
            self.assertIn(aadsts.ROWS[number][1], ("temporarily_unavailable", "server_error"), number)

    def test_any_can_be_staged(self):
        for number in (50049, 90055, 530032, 700231, 5000225):
            status, error, _ = aadsts.ROWS[number]
            self.settings(fail={"aadsts": number})
            self.assert_refused(self.app_only(), number, error, status)


if __name__ == "__main__":
    unittest.main()
