#!/usr/bin/python3
"""dovecot.py - a private Dovecot whose logins the emulator decides (dovecot-xoauth2.lua).

    dovecot.py DIRECTORY --entra DIRECTORY_OF_A_RUNNING_EMULATOR

Writes a configuration of its own below DIRECTORY and runs Dovecot in the foreground until SIGTERM;
nothing of /etc/dovecot is read.  DIRECTORY/ready.json has the ports: imap and pop start plain and
offer STARTTLS, imaps and pops are TLS from the start.  Logs: DIRECTORY/dovecot.log.  Needs root,
dovecot-imapd, dovecot-pop3d, dovecot-auth-lua and lua-socket.
"""

import argparse
import contextlib
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import certificates
import listening

SCRIPT = pathlib.Path(__file__).resolve().with_name("dovecot-xoauth2.lua")
PORTS = ("imap_port", "imaps_port", "pop_port", "pops_port")
NEEDED = ("/usr/lib/dovecot/modules/auth/libauthdb_lua.so", "/usr/lib/dovecot/imap", "/usr/lib/dovecot/pop3",
          "/usr/share/lua/5.4/socket/http.lua")
READY_SECONDS = 20
PATH = os.defpath + ":/usr/sbin:/sbin"
DOVECOT = shutil.which("dovecot", path=PATH)

CONFIGURATION = """\
# written by dovecot.py
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/dovecot.log
listen = 127.0.0.1, ::1
protocols = imap pop3

ssl = required
ssl_cert = <{certificate}
ssl_key = <{key}
ssl_min_protocol = TLSv1.2
disable_plaintext_auth = yes
auth_mechanisms = plain login xoauth2 oauthbearer
auth_failure_delay = 0
auth_verbose = yes
login_trusted_networks =

passdb {{
  driver = lua
  args = file={home}/passdb.lua blocking=yes
}}
userdb {{
  driver = static
  args = uid={mail_user.pw_uid} gid={mail_user.pw_gid} home={mail}/%u
}}
mail_location = maildir:~/Maildir
first_valid_uid = 1

namespace inbox {{
  inbox = yes
}}

# Tests open many connections from one address.
mail_max_userip_connections = 1000
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
# DIRECTORY may be closed to others, and both read passdb.lua there.
service auth {{
  user = root
}}
service auth-worker {{
  user = root
}}
service imap-login {{
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = {imaps_port}
    ssl = yes
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop_port}
  }}
  inet_listener pop3s {{
    port = {pops_port}
    ssl = yes
  }}
}}
"""


def missing():
    """What this machine lacks, or None.  Tests skip with it."""
    if os.geteuid() != 0:
        return "dovecot.py needs root"
    if DOVECOT is None:
        return "dovecot is not installed"
    return next((f"{path} is missing" for path in NEEDED if not os.path.exists(path)), None)


def free_ports():
    """Ports nobody uses now.  All are held until all are known, so that they differ."""
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True))
                for _ in PORTS]
        return {name: holder.getsockname()[1] for name, holder in zip(PORTS, held)}


@contextlib.contextmanager
def mail_directory(owner):
    """Where mailboxes live while we run.  Not below DIRECTORY: that may be closed to the mail user, as
    mktemp's directories are, and Dovecot opens no mailbox as root."""
    with tempfile.TemporaryDirectory(prefix="entra-dovecot-") as path:
        os.chown(path, owner.pw_uid, owner.pw_gid)
        yield path


def configure(home, entra, ports, mail, mail_user):
    """All files below home.  Returns the path of dovecot.conf."""
    for name in ("run", "state"):
        (home / name).mkdir(mode=0o755, parents=True, exist_ok=True)
    certificate, key = certificates.issue(entra, "dovecot")
    control = json.loads((entra / "ready.json").read_text(encoding="utf-8"))["control"]
    (home / "passdb.lua").write_text(f'entra_control = "{control}"\ndofile("{SCRIPT}")\n', encoding="utf-8")
    path = home / "dovecot.conf"
    path.write_text(CONFIGURATION.format(home=home, certificate=certificate, key=key, mail=mail, mail_user=mail_user,
                                         **ports), encoding="utf-8")
    return path


def answers(port):
    """Does a server greet there?"""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            return bool(connection.recv(1))
    except OSError:
        return False


@contextlib.contextmanager
def running(configuration, errors):
    """A Dovecot in the foreground, ended with the block."""
    with open(errors, "wb") as stderr:
        server = subprocess.Popen([DOVECOT, "-F", "-c", configuration], env={"PATH": PATH},
                                  stdin=subprocess.DEVNULL, stderr=stderr)
    try:
        yield server
    finally:
        server.terminate()
        server.wait()


def serve(home, entra):
    """Run until SIGTERM; raises RuntimeError if Dovecot does not come up or ends by itself."""
    ready, stopping = home / "ready.json", threading.Event()
    home.mkdir(parents=True, exist_ok=True)
    ready.unlink(missing_ok=True)
    ports, mail_user = free_ports(), pwd.getpwnam("nobody")
    listening.stop_on_signals(stopping)
    with contextlib.ExitStack() as stack:
        mail = stack.enter_context(mail_directory(mail_user))
        configuration = configure(home, entra, ports, mail, mail_user)
        signal.signal(signal.SIGCHLD, lambda *_: stopping.set())        # from here on the only child is Dovecot
        server = stack.enter_context(running(configuration, home / "dovecot.err"))
        stack.callback(ready.unlink, missing_ok=True)
        deadline = time.monotonic() + READY_SECONDS
        while not stopping.is_set() and not (answers(ports["imap_port"]) and answers(ports["pop_port"])):
            if time.monotonic() > deadline:
                raise RuntimeError(f"Dovecot did not come up; see '{home}/dovecot.log'")
            stopping.wait(0.05)
        if server.poll() is None:
            listening.write_private(ready, ports | {"pid": os.getpid(), "dovecot_pid": server.pid})
        stopping.wait()
        if server.poll() is not None:
            raise RuntimeError(f"Dovecot ended by itself; see '{home}/dovecot.err' and dovecot.log")


def main():
    parser = argparse.ArgumentParser(description="a private Dovecot whose logins the emulator decides")
    parser.add_argument("directory", metavar="DIRECTORY", type=pathlib.Path)
    parser.add_argument("--entra", metavar="DIRECTORY", type=pathlib.Path, required=True,
                        help="of the running emulator")
    options = parser.parse_args()
    try:
        if missing():
            raise RuntimeError(missing())
        serve(options.directory.resolve(), options.entra.resolve())
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(f"dovecot.py: {error}")


if __name__ == "__main__":
    main()
