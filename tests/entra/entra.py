#!/usr/bin/python3
"""entra.py - an emulator of Microsoft's identity platform, for integration tests.

    entra.py DIRECTORY [--listen ADDRESS] [--port N] [--settings FILE.json]
    entra.py --issue DIRECTORY NAME

The first form serves until SIGTERM; DIRECTORY/ready.json says where.  The second makes a certificate
for a mail server, signed by the CA the emulator's own clients trust.  README.md has the contract.
"""

import argparse
import contextlib
import json
import os
import pathlib
import sys
import threading

import arc
import certificates
import listening
import machine
import web
from assertions import Assertions
from codes import Codes
from control import ControlHandler
from device import Devices
from directory import Directory
from grants import Grants
from identity_server import IdentityHandler
from journal import Journal
from settings import Settings
from tokens import Tokens

SERVER_NAME = "localhost"


class Emulator:
    """Everything the endpoints share."""

    def __init__(self, home):
        self.home = home
        self.stopping = threading.Event()
        self.settings = Settings()
        self.journal = Journal(home)
        self.directory = Directory(load_json(home / "secrets.json"))
        self.tokens = Tokens(self.journal)
        self.grants = Grants(self.journal, self.settings)
        self.assertions = Assertions(self.journal)
        self.codes = Codes(self.journal, self.settings)
        self.devices = Devices(self.journal, self.settings, self.directory)
        self._saved_secrets = set()

    def configure(self, document):
        """Take a settings file: {"settings": {...}, "directory": {...}}."""
        self.settings.update(document.get("settings", {}))
        self.directory.merge(document.get("directory", {}))

    def save_secrets(self):
        """secrets.json gets all secret values, issued.txt the new ones."""
        values = dict(self.directory.secret_values)
        listening.write_private(self.home / "secrets.json", values)
        for value in set(values.values()) - self._saved_secrets:
            self.journal.issued(value)
        self._saved_secrets |= set(values.values())


def load_json(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


def serve(home, address, port, configuration):
    """Run until SIGTERM or SIGINT."""
    ready = home / "ready.json"
    home.mkdir(parents=True, exist_ok=True)
    ready.unlink(missing_ok=True)
    context = web.tls_context(*certificates.issue(home, SERVER_NAME, certificates.LOGIN_NAMES))
    emulator = Emulator(home)
    emulator.configure(configuration)
    emulator.save_secrets()
    IdentityHandler.emulator = ControlHandler.emulator = emulator
    machine.MachineHandler.emulator, machine.MachineHandler.keys = emulator, arc.Keys(home, emulator.journal)
    listening.stop_on_signals(emulator.stopping)

    with contextlib.ExitStack() as stack:
        stack.callback(machine.MachineHandler.keys.close)
        https = listening.start(lambda where: web.Server(where, IdentityHandler, context), stack, address, port)
        control = listening.start(lambda where: web.Server(where, ControlHandler), stack, "127.0.0.1", both=False)
        identity = listening.start(lambda where: web.Server(where, machine.MachineHandler), stack, "127.0.0.1")
        arc_port = listening.start(lambda where: web.Server(where, machine.ArcHandler), stack, "127.0.0.1")
        listening.write_private(ready, {
            "https_port": https, "control_port": control, "identity_port": identity, "arc_port": arc_port,
            "pid": os.getpid(), "authority": f"https://localhost:{https}", "control": f"http://127.0.0.1:{control}",
            "imds": f"http://127.0.0.1:{identity}",
            "app_service": f"http://127.0.0.1:{identity}{machine.APP_SERVICE_PATH}",
            "arc": f"http://localhost:{arc_port}{machine.METADATA_PATH}", "arc_imds": f"http://localhost:{arc_port}",
            "ca_file": str(home / "ca.pem")})
        stack.callback(ready.unlink, missing_ok=True)
        emulator.stopping.wait()
        with emulator.settings.changed:
            emulator.settings.changed.notify_all()      # let go whoever is held


def main():
    parser = argparse.ArgumentParser(description="emulate Microsoft's identity platform for tests")
    parser.add_argument("--issue", action="store_true", help="make a certificate for NAME instead of serving")
    parser.add_argument("directory", metavar="DIRECTORY", type=pathlib.Path)
    parser.add_argument("name", metavar="NAME", nargs="?", help="with --issue: the server's name")
    parser.add_argument("--listen", metavar="ADDRESS", default="127.0.0.1", help="default 127.0.0.1, with ::1")
    parser.add_argument("--port", metavar="N", type=int, default=0, help="default 0: any free port")
    parser.add_argument("--settings", metavar="FILE.json", type=pathlib.Path, help="settings, directory to start with")
    options = parser.parse_args()
    if options.issue != (options.name is not None):
        parser.error("--issue and NAME go together")
    directory = options.directory.resolve()
    try:
        if options.issue:
            certificates.issue(directory, options.name)
        else:
            configuration = json.loads(options.settings.read_text(encoding="utf-8")) if options.settings else {}
            serve(directory, options.listen, options.port, configuration)
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(f"entra.py: {error}")


if __name__ == "__main__":
    main()
