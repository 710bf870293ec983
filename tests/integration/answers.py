#!/usr/bin/env python3
"""Run a program on a terminal of its own and answer its questions.

    answers.py PROMPT ANSWER [PROMPT ANSWER]... -- COMMAND...

Each answer is typed once its prompt was printed, in this order; ^C and ^D are these keys.  @FILE is a secret in a file, which is
typed once the terminal does not show it; so are @^C and @^D.  Prints all that the terminal showed, and exits as the program does; 1 and a word if a
prompt does not come within 30 seconds.
"""
import os
import pty
import select
import sys
import termios
import time

KEYS = {"^C": b"\x03", "^D": b"\x04"}
PATIENCE = 30  # seconds


def typed(answer):
    if answer.lstrip("@") in KEYS:
        return KEYS[answer.lstrip("@")]
    if answer.startswith("@"):
        with open(answer[1:], "rb") as stream:
            return stream.read().rstrip(b"\n") + b"\n"
    return answer.encode() + b"\n"


class Screen:
    def __init__(self, terminal):
        self.terminal = terminal
        self.text = b""
        self.seen = 0  # how far the prompts have come

    def read(self, until):
        """Some more; False at the end."""
        if not select.select([self.terminal], [], [], max(0.0, until - time.monotonic()))[0]:
            raise TimeoutError
        try:
            more = os.read(self.terminal, 65536)
        except OSError:  # the last program has closed the other side
            more = b""
        self.text += more
        return bool(more)

    def wait_for(self, prompt):
        until = time.monotonic() + PATIENCE
        while (place := self.text.find(prompt, self.seen)) < 0:
            if not self.read(until):
                raise EOFError
        self.seen = place + len(prompt)

    def is_hushed(self):
        """Whether the terminal shows nothing of what is typed, now or soon."""
        until = time.monotonic() + PATIENCE
        while termios.tcgetattr(self.terminal)[3] & termios.ECHO:
            if time.monotonic() > until:
                return False
            time.sleep(0.01)
        return True


def converse(screen, questions):
    for prompt, answer in questions:
        try:
            screen.wait_for(prompt.encode())
        except (TimeoutError, EOFError):
            return f"this was not asked: {prompt}"
        if answer.startswith("@") and not screen.is_hushed():
            return f"what is typed would be shown: {prompt}"
        os.write(screen.terminal, typed(answer))
    until = time.monotonic() + PATIENCE
    try:
        while screen.read(until):
            pass
    except TimeoutError:
        return "it does not end"
    return None


def main(arguments):
    split = arguments.index("--")
    questions = list(zip(arguments[:split:2], arguments[1:split:2]))
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(arguments[split + 1], arguments[split + 1:])
    screen = Screen(terminal)
    trouble = converse(screen, questions)
    if trouble:
        os.kill(pid, 9)
    status = os.waitpid(pid, 0)[1]
    sys.stdout.write(screen.text.decode(errors="replace").replace("\r\n", "\n"))
    if trouble:
        sys.exit(f"\n{trouble}")
    sys.exit(os.waitstatus_to_exitcode(status))


main(sys.argv[1:])
