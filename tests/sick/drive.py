#!/usr/bin/python3
"""drive.py - puts sasl-bearer through the table of cases.

    drive.py conf DIRECTORY SECRET_FILE      prints the sections of sasl.conf for sick.py's endpoints
    drive.py play DIRECTORY SASL_BEARER      plays all cases; DIRECTORY/verdicts/CASE says what was wrong, or is empty

DIRECTORY is sick.py's.  For each case: a person signs in; then the provider falls ill, and a person and an application each
want a token; then it is well again, and both must get one within the time that the table grants, with what was stored.
"""

import base64
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import cases

TIMEOUT = 5  # oauth2_timeout, seconds
SLACK = float(os.environ.get("SICK_SLACK", "8"))  # seconds that a process may need besides, on a machine with much to do
AT_ONCE = 12
PART = 16   # characters of a secret that are too much already
USER = {"app": "{}@app.sick.test", "user": "{}@user.sick.test"}


class Sick:
    """The provider's directory and control port."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.ready = json.loads((self.directory / "ready.json").read_text())

    def post(self, path, body=""):
        request = urllib.request.Request(f"{self.ready['control']}/{path}", body.encode())
        urllib.request.urlopen(request, timeout=20).close()

    def counts(self):
        with urllib.request.urlopen(f"{self.ready['control']}/counts", timeout=20) as answer:
            return json.load(answer)

    def base(self, case):
        host = case.host if "://" in case.host else f"https://{case.host}"
        return f"{host}:{self.ready['ports'][case.name]}"

    def endpoint(self, case, who):
        return case.url or f"{self.base(case)}/{case.name}/{who}/token"


def write_conf(sick, secret_file):
    for case in cases.TABLE:
        for who in case.who:
            print(f"[{USER[who].format(case.name)}]")
            print(f"oauth2_token_endpoint: {sick.endpoint(case, who)}")
            print("oauth2_tenant: sick.test\noauth2_client_id: 5fc0ffee-1111-4111-8111-0123456789ab")
            if who == "app":
                print(f"oauth2_provider: app_only\noauth2_client_secret_file: {secret_file}")


def secret_forms():
    """Every secret so far, as it may look in a text."""
    for secret in set((SICK.directory / "secret-issued").read_text(errors="replace").split("\n")):
        if len(secret) >= 12:
            yield from {secret, urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret),
                        base64.b64encode(secret.encode(errors="replace")).decode()[:-3]}


def hidden(text):
    """The text without secrets: what a test prints is a log too."""
    forms = sorted(secret_forms(), key=len, reverse=True)
    for form in forms + [form[:PART] for form in forms]:
        text = text.replace(form, "<secret>")
    return text


class Run:
    """One run of the program, and what can be seen of it."""

    def __init__(self, case, arguments, stdin=""):
        command = list(arguments)
        if case.dns:  # with a name server of our own, seen by this process alone
            mount = 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'
            command = ["unshare", "-m", "sh", "-c", mount, "sh", str(SICK.directory / "resolv.conf")] + command
        began = time.monotonic()
        try:
            done = subprocess.run(command, input=stdin.encode(), capture_output=True, timeout=30, check=False)
            self.status, self.out = done.returncode, done.stdout.decode(errors="replace")
            self.err = done.stderr.decode(errors="replace")
        except subprocess.TimeoutExpired:
            self.status, self.out, self.err = -1, "", "did not end within 30 seconds\n"
        self.seconds = time.monotonic() - began

    def __str__(self):
        return f"status {self.status} after {self.seconds:.2f} s: {hidden(self.err.strip())[:900]!r}"


class Trial:
    """A case, played to one account."""

    def __init__(self, case, who, program):
        self.case, self.who, self.program = case, who, program
        self.user = USER[who].format(case.name)
        self.wrong = []

    def expect(self, what, so, run=""):
        if not so:
            self.wrong.append(f"{self.who}: {what}: {run}" if run else f"{self.who}: {what}")

    def run(self, name, *arguments, stdin=""):
        run = Run(self.case, [self.program, name, *arguments, self.user], stdin)
        with open(SICK.directory / "runs.txt", "a", encoding="utf-8") as log:
            log.write(f"{self.user} {name}: {run}\n")
        return run

    def requests(self):
        return SICK.counts().get(f"{self.case.name}/{self.who}", 0)

    def sign_in(self):
        if self.who == "user" and not self.case.url:
            run = self.run("login", "--with-refresh-token", stdin="rt.as.it.came.from.elsewhere")
            self.expect("cannot sign in while all is well", run.status == 0, run)

    def in_time(self, run, seconds=TIMEOUT):
        self.expect(f"took longer than {seconds} s", run.seconds < seconds + SLACK, run)

    def secretive(self, run):
        """No secret in what was said, nor a good part of one."""
        text = run.err + ("" if run.status == 0 else run.out)
        self.expect("a secret was told", not any(form[:PART] in text for form in secret_forms()), run)

    def one_line(self, run):
        lines = run.err.split("\n")
        said = self.case.says.replace("{url}", SICK.base(self.case))
        self.expect(f"standard error does not say '{said}'", said in run.err, run)
        self.expect("standard error is not one line of ours",
                    len(lines) == 2 and lines[1] == "" and lines[0].startswith("sasl-bearer: "), run)
        self.expect("control characters on standard error", lines[0].isprintable(), run)
        self.expect("something on standard output", run.out == "", run)

    def play(self):
        """A login while the provider is ill."""
        before = self.requests()
        run = self.run("token")
        self.in_time(run)
        self.secretive(run)
        self.expect(f"the exit status is not {self.case.status}", run.status == self.case.status, run)
        if run.status == 0:
            self.expect("said something", run.err == "", run)
            self.expect("no token on standard output", len(run.out.strip()) >= 12 and run.out.count("\n") == 1, run)
        elif self.case.status != 0:
            self.one_line(run)
        sent = self.requests() - before
        self.expect(f"sent {sent} requests", sent <= self.case.requests)
        if self.case.rests:
            self.rest(run)

    def rest(self, first):
        """While the pause lasts nobody asks again, and everybody hears the reason."""
        before = self.requests()
        run = self.run("token")
        self.expect("asked again before the pause was over", self.requests() == before, run)
        self.expect("says another thing the second time", (run.status, run.err) == (first.status, first.err), run)
        self.pause_ends = time.monotonic() + self.case.rests

    def recover(self, began):
        """A login when the provider is well again."""
        if self.case.url:
            return
        if self.case.status != cases.OK and self.case.recovers:
            ends = began + self.case.recovers + (SLACK - 1)
            run = self.run("token")
            while run.status == self.case.status and time.monotonic() < ends:
                time.sleep(0.2)
                run = self.run("token")
            self.expect(f"no login within {self.case.recovers} s of the outage's end", run.status == 0, run)
            self.secretive(run)
        run = self.run("renew")
        self.expect("cannot renew when all is well again: what was stored is lost", run.status == 0, run)
        self.secretive(run)
        run = self.run("token")
        self.expect("no token after renew", run.status == 0 and run.out.startswith("at."), run)


def fall_ill(case):
    if not case.url:
        SICK.post(f"play/{case.name}/{case.name}")


def get_well(case):
    if not case.url:
        SICK.post(f"play/{case.name}/well")


def play(program):
    (SICK.directory / "resolv.conf").write_text(f"nameserver {SICK.ready['name_server']}\n")
    verdicts = SICK.directory / "verdicts"
    verdicts.mkdir(exist_ok=True)
    trials = {case.name: [Trial(case, who, program) for who in case.who] for case in cases.TABLE}

    def one(case):
        mine = trials[case.name]
        try:
            fall_ill(case)
            with concurrent.futures.ThreadPoolExecutor(2) as both:
                list(both.map(Trial.play, mine))
            get_well(case)
            began = time.monotonic()
            with concurrent.futures.ThreadPoolExecutor(2) as both:
                list(both.map(lambda trial: trial.recover(began), mine))
        except Exception as error:  # pylint: disable=broad-except
            mine[0].expect(f"the test itself failed: {error!r}", False)
        wrong = [line for trial in mine for line in trial.wrong]
        (verdicts / case.name).write_text("".join(f"{line}\n" for line in wrong))

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(Trial.sign_in, [trial for both in trials.values() for trial in both]))
        time.sleep(2)  # until the tokens that the sign-ins brought are over
        list(pool.map(one, cases.TABLE))
    stolen = SICK.counts()["elsewhere"]
    (SICK.directory / "elsewhere").write_text(f"{stolen}\n")


SICK = Sick(sys.argv[2])
if sys.argv[1] == "conf":
    write_conf(SICK, sys.argv[3])
else:
    play(sys.argv[3])
