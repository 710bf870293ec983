"""test_control.py - the control port, the files and the process do what README.md says."""

import concurrent.futures
import contextlib
import http.client
import json
import pathlib
import re
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse
import uuid

import control
import settings
from cases import (APP_SCOPE, IMAP, NO_ROLES, NOT_REGISTERED, POP, PUBLIC, RBAC, RELAY, SMTP, USER_SCOPE, EntraTest,
                   claims_of)
from harness import HERE, Entra


class MayOpen(EntraTest):
    """The question a mail server asks."""

    def verdict(self, token, mailbox, protocol="imap"):
        return self.entra.ask("/may-open", token=token, mailbox=mailbox, protocol=protocol)

    def assert_open(self, *question):
        verdict = self.verdict(*question)
        self.assertTrue(verdict["allow"], verdict)

    def assert_closed(self, reason, *question, status="400"):
        verdict = self.verdict(*question)
        self.assertFalse(verdict["allow"], verdict)
        self.assertRegex(verdict["reason"], reason)
        self.assertEqual((verdict["status"], verdict["schemes"]), (status, "bearer"))

    def user_token(self, user="bob@fabrikam.com", scope=f"{IMAP} {POP} {SMTP}", **more):
        return self.entra.access_token(user, PUBLIC, scope, **more)

    def app_token(self, client_id=RELAY, **more):
        return self.entra.access_token(None, client_id, APP_SCOPE, **more)

    def test_own_and_shared_mailboxes(self):
        token = self.user_token()
        for protocol in ("imap", "pop", "pop3", "smtp", "submission"):
            self.assert_open(token, "bob@fabrikam.com", protocol)
            self.assert_open(token, "Info@Fabrikam.com", protocol)
        self.assert_open(token, "sales@fabrikam.com", "smtp")
        self.assert_closed("no permission", token, "sales@fabrikam.com", "imap")
        self.assert_closed("no permission", token, "erin@fabrikam.com")
        self.assert_closed("another tenant", token, "alice@contoso.com")
        self.assert_closed("no such mailbox", token, "nobody@fabrikam.com")
        self.assert_closed("no such mailbox", token, "nobody@nowhere.example")

    def test_senders_are_mailboxes_with_send_as(self):
        verdict = self.verdict(self.user_token(), "bob@fabrikam.com", "smtp")
        self.assertEqual(verdict["send_as"], ["bob@fabrikam.com", "info@fabrikam.com", "sales@fabrikam.com"])

    def test_permissions_in_the_token(self):
        imap = self.user_token(scope=IMAP)
        self.assert_open(imap, "bob@fabrikam.com", "imap")
        self.assert_closed("lacks SMTP.Send", imap, "bob@fabrikam.com", "smtp")
        self.assert_closed("lacks POP", imap, "bob@fabrikam.com", "pop")

    def test_protocol_switched_off(self):
        token = self.user_token("erin@fabrikam.com")
        self.assert_open(token, "erin@fabrikam.com", "imap")
        self.assert_closed("switched off", token, "erin@fabrikam.com", "smtp")

    def test_tokens_that_are_no_good(self):
        token = self.user_token()
        self.assert_closed("not issued here", "garbage", "bob@fabrikam.com", status="401")
        self.assert_closed("not issued here", token[:-1] + ("A" if token[-1] != "A" else "Q"), "bob@fabrikam.com", status="401")
        self.assert_closed("not issued here", token.replace(".", ".A", 1), "bob@fabrikam.com", status="401")
        self.assert_closed("expired", self.user_token(lifetime=0), "bob@fabrikam.com", status="401")
        self.entra.ask("/expire_tokens")
        self.assert_closed("expired", token, "bob@fabrikam.com", status="401")
        self.assert_open(self.user_token(), "bob@fabrikam.com")

    def test_apps(self):
        token = self.app_token()
        for mailbox in ("relay@contoso.com", "box1@contoso.com", "box20@contoso.com"):
            for protocol in ("imap", "pop", "smtp"):
                self.assert_open(token, mailbox, protocol)
        self.assert_closed("no permission", token, "ceo@contoso.com")
        self.assert_closed("no such mailbox", token, "box21@contoso.com")
        self.assert_closed("another tenant", token, "info@fabrikam.com")
        self.assert_closed("lacks the role", self.app_token(NO_ROLES), "relay@contoso.com")
        self.assert_closed("not registered", self.app_token(NOT_REGISTERED), "relay@contoso.com")

    def test_gmail_and_exchange_are_strangers(self):
        app, gmail = "90000000-4444-4444-8444-000000000001", "https://mail.google.com/"
        self.entra.ask("/directory", tenants=[{"id": "44444444-4444-4444-8444-444444444444", "name": "Gmail",
                                               "domains": ["gmail.example"], "gmail": True}],
                       apps=[{"client_id": app, "name": "Mail at Gmail", "tenant": "gmail.example", "consented": [""],
                              "service_principals": {"gmail.example": app}, "secrets": [{"name": "gmail_secret"}]}],
                       users=[{"address": "gina@gmail.example"}], mailboxes=[{"address": "gina@gmail.example"}])
        secret = json.loads((self.directory / "secrets.json").read_text())["gmail_secret"]
        grant = self.entra.ask("/grants", user="gina@gmail.example", client_id=app, scope=f"{gmail} offline_access")
        reply = self.assert_success(self.refresh(grant["refresh_token"], "gmail.example", client_id=app,
                                                 client_secret=secret, scope=gmail))
        self.assertEqual((reply["scope"], "refresh_token" in reply), (gmail, False))
        for protocol in ("imap", "pop", "smtp"):
            self.assert_open(reply["access_token"], "gina@gmail.example", protocol)
        self.assert_closed("audience", reply["access_token"], "bob@fabrikam.com")
        self.assert_closed("audience", self.user_token(), "gina@gmail.example")

    def test_rbac_for_applications_sends_and_only_sends(self):
        token = self.app_token(RBAC)
        self.assert_open(token, "relay@contoso.com", "smtp")
        self.assert_closed("lacks the role", token, "relay@contoso.com", "imap")
        self.assert_closed("no management role", token, "box1@contoso.com", "smtp")

    def test_form_in_and_plain_text_out(self):
        form = urllib.parse.urlencode({"token": self.user_token(), "mailbox": "bob@fabrikam.com", "protocol": "imap"})
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.entra.ready["control_port"])) as connection:
            for change, answer in (("", b"allow\n"), ("x", b"deny no such mailbox\n")):
                connection.request("POST", "/may-open", form.replace("bob", "bob" + change),
                                   {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/plain"})
                self.assertEqual(connection.getresponse().read(), answer)

    def test_password_account(self):
        right = self.entra.secrets["plain_password"]
        self.assertTrue(self.entra.ask("/check-password", user="plain@contoso.com", password=right)["allow"])
        self.assertFalse(self.entra.ask("/check-password", user="plain@contoso.com", password="x")["allow"])
        self.assertFalse(self.entra.ask("/check-password", user="bob@fabrikam.com", password=right)["allow"])


class Control(EntraTest):

    def test_counters(self):
        self.app_only()
        self.app_only(scope="x")
        self.refresh(self.grant())
        self.entra.post("devicecode", "organizations", client_id=PUBLIC, scope=IMAP)
        self.entra.post("token", "contoso.com", grant_type="password", client_id=RELAY)
        self.entra.ask("/may-open", token="x", mailbox="y", protocol="imap")
        self.assertEqual(self.entra.control("/counters")[1],
                         {"token": {"client_credentials": 2, "refresh_token": 1, "device_code": 0, "authorization_code": 0, "other": 1},
                          "devicecode": 1, "authorize": 0, "adminconsent": 0, "may_open": 1, "total": 5, "refused": 2, "failed": 0, "waiting": 0,
                          "identity": {"imds": 0, "app_service": 0, "arc": 0, "arc_challenges": 0, "arc_fooled": 0}})
        self.entra.ask("/counters/reset")
        self.assertEqual(self.entra.control("/counters")[1]["total"], 0)

    def test_settings_are_checked(self):
        for document in ({"no_such": 1}, {"access_token_lifetime": -1}, {"access_token_lifetime": "60"}, {"hold": 1},
                         {"refresh_rotation": "sometimes"}, {"fail": {"statuss": 503}}, {"fail": {"aadsts": 1}}):
            status, reply = self.entra.control("/settings", document | {"delay_seconds": 0.5})
            self.assertEqual(status, 400, reply)
        self.assertEqual(self.entra.control("/settings")[1]["delay_seconds"], 0)

    def test_lifetimes(self):
        self.settings(access_token_lifetime=7, refresh_in=3)
        reply = self.assert_success(self.app_only())
        self.assertEqual((reply["expires_in"], reply["refresh_in"]), (7, 3))
        claims = claims_of(reply["access_token"])
        self.assertEqual(claims["exp"] - claims["iat"], 7)
        self.settings(numbers_as_strings=True)
        self.assertEqual(self.assert_success(self.app_only())["expires_in"], "7")

    def test_failures_with_status_and_body(self):
        self.settings(fail={"status": 503, "times": 1, "body": "Too busy", "content_type": "text/plain", "retry_after": 7})
        body = urllib.parse.urlencode({"grant_type": "client_credentials"})
        status, headers, reply = self.entra.request("/contoso.com/oauth2/v2.0/token", body)
        self.assertEqual((status, headers["Retry-After"], reply), (503, "7", b"Too busy"))
        self.assert_success(self.app_only())
        self.assertEqual(self.entra.control("/counters")[1]["failed"], 1)

    def test_failures_of_other_kinds(self):
        self.settings(fail={"html": True})
        status, headers, reply = self.entra.request("/contoso.com/oauth2/v2.0/token", b"")
        self.assertEqual((status, headers.get_content_type(), reply[:9]), (200, "text/html", b"<!DOCTYPE"))
        self.settings(fail={"drop": True})
        with self.assertRaises((http.client.RemoteDisconnected, ConnectionError, ssl.SSLError)):
            self.app_only()
        self.settings(fail={"aadsts": 50196, "times": 1})
        self.assert_refused(self.app_only(), 50196, "invalid_grant")
        self.assert_success(self.app_only())
        self.settings(fail={"status": 500, "endpoint": "devicecode"})
        self.assert_success(self.app_only())
        self.settings(fail={"status": 500, "probability": 0})
        self.assert_success(self.app_only())

    def test_hold_keeps_requests_waiting(self):
        self.settings(hold=True)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            answers = [pool.submit(self.app_only) for _ in range(5)]
            try:
                deadline = time.monotonic() + 10
                while self.entra.control("/counters")[1]["waiting"] < 5 and time.monotonic() < deadline:
                    pass
                self.assertFalse(any(answer.done() for answer in answers))
            finally:
                self.settings(hold=False)
            for answer in answers:
                self.assert_success(answer.result(timeout=10))

    def test_delay(self):
        self.settings(delay_seconds=0.3)
        before = time.monotonic()
        self.assert_success(self.app_only())
        self.assertGreaterEqual(time.monotonic() - before, 0.3)

    def test_description_with_line_breaks(self):
        self.settings(error_description_crlf=True)
        self.assertIn("\r\nTrace ID: ", self.app_only(scope="x")[1]["error_description"])

    def test_new_users_apps_and_tenants(self):
        tenant, client_id = str(uuid.uuid4()), str(uuid.uuid4())
        self.entra.ask("/directory", tenants=[{"id": tenant, "name": "New", "domains": ["new.example"]}],
                       apps=[{"client_id": client_id, "name": "New", "tenant": "new.example", "secrets": [{"name": "new_secret"}],
                              "service_principals": {"new.example": str(uuid.uuid4())}, "app_roles": ["IMAP.AccessAsApp"],
                              "mailboxes": ["*@new.example"]}])
        self.entra.ask("/users/ann@new.example")
        secret = json.loads((self.directory / "secrets.json").read_text())["new_secret"]
        reply = self.assert_success(self.app_only("new.example", client_id=client_id, client_secret=secret))
        self.assertTrue(self.entra.ask("/may-open", token=reply["access_token"], mailbox="ann@new.example", protocol="imap")["allow"])
        self.entra.ask(f"/apps/{client_id}", enabled=False)
        self.assert_refused(self.app_only("new.example", client_id=client_id, client_secret=secret), 7000112, "unauthorized_client")

    def test_calls_that_make_no_sense(self):
        for path, document in (("/nowhere", {}), ("/users/ann@nowhere.example", {}), ("/users/bob@fabrikam.com", {"imaap": 1}),
                               (f"/apps/{uuid.uuid4()}", {}), (f"/apps/{RELAY}", {"nonsense": 1}), ("/directory", {"users": [{}]}),
                               ("/grants", {"user": "bob@fabrikam.com"}), ("/may-open", {"token": "x"}),
                               ("/may-open", {"token": "x", "mailbox": "y", "protocol": "ftp"})):
            status, reply = self.entra.control(path, document)
            self.assertEqual((status, list(reply)), (400, ["error"]), path)


class Process(EntraTest):
    """Start, files, end."""

    def test_both_loopback_addresses_and_the_login_name(self):
        for host in ("127.0.0.1", "::1"):
            self.assertEqual(self.entra.request("/", None, "GET", host=host)[0], 404)
        with socket.create_connection(("127.0.0.1", self.entra.ready["https_port"])) as plain:
            with self.entra.tls.wrap_socket(plain, server_hostname="login.microsoftonline.com") as connection:
                self.assertIn(connection.version(), ("TLSv1.2", "TLSv1.3"))

    def test_private_files_and_no_secret_in_the_log(self):
        access_token = self.assert_success(self.app_only())["access_token"]
        old = self.grant()
        new = self.assert_success(self.refresh(old, scope=f"openid {USER_SCOPE}"))
        self.app_only(client_id=self.entra.secrets["app_only_client_secret"], scope=old)
        self.app_only(old)
        _, device = self.entra.post("devicecode", "organizations", client_id=PUBLIC, scope=IMAP)
        self.entra.ask("/may-open", token=access_token, mailbox=access_token, protocol="imap")
        for name in ("issued.txt", "secrets.json", "requests.log", "localhost.key", "ca.key"):
            self.assertEqual(stat.S_IMODE((self.directory / name).stat().st_mode), 0o600, name)
        issued = (self.directory / "issued.txt").read_text().splitlines()
        for value in [access_token, old, new["access_token"], new["refresh_token"], new["id_token"], device["device_code"],
                      *self.entra.secrets.values()]:
            self.assertIn(value, issued)
        log = (self.directory / "requests.log").read_text()
        self.assertFalse([value for value in issued if value in log])
        self.assertTrue(all(json.loads(line)["time"] for line in log.splitlines()))

    def last_logged(self):
        return json.loads((self.directory / "requests.log").read_text().splitlines()[-1])

    def test_log_tells_which_token_opened_what(self):
        token = self.assert_success(self.app_only())["access_token"]
        issued = self.last_logged()
        self.assertNotIn("mail_password", issued)
        self.entra.ask("/may-open", token=token, mailbox="relay@contoso.com", protocol="imap")
        opened = self.last_logged()
        self.assertEqual((opened["mailbox"], opened["outcome"]), ("relay@contoso.com", "allow"))
        self.assertEqual(opened["access_token_sha256"], issued["access_token_sha256"])

    def test_log_tells_where_passwords_went(self):
        password = self.entra.secrets["plain_password"]
        self.app_only(client_secret=password)
        self.assertIs(self.last_logged()["mail_password"], True)
        for value, outcome in ((password, "allow"), ("x", "deny")):
            self.entra.ask("/check-password", user="plain@contoso.com", password=value)
            entry = self.last_logged()
            self.assertEqual((entry["endpoint"], entry["mailbox"], entry["outcome"]),
                             ("check-password", "plain@contoso.com", outcome))

    def test_hundreds_of_connections_at_once(self):
        silent = [socket.create_connection(("127.0.0.1", self.entra.ready["https_port"])) for _ in range(50)]
        with concurrent.futures.ThreadPoolExecutor(200) as pool:
            answers = list(pool.map(lambda _: self.app_only()[0], range(400)))
        self.assertEqual(answers, [200] * 400)
        for connection in silent:
            connection.close()

    def test_issue_for_a_mail_server(self):
        subprocess.run([sys.executable, "-B", HERE / "entra.py", "--issue", self.directory, "smtp.office365.com"], check=True)
        text = subprocess.run(["openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", self.directory / "smtp.office365.com.pem"],
                              check=True, capture_output=True, text=True).stdout
        for name in ("DNS:smtp.office365.com", "DNS:localhost", "IP Address:127.0.0.1", "IP Address:0:0:0:0:0:0:0:1"):
            self.assertIn(name, text)
        subprocess.run(["openssl", "verify", "-CAfile", self.directory / "ca.pem", self.directory / "smtp.office365.com.pem"],
                       check=True, capture_output=True)
        self.assertEqual(stat.S_IMODE((self.directory / "smtp.office365.com.key").stat().st_mode), 0o600)

    def test_settings_file_and_end_by_signal_and_same_secrets_again(self):
        with tempfile.TemporaryDirectory() as scratch:
            scratch = pathlib.Path(scratch)
            file = scratch / "settings.json"
            file.write_text(json.dumps({"settings": {"access_token_lifetime": 11},
                                        "directory": {"mailboxes": [{"address": "new{}@contoso.com", "count": 2}]}}))
            first = Entra(scratch / "entra", "--settings", file)
            self.assertEqual(first.control("/settings")[1]["access_token_lifetime"], 11)
            authority = (scratch / "entra" / "ca.pem").read_bytes()
            self.assertEqual(first.stop(), "")
            self.assertEqual(first.process.returncode, 0)
            self.assertFalse((scratch / "entra" / "ready.json").exists())
            again = Entra(scratch / "entra", "--port", str(first.ready["https_port"]))
            self.assertEqual(again.ready["https_port"], first.ready["https_port"])
            self.assertEqual(again.secrets, first.secrets)
            self.assertEqual((scratch / "entra" / "ca.pem").read_bytes(), authority)
            self.assertEqual(again.stop(), "")

    def test_wrong_arguments_are_named(self):
        def run(*arguments):
            return subprocess.run([sys.executable, "-B", HERE / "entra.py", *arguments], capture_output=True, text=True, check=False)
        self.assertEqual(run().returncode, 2)
        with tempfile.TemporaryDirectory() as scratch:
            self.assertIn("not a host name", run("--issue", scratch, "../x").stderr)
            file = pathlib.Path(scratch) / "settings.json"
            file.write_text('{"settings": {"no_such": 1}}')
            done = run(scratch, "--settings", file)
            self.assertEqual((done.returncode, done.stderr), (1, "entra.py: unknown setting 'no_such'\n"))


class Documents(unittest.TestCase):

    def test_readme_and_settings_name_the_same_settings(self):
        readme = (HERE / "README.md").read_text(encoding="utf-8")
        table = readme.partition("## Settings")[2].partition("\n## ")[0]
        self.assertEqual(set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)), {row[0] for row in settings.ROWS})

    def test_readme_names_every_route(self):
        readme = (HERE / "README.md").read_text(encoding="utf-8")
        for method, path in control.ROUTES:
            self.assertRegex(readme, rf"`{method} {re.escape(path)}[A-Z_]*`", path)

    def test_readme_names_every_file(self):
        readme = (HERE / "README.md").read_text(encoding="utf-8")
        for path in HERE.iterdir():
            if path.suffix in (".py", ".lua", ".json"):
                self.assertIn(f"`{path.name}`", readme)


if __name__ == "__main__":
    unittest.main()
