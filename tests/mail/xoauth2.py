#!/usr/bin/env python3
"""xoauth2.py - log in with a bearer token without libsasl2: the yardstick when a plugin's login fails.

    xoauth2.py imap|pop3|smtp PORT USER TOKEN CAFILE [--implicit] [--oauthbearer] [--host NAME]

Prints what the server said, one line; a refusal's error challenge is decoded.  Exits with 0 if the login
succeeded, 3 if the server refused it; 1 is a crash.
"""
import argparse
import base64
import socket
import ssl
import sys


class Connection:
    def __init__(self, host, port, context):
        self.host = host
        self.context = context
        self.socket = socket.create_connection((host, port), timeout=30)
        self.reader = None

    def encrypt(self):
        self.socket = self.context.wrap_socket(self.socket, server_hostname=self.host)
        self.reader = self.socket.makefile("rb")

    def plain(self):
        self.reader = self.socket.makefile("rb", buffering=0)     # reads nothing that belongs to TLS

    def say(self, line):
        self.socket.sendall(line.encode() + b"\r\n")

    def line(self):
        text = self.reader.readline().decode().rstrip("\r\n")
        if not text:
            raise ConnectionError("the server closed the connection")
        return text


class Imap:
    """answer(): ("more", challenge), ("ok", text) or ("no", text)."""

    starttls = "t STARTTLS"

    def greet(self, connection):
        connection.line()

    def auth(self, connection, mechanism, response):
        connection.say(f"a AUTHENTICATE {mechanism} {response}")

    def answer(self, connection):
        while True:
            text = connection.line()
            if text.startswith("+"):
                return "more", text[1:].strip()
            if not text.startswith("*"):
                return ("ok" if text.split()[1] == "OK" else "no"), text


class Pop3(Imap):
    starttls = "STLS"

    def auth(self, connection, mechanism, response):
        connection.say(f"AUTH {mechanism} {response}")

    def answer(self, connection):
        text = connection.line()
        if text.startswith("+ "):
            return "more", text[2:]
        return ("ok" if text.startswith("+OK") else "no"), text


class Smtp:
    starttls = "STARTTLS"

    def greet(self, connection):
        connection.line()
        self.hello(connection)

    def hello(self, connection):
        connection.say("EHLO xoauth2.fixture.test")
        self.answer(connection)

    def auth(self, connection, mechanism, response):
        # Not on the AUTH line: tokens are longer than a command may be.
        connection.say(f"AUTH {mechanism}")
        if self.answer(connection)[0] == "more":
            connection.say(response)

    def answer(self, connection):
        while True:
            text = connection.line()
            if text[3:4] != "-":
                break
        return {"2": "ok", "3": "more"}.get(text[0], "no"), (text[4:] if text[0] == "3" else text)


def initial_response(mechanism, user, token, host, port):
    if mechanism == "XOAUTH2":
        message = f"user={user}\1auth=Bearer {token}\1\1"
    else:
        name = user.replace("=", "=3D").replace(",", "=2C")
        message = f"n,a={name},\1host={host}\1port={port}\1auth=Bearer {token}\1\1"
    return base64.b64encode(message.encode()).decode()


def log_in(options):
    protocol = {"imap": Imap, "pop3": Pop3, "smtp": Smtp}[options.protocol]()
    mechanism = "OAUTHBEARER" if options.oauthbearer else "XOAUTH2"
    connection = Connection(options.host, options.port, ssl.create_default_context(cafile=options.cafile))
    if options.implicit:
        connection.encrypt()
        protocol.greet(connection)
    else:
        connection.plain()
        protocol.greet(connection)
        connection.say(protocol.starttls)
        protocol.answer(connection)
        connection.encrypt()
        if options.protocol == "smtp":
            protocol.hello(connection)
    response = initial_response(mechanism, options.user, options.token, options.host, options.port)
    protocol.auth(connection, mechanism, response)
    kind, text = protocol.answer(connection)
    challenge = ""
    while kind == "more":
        challenge = base64.b64decode(text).decode()
        connection.say("AQ==" if options.oauthbearer else "")
        kind, text = protocol.answer(connection)
    return kind == "ok", " ".join(part for part in (text, challenge) if part)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("protocol", choices=("imap", "pop3", "smtp"))
    parser.add_argument("port", type=int)
    parser.add_argument("user")
    parser.add_argument("token")
    parser.add_argument("cafile")
    parser.add_argument("--implicit", action="store_true")
    parser.add_argument("--oauthbearer", action="store_true")
    parser.add_argument("--host", default="localhost")
    ok, text = log_in(parser.parse_args())
    print(text)
    return 0 if ok else 3


if __name__ == "__main__":
    sys.exit(main())
