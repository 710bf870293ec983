#!/usr/bin/python3
"""exchange_style.py - IMAP, POP3 and SMTP servers that let in and turn away as Exchange Online does.

    exchange_style.py DIRECTORY --entra DIRECTORY_OF_A_RUNNING_EMULATOR [--name HOST]

Only XOAUTH2 is offered.  A refused token gets the final reply at once, without the JSON challenge
other servers send first; the emulator's setting refusal_style asks for that challenge instead, or
for IMAP's habit to say OK and close the mailbox afterwards.  With mail_replies it says anything else, at the
greeting, after a login ("auth"), when the mailbox is used ("use": SELECT, STAT, MAIL), at RCPT, after DATA.

Behind the login is just enough for real clients: an empty INBOX, and a drop box, DIRECTORY/mail/N.eml
with N.json (login, from, to).  DIRECTORY/ready.json has the ports: imap, pop and smtp start plain and
offer STARTTLS; imaps and pops are TLS from the start.
"""

import argparse
import base64
import binascii
import contextlib
import http.client
import itertools
import json
import os
import pathlib
import re
import socket
import socketserver
import ssl
import sys
import threading
import time
import uuid

import certificates
import listening
import web
from journal import fingerprint, loggable_name, open_private

IDLE_SECONDS = 60
RESPONSE_LIMIT = 32768                  # for a base64 response; Exchange's own is not documented
XOAUTH2 = re.compile(rb"user=([^\x00\x01\r\n]+)\x01auth=Bearer ([!-~]+)\x01\x01", re.IGNORECASE)


class Closed(Exception):
    """The conversation is over."""


class Login:
    """What the emulator said about one attempt, or why it was not even asked."""

    def __init__(self, user="", verdict=None, cancelled=False):
        self.user = user
        self.verdict = verdict or {"allow": False, "reason": "malformed", "refusal_style": "exchange"}
        self.cancelled = cancelled
        self.late = not self.verdict["allow"] and self.verdict["refusal_style"] == "late"

    @property
    def allowed(self):
        return self.verdict["allow"]


class Session:
    """One connection: lines, TLS, and the SASL exchange that the three protocols share.

    A protocol sets `protocol`, `line_limit`, `empty_challenge` and `challenge` (how it writes one), and
    has converse().  Commands are methods: do_NOOP answers NOOP."""

    protocol = line_limit = empty_challenge = challenge = None

    def __init__(self, sock, server):
        self.sock, self.server = sock, server
        self.buffer = b""
        self.encrypted = isinstance(sock, ssl.SSLSocket)
        self.login = None
        settings = server.settings()
        self.replies, self.mechanisms = settings["mail_replies"], settings["mail_mechanisms"].split()

    # Lines

    def said_instead(self, stage, before=""):
        """Whether the reply that a test asked for was sent, in place of this stage's own."""
        text = self.replies.get(f"{self.protocol}.{stage}")
        if text is not None:
            self.send(before + text)
        return text is not None

    def send(self, *lines):
        self.sock.sendall("".join(line + "\r\n" for line in lines).encode())

    def read_line(self, limit):
        """One line without its end; None if it is longer than limit octets, CRLF included."""
        while b"\n" not in self.buffer:
            if len(self.buffer) > limit + RESPONSE_LIMIT:
                raise Closed
            received = self.sock.recv(65536)
            if not received:
                raise Closed
            self.buffer += received
        line, self.buffer = self.buffer.split(b"\n", 1)
        return None if len(line) + 1 > limit else line.removesuffix(b"\r")

    def start_tls(self):
        """Go on encrypted.  Whatever came before the handshake is forgotten, or it could be an attacker's."""
        self.buffer = b""
        self.sock = self.server.tls.wrap_socket(self.sock, server_side=True)
        self.encrypted = True

    def command(self, name, *arguments):
        """Call do_NAME; False if there is none."""
        method = getattr(self, "do_" + name.upper(), None) if name.isalpha() else None
        if method is None:
            return False
        method(*arguments)
        return True

    # SASL

    def exchange(self, initial=None):
        """Run XOAUTH2 and return the Login.  The final reply is the protocol's."""
        encoded = initial
        if encoded is None:
            self.send(self.empty_challenge)
            encoded = self.read_line(RESPONSE_LIMIT)
        if encoded == b"*":
            return Login(cancelled=True)
        try:
            message = XOAUTH2.fullmatch(base64.b64decode(encoded or b"", validate=True))
            user = message[1].decode() if message else None
        except (binascii.Error, UnicodeDecodeError):
            user = None
        if user is None:
            return Login()
        token = message[2].decode()
        verdict = self.server.ask(token, user, self.protocol)
        self.server.log(protocol=self.protocol, user=loggable_name(user), token_sha256=fingerprint(token),
                        outcome="allow" if verdict["allow"] else "deny", reason=verdict["reason"])
        if not verdict["allow"] and verdict["refusal_style"] == "challenge":
            document = {name: verdict[name] for name in ("status", "schemes", "scope")}
            self.send(self.challenge + base64.b64encode(json.dumps(document).encode()).decode())
            self.read_line(RESPONSE_LIMIT)
        return Login(user, verdict)


