"""listeners.py - ports that meet connections well or, while their case is played, as badly as the case wants.

KINDS has a function for each way to meet one: it takes a connected socket and the Certificates, and gives the socket to go
on with, or None if the conversation is over.
"""

import pathlib
import socket
import ssl
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "entra"))
import certificates  # noqa: E402

from wire import reset  # noqa: E402


class Certificates:
    """A TLS context for each certificate; the CA is the one of the emulator of Entra."""

    def __init__(self, directory):
        self.directory = directory
        certificates.sign(directory, "sick", certificates.LOCAL_NAMES + ("DNS:*.sick.test",))
        certificates.sign(directory, "elsewhere", ("DNS:elsewhere.sick.test",))
        self.sign_alone("self_signed", "30")
        self.sign_expired()

    def sign_alone(self, name, days):
        certificates.make_key(self.directory / f"{name}.key")
        certificates.openssl("req", "-new", "-x509", "-key", self.directory / f"{name}.key", "-days", days, "-subj",
                             "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-out",
                             self.directory / f"{name}.pem")

    def sign_expired(self):
        key, request, extensions = (self.directory / f"expired.{end}" for end in ("key", "csr", "ext"))
        certificates.make_key(key)
        certificates.openssl("req", "-new", "-key", key, "-out", request, "-subj", "/CN=localhost")
        extensions.write_text("subjectAltName=DNS:localhost\n")
        certificates.openssl("x509", "-req", "-in", request, "-out", self.directory / "expired.pem", "-days", "-1", "-CA",
                             self.directory / "ca.pem", "-CAkey", self.directory / "ca.key", "-set_serial", "77",
                             "-extfile", extensions)

    def context(self, name="sick"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.directory / f"{name}.pem", self.directory / f"{name}.key")
        return context

    def good(self):
        return self.context()

    def tls_1_1(self):
        context = self.context()
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        return context

    def no_cipher(self):
        context = self.context()
        context.set_ciphers("ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        return context

    def wants_certificate(self):
        context = self.context()
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(self.directory / "ca.pem")
        return context


def shake_hands(make):
    return lambda connection, certs: make(certs).wrap_socket(connection, server_side=True)


def mute(connection, certs):
    del certs
    while connection.recv(4096):
        pass


def closes(connection, certs):
    del connection, certs


def resets(connection, certs):
    del certs
    connection.recv(1)
    reset(connection)


def says(data):
    def meet(connection, certs):
        del certs
        connection.recv(4096)
        connection.sendall(data)
    return meet


def stays_plain(connection, certs):
    del certs
    return connection


KINDS = {
    "tls": shake_hands(Certificates.good),
    "ipv6": shake_hands(Certificates.good),
    "http": stays_plain,
    "refused": closes,     # nobody listens while it is played
    "unanswered": closes,  # connections are not taken while it is played
    "mute": mute,
    "closes": closes,
    "resets": resets,
    "plain_text": says(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
    "garbage": says(bytes(range(256)) * 9),
    "expired": shake_hands(lambda certs: certs.context("expired")),
    "self_signed": shake_hands(lambda certs: certs.context("self_signed")),
    "wrong_host": shake_hands(lambda certs: certs.context("elsewhere")),
    "tls_1_1": shake_hands(Certificates.tls_1_1),
    "no_cipher": shake_hands(Certificates.no_cipher),
    "wants_certificate": shake_hands(Certificates.wants_certificate),
}


class Listener:
    """A port of 127.0.0.1 and ::1, or of one of them, and a thread for each connection."""

    def __init__(self, kind, certs, serve):
        self.kind, self.certs, self.serve = kind, certs, serve
        self.sick = False
        self.connections = 0
        self.sockets, self.fillers = [], []
        self.port = 0
        self.open()

    def addresses(self):
        if self.kind != "ipv6":
            yield socket.AF_INET, "127.0.0.1"
        if self.kind != "unanswered":
            yield socket.AF_INET6, "::1"

    def open(self):
        for _ in range(50):  # until a port is free in both families
            try:
                self.bind()
                return
            except OSError:
                self.close()
                time.sleep(0.02)
        raise RuntimeError("no free port")

    def bind(self):
        port = self.port
        for family, address in self.addresses():
            listening = socket.socket(family, socket.SOCK_STREAM)
            self.sockets.append(listening)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.bind((address, port))
            port = listening.getsockname()[1]
            listening.listen(0 if self.kind == "unanswered" else 128)
        self.port = port
        for listening in self.sockets:
            threading.Thread(target=self.accept, args=(listening,), daemon=True).start()

    def close(self):
        for listening in self.sockets:
            try:
                listening.shutdown(socket.SHUT_RDWR)  # wakes its thread
            except OSError:
                pass
            listening.close()
        self.sockets = []

    def accept(self, listening):
        while True:
            while self.sick and self.kind == "unanswered":
                time.sleep(0.05)
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        try:
            connection.settimeout(60)
            meet = KINDS[self.kind if self.sick or self.kind == "http" else "tls"]
            met = meet(connection, self.certs)
            if met is not None:
                connection = met
                self.serve(connection)
        except (OSError, ValueError):
            pass  # the other side had enough
        finally:
            connection.close()

    def set_sick(self, sick):
        if self.sick == sick:
            return
        self.sick = sick
        if self.kind == "refused":
            if sick:
                self.close()
            else:
                self.open()
        elif self.kind == "unanswered":
            self.fill() if sick else self.drain()

    def fill(self):
        """Connects until the queue is full and the kernel answers nobody any more."""
        time.sleep(0.1)
        for _ in range(6):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))
            self.fillers.append(filler)
        time.sleep(0.2)

    def drain(self):
        for filler in self.fillers:
            filler.close()
        self.fillers = []
