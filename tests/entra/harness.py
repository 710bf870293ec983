"""harness.py - start one of the programs here for a test, talk to it, end it."""

import contextlib
import http.client
import json
import pathlib
import ssl
import subprocess
import sys
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
READY_SECONDS = 30


class Program:
    """A running entra.py, exchange_style.py or dovecot.py.  `ready` is what its ready.json said."""

    def __init__(self, script, directory, *arguments):
        self.directory = pathlib.Path(directory)
        self.process = subprocess.Popen([sys.executable, "-B", HERE / script, self.directory, *arguments],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            self.ready = self._wait(self.directory / "ready.json")
        except BaseException:
            self.stop()
            raise

    def _wait(self, path):
        deadline = time.monotonic() + READY_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(FileNotFoundError):
                return json.loads(path.read_text(encoding="utf-8"))
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.02)
        raise RuntimeError(f"{self.process.args[2].name} did not start")

    def stop(self):
        """SIGTERM, and what it wrote to standard error."""
        self.process.terminate()
        return self.process.communicate(timeout=30)[1].decode()


class Entra(Program):
    """A running emulator, with a client for each of its ports."""

    def __init__(self, directory, *arguments):
        super().__init__("entra.py", directory, *arguments)
        self.tls = ssl.create_default_context(cafile=self.directory / "ca.pem")
        self.secrets = json.loads((self.directory / "secrets.json").read_text(encoding="utf-8"))

    def connect(self, host="localhost"):
        return contextlib.closing(http.client.HTTPSConnection(host, self.ready["https_port"], timeout=30,
                                                              context=self.tls))

    def request(self, path, body=b"", method="POST", headers=None, host="localhost"):
        """Any request: (status, headers, body)."""
        with self.connect(host) as connection:
            connection.request(method, path, body,
                               {"Content-Type": "application/x-www-form-urlencoded"} | (headers or {}))
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    def post(self, endpoint, tenant, _headers=None, **form):
        """A well-formed request to an endpoint: (status, JSON document)."""
        path = f"/{tenant}/oauth2/v2.0/{endpoint}"
        status, _, body = self.request(path, urllib.parse.urlencode(form), headers=_headers)
        return status, json.loads(body)

    def control(self, path, document=None, headers=None):
        """(status, JSON document) of the control port: GET, or POST of a document."""
        method, body = ("GET", None) if document is None else ("POST", json.dumps(document))
        server = http.client.HTTPConnection("127.0.0.1", self.ready["control_port"], timeout=30)
        with contextlib.closing(server) as connection:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, json.load(response)

    def ask(self, path, **document):
        """POST to the control port, which must agree."""
        status, reply = self.control(path, document)
        if status != 200:
            raise AssertionError(f"{path}: {reply}")
        return reply

    def access_token(self, user=None, client_id=None, scope=None, **more):
        """A token without a token request, for trying mail servers."""
        return self.ask("/access-tokens", client_id=client_id, scope=scope, **({"user": user} if user else {}),
                        **more)["access_token"]


def xoauth2(user, token):
    """The client's message, not yet encoded."""
    return f"user={user}\x01auth=Bearer {token}\x01\x01".encode()
