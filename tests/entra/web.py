"""web.py - what both HTTP servers share: threads, TLS, bounded bodies, one reply per write."""

import dataclasses
import http.server
import json
import socket
import socketserver
import ssl
import sys

HTML = ("<!DOCTYPE html><html><head><title>Welcome</title></head>"
        "<body><h1>Please accept the terms of use</h1></body></html>\n")
MAX_BODY = 1 << 20
IDLE_SECONDS = 60


@dataclasses.dataclass
class Reply:
    body: bytes
    status: int = 200
    content_type: str = "application/json; charset=utf-8"
    headers: dict = dataclasses.field(default_factory=dict)


def json_reply(document, status=200, headers=None):
    return Reply((json.dumps(document) + "\n").encode(), status, headers=headers or {})


def staged(fail, status, otherwise):
    """The Reply of a failure that a test staged; `otherwise` where it brings no text of its own."""
    if fail.get("html"):
        reply = Reply(HTML.encode(), status, "text/html")
    elif "body" in fail:
        reply = Reply(fail["body"].encode(), status, "text/plain")
    else:
        reply = otherwise
    if "content_type" in fail:
        reply.content_type = fail["content_type"]
    for member, header in (("retry_after", "Retry-After"), ("location", "Location")):
        if member in fail:
            reply.headers[header] = str(fail[member])
    return reply


class BadRequest(Exception):
    """A body that cannot be read at all."""

    def __init__(self, status):
        super().__init__(status)
        self.status = status


class Server(http.server.ThreadingHTTPServer):
    """One thread per connection.  TLS is negotiated in that thread, so that a client which connects and
    says nothing delays nobody else."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024
    allow_reuse_address = True

    def __init__(self, address, handler, tls=None):
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.tls = tls
        super().__init__(address, handler)

    def server_bind(self):
        """Without HTTPServer's look-up of our own name, which may ask DNS."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def finish_request(self, request, client_address):
        if self.tls is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(IDLE_SECONDS)
        with self.tls.wrap_socket(request, server_side=True) as encrypted:
            super().finish_request(encrypted, client_address)

    def handle_error(self, request, client_address):
        """Clients that go away are the tests' business; anything else is a bug here and shows its trace."""
        if not isinstance(sys.exc_info()[1], (ssl.SSLError, OSError)):
            super().handle_error(request, client_address)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "Microsoft-HTTPAPI/2.0", ""
    timeout = IDLE_SECONDS
    wbufsize = -1                       # headers and body leave together
    disable_nagle_algorithm = True

    def log_message(self, *_):
        """The journal logs; the base class would write request lines to standard error."""

    def read_body(self):
        if "Transfer-Encoding" in self.headers:
            raise BadRequest(411)
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal():
            raise BadRequest(400)
        if int(length) > MAX_BODY:
            raise BadRequest(413)
        body = self.rfile.read(int(length))
        if len(body) != int(length):
            raise BadRequest(400)
        return body

    def send(self, reply):
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("Cache-Control", "no-store, no-cache")
        self.send_header("Pragma", "no-cache")
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(reply.body)

    def hang_up(self, status=None):
        """End the connection, with a bare status or with no answer at all."""
        self.close_connection = True
        if status is not None:
            self.send(Reply(b"", status, "text/plain"))


def tls_context(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context
