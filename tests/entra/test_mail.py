"""test_mail.py - the mail servers here let in and turn away by the emulator's verdict, each in its own style."""

import base64
import contextlib
import imaplib
import json
import pathlib
import poplib
import smtplib
import subprocess
import tempfile
import unittest

import dovecot
from cases import IMAP, POP, PUBLIC, SMTP, EntraTest
from harness import Program, xoauth2


class MailTest(EntraTest):
    """A mail server beside the emulator.  `script` says which."""

    script = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.server = Program(cls.script, pathlib.Path(scratch.name) / "server", "--entra", cls.directory)
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        super().setUp()
        self.bob = self.entra.access_token("bob@fabrikam.com", PUBLIC, f"{IMAP} {POP} {SMTP}")
        self.graph = self.entra.access_token("bob@fabrikam.com", PUBLIC, "SMTP.Send IMAP.AccessAsUser.All")

    @contextlib.contextmanager
    def imap(self, start_tls=False):
        ready, tls = self.server.ready, self.entra.tls
        if start_tls:
            client = imaplib.IMAP4("localhost", ready["imap_port"])
            client.starttls(tls)
        else:
            client = imaplib.IMAP4_SSL("localhost", ready["imaps_port"], ssl_context=tls)
        with contextlib.closing(client.sock):
            yield client

    def imap_login(self, client, message, mechanism="XOAUTH2"):
        """Log in; returns the challenges that followed the message."""
        challenges = []

        def respond(challenge):
            challenges.append(challenge)
            return message if len(challenges) == 1 else b""
        try:
            client.authenticate(mechanism, respond)
        finally:
            self.challenges = challenges[1:]

    def pop_login(self, message):
        """The final reply to an XOAUTH2 login, and to the STAT after it."""
        client = poplib.POP3_SSL("localhost", self.server.ready["pops_port"], context=self.entra.tls)
        with contextlib.closing(client):
            self.assertEqual(client._shortcmd("AUTH XOAUTH2").rstrip(), b"+")
            return client._shortcmd(base64.b64encode(message).decode()), client.stat()