class Imap(Session):
    """IMAP4rev1 with an empty INBOX."""

    protocol, line_limit = "imap", RESPONSE_LIMIT + 512
    empty_challenge, challenge = "+ ", "+ "
    tag = "*"

    def capabilities(self):
        words = ["IMAP4", "IMAP4rev1", "SASL-IR", "UIDPLUS", "ID", "UNSELECT", "CHILDREN", "NAMESPACE"]
        return " ".join(words + ([f"AUTH={name}" for name in self.mechanisms] if self.encrypted else ["LOGINDISABLED", "STARTTLS"]))

    def ok(self, text):
        self.send(f"{self.tag} OK {text} completed.")

    def converse(self):
        if self.said_instead("greeting", "* "):
            return
        self.send("* OK The Microsoft Exchange IMAP4 service is ready.")
        while True:
            line = self.read_line(self.line_limit) or b""
            self.tag, _, rest = line.decode(errors="replace").partition(" ")
            name, _, arguments = rest.partition(" ")
            if self.login and self.login.late and name.upper() not in ("CAPABILITY", "NOOP", "LOGOUT"):
                self.send(f"{self.tag} BAD User is authenticated but not connected.", "* BYE Connection closed. 14")
                raise Closed
            if not self.login and name.upper() in self.AFTER_LOGIN or not self.command(name, arguments):
                self.send(f"{self.tag or '*'} BAD Command Error. 12")

    AFTER_LOGIN = {"SELECT", "EXAMINE", "LIST", "LSUB", "STATUS", "NAMESPACE", "SEARCH", "FETCH", "UID", "CHECK",
                   "CLOSE", "UNSELECT", "EXPUNGE", "SUBSCRIBE"}

    def do_CAPABILITY(self, _):
        self.send(f"* CAPABILITY {self.capabilities()}")
        self.ok("CAPABILITY")

    def do_NOOP(self, _):
        self.ok("NOOP")

    def do_ID(self, _):
        self.send('* ID ("name" "Microsoft.Exchange.Imap4.Imap4Server")')
        self.ok("ID")

    def do_LOGOUT(self, _):
        self.send("* BYE Microsoft Exchange Server IMAP4 server signing off.")
        self.ok("LOGOUT")
        raise Closed

    def do_STARTTLS(self, _):
        if self.encrypted:
            self.send(f"{self.tag} BAD Command received in Invalid state.")
            return
        self.send(f"{self.tag} OK Begin TLS negotiation now.")
        self.start_tls()

    def do_LOGIN(self, _):
        self.send(f"{self.tag} NO LOGIN failed.")

    def do_AUTHENTICATE(self, arguments):
        mechanism, _, initial = arguments.partition(" ")
        if mechanism.upper() != "XOAUTH2" or not self.encrypted or self.login:
            self.send(f"{self.tag} NO AUTHENTICATE failed.")
            return
        login = self.exchange(initial.encode() if initial else None)
        if login.cancelled:
            self.send(f"{self.tag} BAD AUTHENTICATE cancelled.")
        elif self.said_instead("auth", f"{self.tag} "):
            return
        elif login.allowed or login.late:
            self.login = login
            self.ok("AUTHENTICATE")
        else:
            self.send(f"{self.tag} NO AUTHENTICATE failed.")

    def do_SELECT(self, arguments, mode="READ-WRITE", name="SELECT"):
        if self.said_instead("use", f"{self.tag} "):
            return
        if arguments.strip('"').upper() != "INBOX":
            self.send(f"{self.tag} NO {arguments} doesn't exist.")
            return
        self.send("* 0 EXISTS", "* 0 RECENT", r"* FLAGS (\Seen \Answered \Flagged \Deleted \Draft $MDNSent)",
                  r"* OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft $MDNSent)] Permanent flags",
                  "* OK [UIDVALIDITY 14] UIDVALIDITY value", "* OK [UIDNEXT 1] The next unique identifier value",
                  f"{self.tag} OK [{mode}] {name} completed.")

    def do_EXAMINE(self, arguments):
        self.do_SELECT(arguments, "READ-ONLY", "EXAMINE")

    def do_LIST(self, arguments, name="LIST"):
        self.send(rf'* {name} (\Noselect) "/" ""' if arguments.endswith('""') else
                  rf'* {name} (\HasNoChildren) "/" INBOX')
        self.ok(name)

    def do_LSUB(self, arguments):
        self.do_LIST(arguments, "LSUB")

    def do_STATUS(self, _):
        self.send("* STATUS INBOX (MESSAGES 0 RECENT 0 UIDNEXT 1 UIDVALIDITY 14 UNSEEN 0)")
        self.ok("STATUS")

    def do_NAMESPACE(self, _):
        self.send('* NAMESPACE (("" "/")) NIL NIL')
        self.ok("NAMESPACE")

    def do_SEARCH(self, _):
        self.send("* SEARCH")
        self.ok("SEARCH")

    def do_UID(self, arguments):
        if arguments.upper().startswith("SEARCH"):
            self.send("* SEARCH")
        self.ok("UID")

    def do_FETCH(self, _):
        self.ok("FETCH")

    do_CHECK = do_CLOSE = do_UNSELECT = do_EXPUNGE = do_SUBSCRIBE = do_FETCH


