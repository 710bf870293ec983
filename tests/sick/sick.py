#!/usr/bin/python3
"""sick.py - an identity provider that is ill or means ill, for integration tests.

    sick.py DIRECTORY CA_DIRECTORY

CA_DIRECTORY has ca.pem and ca.key; certificates are made there.  Endpoints are https://HOST:PORT/CASE/WHO/token, WHO being
app or user.  Until told otherwise every endpoint works, as strictly as can be: of a person's refresh tokens only the last one
is good.  When all ports are open, DIRECTORY/ready.json tells the control port, the name server and each
case's port.  Serves until SIGTERM.

Control, plain HTTP on 127.0.0.1:
    POST /play/PLACE/CASE   the endpoints below /PLACE/ do what CASE says; "well" for CASE makes them work again
    POST /token/PLACE/WHO   the body is the access token that they give next while they work
    POST /short/PLACE/WHO   the next token that they give while they work lives for a second
    GET /counts             {"PLACE/WHO": requests, "elsewhere": connections to where redirects point}
"""

import collections
import http.server
import json
import os
import pathlib
import secrets
import signal
import sys
import threading
import urllib.parse

import cases
from listeners import Certificates, Listener
from names import NameServer
from wire import http as response
from wire import members

BODY_MAX = 1 << 20
GOOD = "well"


class Slot:
    """One endpoint: its tokens and how often it was asked."""

    def __init__(self, keep_secret):
        self.keep_secret = keep_secret
        self.valid = None  # the only refresh token that is good; None = any
        self.next_access_token = None
        self.requests = 0
        self.grants = 0

    def new_secret(self, kind):
        # With everything in it that a form must encode.
        return self.keep_secret(f"{kind}.{secrets.token_urlsafe(24)}~+/")

    def new_access_token(self):
        token, self.next_access_token = self.next_access_token, None
        return self.keep_secret(token) if token else self.new_secret("at")

    def rotate(self):
        self.valid = self.new_secret("rt=&%")
        return self.valid


class Question:
    """A request to an endpoint."""

    def __init__(self, slot, body, elsewhere):
        self.slot, self.body, self.elsewhere = slot, body, elsewhere
        self.form = dict(urllib.parse.parse_qsl(body, keep_blank_values=True))
        self.is_refresh = self.form.get("grant_type") == "refresh_token"
        self.secret = self.form.get("refresh_token") or self.form.get("client_secret") or ""


class Provider:
    def __init__(self, directory, ca_directory):
        self.directory = directory
        self.lock = threading.Lock()
        self.secrets = open(directory / "secret-issued", "w", encoding="utf-8", opener=private)
        self.slots = collections.defaultdict(lambda: Slot(self.keep_secret))
        self.playing = {}
        self.cases = {case.name: case for case in cases.TABLE}
        self.names = NameServer()
        self.certs = Certificates(ca_directory)
        self.shared = {}  # one port for all cases that need nothing special
        self.listeners = {case.name: self.listener(case) for case in cases.TABLE}
        self.elsewhere = Listener("tls", self.certs, self.serve)

    def listener(self, case):
        if case.listener in ("tls", "ipv6", "http"):
            if case.listener not in self.shared:
                self.shared[case.listener] = Listener(case.listener, self.certs, self.serve)
            return self.shared[case.listener]
        return Listener(case.listener, self.certs, self.serve)

    def keep_secret(self, text):
        with self.lock:
            self.secrets.write(text + "\n")
            self.secrets.flush()
        return text

    def play(self, place, name):
        case = self.cases.get(name)
        if case is None and name != GOOD:
            raise KeyError(name)
        own = self.cases.get(place)
        if own is not None and own.listener not in self.shared:
            self.listeners[place].set_sick(name != GOOD)
        if own is not None and own.dns:
            (self.names.sick.add if case else self.names.sick.discard)(own.dns)
        self.playing[place] = case

    def serve(self, connection):
        """One request on a connection that was met well."""
        head, body = read_request(connection)
        place, who = head.split(" ")[1].strip("/").split("/")[:2]
        slot, case = self.slots[f"{place}/{who}"], self.playing.get(place)
        slot.requests += 1
        question = Question(slot, body, f"https://localhost:{self.elsewhere.port}")
        for name in ("client_secret", "refresh_token"):
            if question.form.get(name):
                self.keep_secret(question.form[name])
        if case is not None and case.answer is not None:
            case.answer(connection, question)
        else:
            well(connection, question)

    def counts(self):
        counts = {name: slot.requests for name, slot in list(self.slots.items())}
        counts["elsewhere"] = self.elsewhere.connections
        return counts


def private(path, flags):
    return os.open(path, flags, 0o600)


def well(connection, question):
    """As it should be.  The first token of a person ends at once, so that the next login has to ask."""
    slot = question.slot
    if question.is_refresh and slot.valid not in (None, question.form.get("refresh_token")):
        connection.sendall(response('{"error": "invalid_grant", "error_description": "this refresh token was used up"}',
                                    "400 Bad Request"))
        return
    slot.grants += 1
    lifetime = 1 if question.is_refresh and slot.grants == 1 else 3600
    connection.sendall(response(json.dumps(members(question, rotate=True, expires_in=lifetime))))


def read_request(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        data += receive(connection, data)
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            length = int(value)
    while len(body) < length:
        body += receive(connection, body)
    return head.decode("latin-1"), body.decode("latin-1")


def receive(connection, so_far):
    data = connection.recv(65536)
    if not data or len(so_far) > BODY_MAX:
        raise ValueError("no whole request")
    return data


def control_handler(provider):
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def reply(self, value, status=200):
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            self.reply(provider.counts())

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            verb, place, what = self.path.strip("/").split("/")
            try:
                if verb == "play":
                    provider.play(place, what)
                elif verb == "token":
                    provider.slots[f"{place}/{what}"].next_access_token = body.strip()
                elif verb == "short":
                    provider.slots[f"{place}/{what}"].grants = 0
                else:
                    raise KeyError(verb)
            except KeyError as error:
                self.reply({"error": f"unknown: {error}"}, 400)
                return
            self.reply({})
    return Handler


def main():
    directory, ca_directory = map(pathlib.Path, sys.argv[1:])
    directory.mkdir(mode=0o700, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    provider = Provider(directory, ca_directory)
    control = http.server.ThreadingHTTPServer(("127.0.0.1", 0), control_handler(provider))
    ready = {"control": f"http://127.0.0.1:{control.server_port}", "pid": os.getpid(), "name_server": provider.names.address,
             "ports": {name: listener.port for name, listener in provider.listeners.items()}}
    (directory / "ready.tmp").write_text(json.dumps(ready))
    (directory / "ready.tmp").rename(directory / "ready.json")
    control.serve_forever()


main()
