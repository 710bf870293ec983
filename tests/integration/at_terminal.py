#!/usr/bin/env python3
"""Run a sign-in at a terminal, as a person who pastes the address there.

    at_terminal.py CA ENDING PROGRAM [ARGUMENT...]

Waits for the link.  ENDING: `paste` fetches it, trusting CA, and pastes the address that it leads to, made longer than a
terminal's line; `interrupt` types Control-C; `terminate` sends SIGTERM.  Prints what the terminal showed, or PASTED if
that was a part of the pasted address, whether the terminal is as it was before, and the exit status.
"""
import os
import pty
import re
import select
import signal
import ssl
import sys
import termios
import time
import urllib.request

PATIENCE = 60  # seconds
LINE = 4096    # bytes that a terminal passes on as one line
PART = 12      # characters of an address that tell it from everything else


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def redirect_of(url, ca):
    opener = urllib.request.build_opener(Stay, urllib.request.ProxyHandler({}),
                                         urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca)))
    try:
        opener.open(url)
    except urllib.error.HTTPError as error:
        return error.headers["Location"]
    raise SystemExit("the link leads nowhere")


class Terminal:
    def __init__(self, command):
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.seen = b""
        self.ends = time.monotonic() + PATIENCE
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.master)
            os.login_tty(self.slave) if hasattr(os, "login_tty") else self.become_terminal()
            os.execvp(command[0], command)

    def become_terminal(self):
        os.setsid()
        os.close(os.open(os.ttyname(self.slave), os.O_RDWR))
        for number in (0, 1, 2):
            os.dup2(self.slave, number)

    def read(self):
        if select.select([self.master], [], [], 0.1)[0]:
            self.seen += os.read(self.master, 65536)
        if time.monotonic() > self.ends:
            os.kill(self.pid, signal.SIGKILL)
            raise SystemExit(f"it takes too long; there is:\n{self.text()}")

    def wait_for(self, pattern):
        while not (found := re.search(pattern, self.text())):
            self.read()
        return found

    def type(self, text):
        """A terminal takes only so much at once."""
        data = text.encode()
        while data:
            data = data[os.write(self.master, data[:1000]):]
            self.read()

    def text(self):
        return self.seen.decode(errors="replace").replace("\r\n", "\n")

    def end(self):
        while not (status := os.waitpid(self.pid, os.WNOHANG))[0]:
            self.read()
        while select.select([self.master], [], [], 0)[0]:
            self.seen += os.read(self.master, 65536)
        return os.waitstatus_to_exitcode(status[1])


def main(ca, ending, *command):
    terminal = Terminal(command)
    link = terminal.wait_for(r"\n(https://\S+)\n").group(1)
    terminal.wait_for(r"waiting, 14:5\d left")
    pasted = ""
    if ending == "paste":
        pasted = redirect_of(link, ca) + "&padding=" + "x" * LINE
        terminal.type(pasted)
        terminal.wait_for(r"\d+ characters pasted: press Enter")
        terminal.type("\n")
    elif ending == "interrupt":
        terminal.type("\x03")
    else:
        os.kill(terminal.pid, signal.SIGTERM)
    status = terminal.end()
    shown = any(pasted[at:at + PART] in terminal.text() for at in range(pasted.find("?") + 1, len(pasted) - PART)
                if pasted[at:at + PART] not in link)
    print("PASTED" if shown else terminal.text())
    print("terminal:", "as before" if termios.tcgetattr(terminal.slave) == terminal.before else "changed")
    print("status:", status)


main(*sys.argv[1:])