class Pop(Session):
    """POP3 with an empty mailbox."""

    protocol, line_limit = "pop", 255
    empty_challenge, challenge = "+ ", "+ "

    def converse(self):
        if self.said_instead("greeting"):
            return
        self.send("+OK The Microsoft Exchange POP3 service is ready.")
        while True:
            line = self.read_line(RESPONSE_LIMIT) or b""
            name, _, arguments = line.decode(errors="replace").partition(" ")
            if len(line) + 2 > self.line_limit:
                self.protocol_error()
            elif not self.login and name.upper() in self.AFTER_LOGIN or not self.command(name, arguments):
                self.send("-ERR Protocol error. 14")

    AFTER_LOGIN = {"STAT", "LIST", "UIDL", "RETR", "TOP", "DELE", "RSET"}

    def protocol_error(self):
        self.send("-ERR Protocol error. Connection is closed. 10")
        raise Closed

    def do_CAPA(self, _):
        self.send("+OK", "TOP", "UIDL", f"SASL {' '.join(self.mechanisms)}" if self.encrypted else "STLS", ".")

    def do_STLS(self, _):
        if self.encrypted:
            self.send("-ERR Command is not valid in this state.")
            return
        self.send("+OK Begin TLS negotiation.")
        self.start_tls()

    def do_USER(self, _):
        self.send("+OK")

    def do_PASS(self, _):
        self.send("-ERR Logon failure: unknown user name or bad password.")

    def do_AUTH(self, arguments):
        mechanism, _, initial = arguments.partition(" ")
        if not arguments:
            self.send("+OK", "XOAUTH2", ".")
        elif initial:
            self.protocol_error()                       # Exchange wants two lines
        elif mechanism.upper() != "XOAUTH2" or not self.encrypted or self.login:
            self.send("-ERR Unsupported authentication mechanism.")
        else:
            login = self.exchange()
            if self.said_instead("auth"):
                return
            if login.allowed:
                self.login = login
                self.send("+OK User successfully authenticated.")
            else:
                self.send("-ERR Authentication failure: unknown user name or bad password.")

    def do_STAT(self, _):
        if not self.said_instead("use"):
            self.send("+OK 0 0")

    def do_LIST(self, arguments):
        self.send(*(("-ERR no such message",) if arguments else ("+OK 0 0", ".")))

    do_UIDL = do_LIST

    def do_RETR(self, _):
        self.send("-ERR no such message")

    do_TOP = do_DELE = do_RETR

    def do_NOOP(self, _):
        self.send("+OK")

    do_RSET = do_NOOP

    def do_QUIT(self, _):
        self.send("+OK Microsoft Exchange Server POP3 server signing off.")
        raise Closed


