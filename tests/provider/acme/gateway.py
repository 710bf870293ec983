#!/usr/bin/env python3
"""Acme's gateway: gateway.py DIRECTORY PASSWORD_FILE serves GET /NAME from DIRECTORY/NAME to whoever sends the password.

The file's first line is an HTTP status, the rest the body; status "hang" never answers, "endless" never ends.
DIRECTORY/port appears once it listens."""

import http.server
import os
import sys
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        directory, password_file = sys.argv[1:]
        with open(password_file, encoding="ascii") as file:
            password = file.read().strip()
        with open(os.path.join(directory, os.path.basename(self.path)), encoding="latin-1") as file:
            status, _, body = file.read().partition("\n")
        if self.headers.get("X-Acme-Password") != password:
            status, body = "401", ""
        if status == "hang":
            threading.Event().wait(60)
        self.send_response(200 if status == "endless" else int(status))
        self.end_headers()
        self.wfile.write(body.encode("latin-1"))
        try:
            while status == "endless":
                self.wfile.write(b"A" * 65536)
        except OSError:
            pass

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
with open(os.path.join(sys.argv[1], "port.new"), "w", encoding="ascii") as announcement:
    announcement.write(str(server.server_address[1]))
os.rename(announcement.name, os.path.join(sys.argv[1], "port"))
server.serve_forever()
