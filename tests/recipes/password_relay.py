#!/usr/bin/python3
"""password_relay.py - a submission server of the old kind, which knows one user by password and remembers what it was told.

    password_relay.py DIRECTORY CERT KEY USER PASSWORD MECHANISM...

DIRECTORY/port has its port on 127.0.0.1.  It wants STARTTLS, offers the mechanisms, and logs in by PLAIN only.
DIRECTORY/said has a line for each login, "MECHANISM USER right" or "wrong", and "token" for each line from a client that
holds a bearer token, encoded or not.  DIRECTORY/mail has the envelope sender of each message.
"""
import base64
import binascii
import pathlib
import socketserver
import ssl
import sys

directory, certificate, key, user, password, *mechanisms = sys.argv[1:]
directory = pathlib.Path(directory)


def note(file, text):
    with (directory / file).open("a") as out:
        out.write(text + "\n")


def decoded(word):
    try:
        return base64.b64decode(word, validate=True)
    except binascii.Error:
        return b""


class Session(socketserver.StreamRequestHandler):
    def setup(self):
        super().setup()
        self.encrypted = self.known = False

    def say(self, *lines):
        self.wfile.write("".join(line + "\r\n" for line in lines).encode())

    def hear(self):
        line = self.rfile.readline().rstrip(b"\r\n")
        if any(b"Bearer " in text or b"eyJ" in text for word in line.split() for text in (word, decoded(word))):
            note("said", "token")
        return line

    def handle(self):
        self.say("220 smtp.example.net")
        while line := self.hear():
            name, _, rest = line.decode().partition(" ")
            getattr(self, "do_" + name.upper(), self.not_known)(rest)

    def not_known(self, _rest):
        self.say("500 what?")

    def do_EHLO(self, _rest):
        self.say("250-smtp.example.net", "250 AUTH " + " ".join(mechanisms) if self.encrypted else "250 STARTTLS")

    def do_STARTTLS(self, _rest):
        self.say("220 go ahead")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.request = context.wrap_socket(self.request, server_side=True)
        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", buffering=0)
        self.encrypted = True

    def do_AUTH(self, rest):
        mechanism, _, response = rest.partition(" ")
        if not response:
            self.say("334 ")
            response = self.hear()
        words = decoded(response).decode().split("\0")
        self.known = mechanism == "PLAIN" and words[1:] == [user, password]
        note("said", f"{mechanism} {words[1] if len(words) == 3 else '?'} {'right' if self.known else 'wrong'}")
        self.say("235 welcome" if self.known else "535 no")

    def do_MAIL(self, rest):
        self.sender = rest.split(":", 1)[1].split(">")[0].lstrip("< ")
        self.say("250 fine" if self.known else "530 log in first")

    def do_RCPT(self, _rest):
        self.say("250 fine")

    def do_DATA(self, _rest):
        self.say("354 go ahead")
        while self.rfile.readline() not in (b".\r\n", b""):
            pass
        note("mail", f"<{self.sender}>")
        self.say("250 taken")

    def do_QUIT(self, _rest):
        self.say("221 bye")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Clients that hang up are none of our business."""


with Server(("127.0.0.1", 0), Session) as server:
    (directory / "port.new").write_text(str(server.server_address[1]))
    (directory / "port.new").rename(directory / "port")
    server.serve_forever()