class ExchangeStyle(MailTest):

    script = "exchange_style.py"

    @contextlib.contextmanager
    def smtp(self):
        client = smtplib.SMTP("localhost", self.server.ready["smtp_port"])
        with contextlib.closing(client):
            client.starttls(context=self.entra.tls)
            client.ehlo()
            yield client

    @staticmethod
    def smtp_login(client, message):
        code, _ = client.docmd("AUTH", "XOAUTH2")
        return client.docmd(base64.b64encode(message).decode()) if code == 334 else (code, b"")

    def test_imap_opens_own_and_shared_mailbox(self):
        for start_tls in (False, True):
            for user in ("bob@fabrikam.com", "info@fabrikam.com"):
                with self.imap(start_tls) as client:
                    self.assertIn("AUTH=XOAUTH2", client.capabilities)
                    self.assertIn("SASL-IR", client.capabilities)
                    self.imap_login(client, xoauth2(user, self.bob))
                    self.assertEqual(client.select("INBOX"), ("OK", [b"0"]))
                    self.assertEqual(client.select("INBOX", readonly=True), ("OK", [b"0"]))
                    self.assertEqual(client.list()[0], "OK")
                    self.assertEqual(client.noop()[0], "OK")
                    self.assertEqual(client.logout()[0], "BYE")

    def test_imap_initial_response(self):
        with self.imap() as client:
            client.send(b"A1 AUTHENTICATE XOAUTH2 " + base64.b64encode(xoauth2("bob@fabrikam.com", self.bob)) + b"\r\n")
            self.assertEqual(client.readline(), b"A1 OK AUTHENTICATE completed.\r\n")

    def test_imap_refuses_without_a_challenge(self):
        for message in (xoauth2("alice@contoso.com", self.bob), xoauth2("bob@fabrikam.com", self.graph),
                        xoauth2("bob@fabrikam.com", "x"), b"nonsense", b"user=a\x01auth=Bearer \x01\x01"):
            with self.imap() as client:
                with self.assertRaisesRegex(imaplib.IMAP4.error, "^AUTHENTICATE failed.$"):
                    self.imap_login(client, message)
                self.assertEqual(self.challenges, [])

    def test_imap_without_tls_has_no_mechanism(self):
        client = imaplib.IMAP4("localhost", self.server.ready["imap_port"])
        with contextlib.closing(client.sock):
            self.assertNotIn("AUTH=XOAUTH2", client.capabilities)
            self.assertIn("STARTTLS", client.capabilities)

    def test_imap_other_mechanisms_and_passwords(self):
        with self.imap() as client:
            with self.assertRaisesRegex(imaplib.IMAP4.error, "AUTHENTICATE failed."):
                client.authenticate("PLAIN", lambda _: b"\0bob\0x")
            with self.assertRaisesRegex(imaplib.IMAP4.error, "LOGIN failed."):
                client.login("bob@fabrikam.com", "x")

    def test_challenge_style(self):
        self.settings(refusal_style="challenge")
        with self.imap() as client:
            with self.assertRaisesRegex(imaplib.IMAP4.error, "AUTHENTICATE failed."):
                self.imap_login(client, xoauth2("bob@fabrikam.com", "x"))
            self.assertEqual(json.loads(self.challenges[0]), {"status": "401", "schemes": "bearer", "scope": IMAP})
        with self.smtp() as client:
            code, challenge = self.smtp_login(client, xoauth2("bob@fabrikam.com", self.graph))
            self.assertEqual((code, json.loads(base64.b64decode(challenge))["status"]), (334, "400"))
            self.assertEqual(client.docmd("")[0], 535)

    def test_late_style_closes_the_mailbox_after_ok(self):
        self.settings(refusal_style="late")
        with self.imap() as client:
            self.imap_login(client, xoauth2("erin@fabrikam.com", self.bob))
            with self.assertRaisesRegex(imaplib.IMAP4.error, "User is authenticated but not connected."):
                client.select("INBOX")

    def test_pop(self):
        self.assertEqual(self.pop_login(xoauth2("info@fabrikam.com", self.bob)),
                         (b"+OK User successfully authenticated.", (0, 0)))
        with self.assertRaisesRegex(poplib.error_proto, "Authentication failure: unknown user name or bad password."):
            self.pop_login(xoauth2("erin@fabrikam.com", self.bob))

    def test_pop_wants_two_lines(self):
        client = poplib.POP3_SSL("localhost", self.server.ready["pops_port"], context=self.entra.tls)
        with contextlib.closing(client), self.assertRaisesRegex(poplib.error_proto, "Connection is closed. 10"):
            client._shortcmd("AUTH XOAUTH2 " + base64.b64encode(xoauth2("bob@fabrikam.com", "x")).decode())

    def test_pop_stls(self):
        client = poplib.POP3("localhost", self.server.ready["pop_port"])
        with contextlib.closing(client):
            self.assertNotIn("SASL", client.capa())
            client.stls(self.entra.tls)
            self.assertEqual(client.capa()["SASL"], ["XOAUTH2"])

    def test_smtp_delivers_to_the_drop_box(self):
        with self.smtp() as client:
            self.assertEqual(client.esmtp_features["auth"].split(), ["XOAUTH2"])
            self.assertEqual(self.smtp_login(client, xoauth2("info@fabrikam.com", self.bob)),
                             (235, b"2.7.0 Authentication successful"))
            client.sendmail("info@fabrikam.com", ["ann@example.com", "ben@example.com"], b"Subject: hi\r\n\r\n.dot\r\n")
            client.sendmail("bob@fabrikam.com", ["ann@example.com"], b"Subject: two\r\n\r\n")
        mail = self.server.directory / "mail"
        self.assertEqual(json.loads((mail / "1.json").read_text()), {"login": "info@fabrikam.com", "from": "info@fabrikam.com",
                                                                     "to": ["ann@example.com", "ben@example.com"]})
        self.assertEqual((mail / "1.eml").read_bytes(), b"Subject: hi\r\n\r\n.dot\r\n")
        self.assertTrue((mail / "2.eml").exists())

    def test_smtp_refuses_token_sender_and_anonymous(self):
        with self.smtp() as client:
            self.assertEqual(client.docmd("MAIL", "FROM:<bob@fabrikam.com>"), (530, b"5.7.57 Client not authenticated to send mail."))
            code, text = self.smtp_login(client, xoauth2("bob@fabrikam.com", self.graph))
            self.assertEqual(code, 535)
            self.assertRegex(text, rb"^5\.7\.3 Authentication unsuccessful \[outlook\.office365\.com \S+ [0-9A-F]{16}\]$")
            self.assertEqual(self.smtp_login(client, xoauth2("bob@fabrikam.com", self.bob))[0], 235)
            with self.assertRaises(smtplib.SMTPDataError) as denied:
                client.sendmail("erin@fabrikam.com", ["ann@example.com"], b"Subject: no\r\n\r\n")
            self.assertTrue(denied.exception.smtp_error.startswith(b"5.2.252 SendAsDenied; bob@fabrikam.com not allowed to send as erin@"))

    def test_smtp_line_limit_and_no_auth_before_tls(self):
        with self.smtp() as client:
            self.assertEqual(client.docmd("AUTH", "XOAUTH2 " + "A" * 600)[0], 500)
        with contextlib.closing(smtplib.SMTP("localhost", self.server.ready["smtp_port"])) as client:
            client.ehlo()
            self.assertNotIn("auth", client.esmtp_features)
            self.assertEqual(client.docmd("AUTH", "XOAUTH2")[0], 504)

    def test_cancelled_exchange(self):
        with self.smtp() as client:
            self.assertEqual(client.docmd("AUTH", "XOAUTH2")[0], 334)
            self.assertEqual(client.docmd("*")[0], 535)

    def test_log_has_no_token(self):
        self.pop_login(xoauth2("bob@fabrikam.com", self.bob))
        log = (self.server.directory / "sessions.log").read_text()
        self.assertIn('"outcome": "allow"', log)
        self.assertNotIn(self.bob, log)