class Smtp(Session):
    """Client submission, port 587.  Who may send as whom is judged after DATA, as Exchange does it."""

    protocol, line_limit = "smtp", 512
    empty_challenge, challenge = "334 ", "334 "
    sender, recipients = None, ()

    def converse(self):
        if self.said_instead("greeting"):
            return
        self.send(f"220 {self.server.name} Microsoft ESMTP MAIL Service ready")
        while True:
            line = self.read_line(self.line_limit)
            if line is None:
                self.send("500 5.3.3 Line too long")
                continue
            name, _, arguments = line.decode(errors="replace").partition(" ")
            if not self.login and name.upper() in ("MAIL", "RCPT", "DATA"):
                self.send("530 5.7.57 Client not authenticated to send mail." if self.encrypted else
                          "451 5.7.3 STARTTLS is required to send mail")
            elif not self.command(name, arguments):
                self.send("500 5.3.3 Unrecognized command")

    def do_EHLO(self, _):
        words = [f"{self.server.name} Hello [127.0.0.1]", "SIZE 157286400", "PIPELINING", "ENHANCEDSTATUSCODES",
                 f"AUTH {' '.join(self.mechanisms)}" if self.encrypted else "STARTTLS", "8BITMIME", "SMTPUTF8"]
        self.send(*(f"250-{word}" for word in words[:-1]), f"250 {words[-1]}")

    def do_HELO(self, _):
        self.send(f"250 {self.server.name} Hello [127.0.0.1]")

    def do_STARTTLS(self, _):
        if self.encrypted:
            self.send("503 5.5.2 Only one STARTTLS command can be issued per session")
            return
        self.send("220 2.0.0 SMTP server ready")
        self.start_tls()

    def do_AUTH(self, arguments):
        mechanism, _, initial = arguments.partition(" ")
        if not self.encrypted or mechanism.upper() != "XOAUTH2":
            self.send("504 5.7.4 Unrecognized authentication type")
        elif self.login or self.sender is not None:
            self.send("503 5.5.2 Bad sequence of commands")
        else:
            login = self.exchange(initial.encode() if initial else None)
            if self.said_instead("auth"):
                return
            if login.allowed:
                self.login = login
                self.send("235 2.7.0 Authentication successful")
            else:
                moment = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
                self.send("535 5.7.3 Authentication unsuccessful "
                          f"[{self.server.name} {moment} {uuid.uuid4().hex[:16].upper()}]")

    def do_MAIL(self, arguments):
        path = re.match(r"FROM:\s*<([^>]*)>", arguments, re.IGNORECASE)
        if not path:
            self.send("501 5.5.4 Invalid arguments")
            return
        if self.said_instead("use"):
            return
        self.sender, self.recipients = path[1], []
        self.send("250 2.1.0 Sender OK")

    def do_RCPT(self, arguments):
        path = re.match(r"TO:\s*<([^>]+)>", arguments, re.IGNORECASE)
        if not path or self.sender is None:
            self.send("503 5.5.1 Bad sequence of commands" if path else "501 5.5.4 Invalid arguments")
            return
        if self.said_instead("rcpt"):
            return
        self.recipients.append(path[1])
        self.send("250 2.1.5 Recipient OK")

    def do_DATA(self, _):
        if not self.recipients:
            self.send("503 5.5.1 Bad sequence of commands")
            return
        self.send("354 Start mail input; end with <CRLF>.<CRLF>")
        lines = []
        while (line := self.read_line(1 << 20)) != b".":
            if line is None:
                raise Closed
            lines.append(line[1:] if line.startswith(b".") else line)
        user, sender, recipients = self.login.user, self.sender, self.recipients
        self.sender, self.recipients = None, ()
        if self.said_instead("data"):
            return
        if sender.lower() not in self.login.verdict["send_as"]:
            self.send(f"554 5.2.252 SendAsDenied; {user} not allowed to send as {sender}; STOREDRV.Submission."
                      "Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed to process message due to a "
                      f"permanent exception [Hostname={self.server.name}]")
            return
        self.server.deliver(user, sender, recipients, b"\r\n".join(lines) + b"\r\n")
        self.send(f"250 2.0.0 OK <{uuid.uuid4()}@{self.server.name}> [Hostname={self.server.name}]")

    def do_RSET(self, _):
        self.sender, self.recipients = None, ()
        self.send("250 2.0.0 Resetting")

    def do_NOOP(self, _):
        self.send("250 2.0.0 OK")

    def do_QUIT(self, _):
        self.send("221 2.0.0 Service closing transmission channel")
        raise Closed


