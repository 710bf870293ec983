"""journal.py - what happened, for tests to ask about: counters, requests.log, issued.txt.

The request log never holds a secret, not even one a client put into the wrong field: identifiers are
logged only if they look like such, tokens as the first digits of their SHA-256.  issued.txt is the
opposite: every secret value there is, so that a test can search all other files for them.
"""

import hashlib
import json
import os
import re
import threading
import time

GUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
WORDS = re.compile(r" *[!-~]{1,60}( +[!-~]{1,60}){0,9} *")      # shorter words than any secret of ours
LABELS = re.compile(r"[A-Za-z0-9.-]{1,60}")


def fingerprint(secret):
    """Enough of a digest to tell tokens apart, too little to be one."""
    return hashlib.sha256(secret.encode()).hexdigest()[:12]


def new_counters():
    return {"token": {"client_credentials": 0, "refresh_token": 0, "device_code": 0, "authorization_code": 0, "other": 0},
            "devicecode": 0, "authorize": 0, "adminconsent": 0, "may_open": 0, "total": 0, "refused": 0, "failed": 0,
            "identity": {"imds": 0, "app_service": 0, "arc": 0, "arc_challenges": 0, "arc_fooled": 0}}


class Journal:
    """Counters and files of one run."""

    def __init__(self, directory):
        self._lock = threading.Lock()
        self._requests = open_private(directory / "requests.log")
        self._issued = open_private(directory / "issued.txt")
        self._counters = new_counters()
        self._waiting = 0                # requests for tokens that came in and have not been answered

    def issued(self, secret):
        """Remember a secret value: token, code, client secret."""
        with self._lock:
            self._issued.write(secret + "\n")
            self._issued.flush()
        return secret

    # Counting

    def arrived(self, endpoint, grant_type):
        """A request came in on the HTTPS port, or for a managed identity: endpoint is its source then."""
        with self._lock:
            if endpoint in self._counters["identity"]:
                self._counters["identity"][endpoint] += 1
                self._waiting += 1
                return
            self._counters["total"] += 1
            if endpoint == "token":
                self._counters["token"][grant_type] += 1
                self._waiting += 1
            elif endpoint in ("devicecode", "authorize", "adminconsent"):
                self._counters[endpoint] += 1

    def answered(self, endpoint, outcome):
        """It was dealt with: outcome is "ok", "refused" (by a rule), "failed" (on request of a test) or
        "challenged" (by Arc)."""
        with self._lock:
            if endpoint == "token" or endpoint in self._counters["identity"]:
                self._waiting -= 1
            if outcome in ("refused", "failed"):
                self._counters[outcome] += 1

    def arc(self, challenged, fooled):
        with self._lock:
            self._counters["identity"]["arc_challenges"] += challenged
            self._counters["identity"]["arc_fooled"] += fooled

    def asked_may_open(self):
        with self._lock:
            self._counters["may_open"] += 1

    def counters(self):
        with self._lock:
            return json.loads(json.dumps(self._counters)) | {"waiting": self._waiting}

    def reset(self):
        with self._lock:
            self._counters = new_counters()

    # Logging

    def log(self, **fields):
        """One line in requests.log.  None is left out."""
        entry = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        entry.update((name, value) for name, value in fields.items() if value is not None)
        line = json.dumps(entry) + "\n"
        with self._lock:
            self._requests.write(line)
            self._requests.flush()


def loggable_id(value):
    """A client id if it is one, else only that it was not."""
    return value if value is None or GUID.fullmatch(value) else f"(not a GUID, {len(value)} characters)"


def loggable_scope(value):
    return value if value is None or WORDS.fullmatch(value) else f"(not a scope, {len(value)} characters)"


def loggable_name(value):
    """A tenant or a mailbox: short labels, perhaps with an '@'."""
    plain = all(LABELS.fullmatch(part) for part in value.split("@", 1))
    return value if plain else f"(not a name, {len(value)} characters)"


def open_private(path):
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "w", encoding="utf-8")