@unittest.skipIf(dovecot.missing(), dovecot.missing())
class Dovecot(MailTest):

    script = "dovecot.py"

    def test_imap_opens_own_and_shared_mailbox_with_both_mechanisms(self):
        for start_tls in (False, True):
            for user in ("bob@fabrikam.com", "info@fabrikam.com"):
                with self.imap(start_tls) as client:
                    self.imap_login(client, xoauth2(user, self.bob))
                    self.assertEqual(client.select("INBOX"), ("OK", [b"0"]))
        with self.imap() as client:
            message = f"n,a=info@fabrikam.com,\x01host=localhost\x01port=993\x01auth=Bearer {self.bob}\x01\x01"
            self.imap_login(client, message.encode(), "OAUTHBEARER")

    def test_imap_refuses_with_a_challenge(self):
        for user, token in (("alice@contoso.com", self.bob), ("bob@fabrikam.com", self.graph), ("bob@fabrikam.com", "x")):
            with self.imap() as client:
                with self.assertRaisesRegex(imaplib.IMAP4.error, "Authentication failed"):
                    self.imap_login(client, xoauth2(user, token))
                self.assertEqual(json.loads(self.challenges[0])["status"], "401")

    def test_pop(self):
        self.assertEqual(self.pop_login(xoauth2("info@fabrikam.com", self.bob)), (b"+OK Logged in.", (0, 0)))

    def test_plain_password_account(self):
        with self.imap() as client:
            client.login("plain@contoso.com", self.entra.secrets["plain_password"])
        with self.imap() as client, self.assertRaises(imaplib.IMAP4.error):
            client.login("plain@contoso.com", "wrong")

    def test_log_has_no_token(self):
        with self.imap() as client, self.assertRaises(imaplib.IMAP4.error):
            self.imap_login(client, xoauth2("alice@contoso.com", self.bob))
        log = (self.server.directory / "dovecot.log").read_text()
        self.assertIn("refused: token is from another tenant", log)
        self.assertNotIn(self.bob, log)
        self.assertNotIn(self.entra.secrets["plain_password"], log)

    def test_it_reads_nothing_of_the_machine(self):
        done = subprocess.run([dovecot.DOVECOT, "-c", self.server.directory / "dovecot.conf", "-n"], capture_output=True,
                              text=True, check=True)
        self.assertNotIn("/etc/dovecot", done.stdout)


if __name__ == "__main__":
    unittest.main()