class Backend:
    """What all sessions share: the emulator's control port, the drop box, the log, the certificate."""

    def __init__(self, home, entra, name):
        ready = json.loads((entra / "ready.json").read_text(encoding="utf-8"))
        self.name = name
        self.tls = web.tls_context(*certificates.issue(entra, name))
        self._control_port = ready["control_port"]
        self._mail = home / "mail"
        self._mail.mkdir(exist_ok=True)
        self._numbers = itertools.count(1 + len(list(self._mail.glob("*.eml"))))
        self._log = open_private(home / "sessions.log")
        self._lock = threading.Lock()

    def ask(self, token, mailbox, protocol):
        """The emulator's verdict (see README.md, /may-open)."""
        body = json.dumps({"token": token, "mailbox": mailbox, "protocol": protocol})
        return self._control("POST", "/may-open", body, {"Content-Type": "application/json"})

    def settings(self):
        return self._control("GET", "/settings")

    def _control(self, *request):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self._control_port, timeout=30)) as connection:
            connection.request(*request)
            return json.load(connection.getresponse())

    def log(self, **fields):
        line = json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())} | fields) + "\n"
        with self._lock:
            self._log.write(line)
            self._log.flush()

    def deliver(self, login, sender, recipients, message):
        """The envelope appears first, so that whoever sees N.eml finds N.json."""
        with self._lock:
            number = next(self._numbers)
        listening.write_private(self._mail / f"{number}.json", {"login": login, "from": sender, "to": recipients})
        scratch = self._mail / f".{number}.eml"
        scratch.write_bytes(message)
        scratch.rename(self._mail / f"{number}.eml")


class MailServer(socketserver.ThreadingTCPServer):
    """One port of one protocol."""

    daemon_threads, block_on_close = True, False
    allow_reuse_address, request_queue_size = True, 1024

    def __init__(self, address, session, backend, implicit_tls):
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.session, self.backend, self.implicit_tls = session, backend, implicit_tls
        super().__init__(address, None)

    def finish_request(self, request, client_address):
        request.settimeout(IDLE_SECONDS)
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.implicit_tls:
            request = self.backend.tls.wrap_socket(request, server_side=True)
        session = self.session(request, self.backend)
        try:
            session.converse()
        except Closed:
            pass
        finally:
            session.sock.close()

    def handle_error(self, request, client_address):
        """Clients that go away are not news; anything else is a bug here and shows its trace."""
        if not isinstance(sys.exc_info()[1], (ssl.SSLError, OSError)):
            super().handle_error(request, client_address)


PORTS = (("imap_port", Imap, False), ("imaps_port", Imap, True), ("pop_port", Pop, False), ("pops_port", Pop, True),
         ("smtp_port", Smtp, False))


def serve(home, entra, name):
    home.mkdir(parents=True, exist_ok=True)
    ready, stopping = home / "ready.json", threading.Event()
    ready.unlink(missing_ok=True)
    backend = Backend(home, entra, name)
    listening.stop_on_signals(stopping)
    with contextlib.ExitStack() as stack:
        ports = {key: listening.start(lambda where, session=session, tls=tls: MailServer(where, session, backend, tls),
                                      stack, "127.0.0.1") for key, session, tls in PORTS}
        listening.write_private(ready, ports | {"pid": os.getpid(), "name": name})
        stack.callback(ready.unlink, missing_ok=True)
        stopping.wait()


def main():
    parser = argparse.ArgumentParser(description="mail servers that refuse and accept as Exchange Online does")
    parser.add_argument("directory", metavar="DIRECTORY", type=pathlib.Path)
    parser.add_argument("--entra", metavar="DIRECTORY", type=pathlib.Path, required=True,
                        help="of the running emulator")
    parser.add_argument("--name", metavar="HOST", default="outlook.office365.com",
                        help="the name in greeting and certificate (localhost is always in it too)")
    options = parser.parse_args()
    try:
        serve(options.directory.resolve(), options.entra.resolve(), options.name)
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(f"exchange_style.py: {error}")


if __name__ == "__main__":
    main()
