"""device.py - the device flow (RFC 8628): the devicecode endpoint, and what a poll gets."""

import dataclasses
import secrets
import threading
import time

import client_auth
import form as forms
import scopes
from directory import UnknownName
from refusals import Refusal, SlowDown

USER_CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


@dataclasses.dataclass
class DeviceCode:
    device_code: str
    user_code: str
    authority: str              # Authority.key of the TENANT it was made at
    client_id: str
    scope: str
    created: float
    expires: float
    interval: int
    outcome: str = None         # None, "approved", "declined", "redeemed"
    user: str = None
    polls: int = 0
    slowed: int = 0
    last_poll: float = 0.0


class NotPossible(ValueError):
    """A decision that the sign-in page would not have allowed."""


class Devices:
    """All device codes of a run."""

    def __init__(self, journal, settings, directory):
        self._journal, self._settings, self._directory = journal, settings, directory
        self._lock = threading.Lock()
        self._codes = {}

    def new(self, authority, client_id, scope):
        settings, now = self._settings, time.time()
        row = DeviceCode(self._journal.issued("DAQ" + secrets.token_urlsafe(180)),
                         "".join(secrets.choice(USER_CODE_LETTERS) for _ in range(9)),
                         authority.key, client_id, scope, now, now + settings.device_lifetime,
                         settings.device_interval or 5)
        with self._lock:
            self._codes[row.device_code] = row
        return row

    def pending(self):
        """What a person could still decide on, newest first."""
        now = time.time()
        with self._lock:
            return [row for row in reversed(self._codes.values()) if row.outcome is None and now < row.expires]

    def decide(self, outcome, user_code=None, user=None):
        """A person typed user_code and answered; without user_code the newest one is meant."""
        for row in self.pending():
            if user_code in (None, row.user_code):
                self._decide(row, outcome, user or self._settings.device_user)
                return row
        raise NotPossible("no such user code is pending")

    def _decide(self, row, outcome, user):
        if outcome == "approved":
            account = self._directory.user(user)
            if account.disabled:
                raise NotPossible(f"'{user}' is disabled")
            if not self._directory.authority(row.authority).admits(self._directory.tenant_of(account.address)):
                raise NotPossible(f"'{user}' cannot sign in at '{row.authority}'")
            row.user = account.address
        row.outcome = outcome

    def poll(self, value, authority, client_id):
        """The code, once it is approved.  Raises the Refusal that the poll is answered with."""
        with self._lock:
            row = self._codes.get(value)
            if row is None or row.client_id != client_id:
                raise Refusal(70018)
            if row.authority != authority.key:
                raise Refusal(700005)
            now, before = time.time(), row.last_poll
            row.last_poll = now
            if now >= row.expires:
                raise Refusal(70019)
            if row.outcome == "redeemed":
                raise Refusal(90120)
            self._slow_down(row, now - before)
            self._decide_alone(row, now)
            if row.outcome is None:
                row.polls += 1
                raise Refusal(70016)
            if row.outcome == "declined":
                raise Refusal(65004)
            return row

    def _slow_down(self, row, since_last_poll):
        if row.slowed < self._settings.device_slow_down:
            row.slowed += 1
            raise SlowDown()
        if self._settings.device_enforce_interval and since_last_poll < row.interval - 0.1:
            row.interval += 5
            raise SlowDown()

    def _decide_alone(self, row, now):
        settings = self._settings
        if (row.outcome is None and settings.device_outcome != "wait" and row.polls >= settings.device_after_polls
                and now >= row.created + settings.device_after_seconds):
            outcome = {"approve": "approved", "decline": "declined"}[settings.device_outcome]
            try:
                self._decide(row, outcome, settings.device_user)
            except (NotPossible, UnknownName):
                raise Refusal(50020, user=settings.device_user, tenant=row.authority, client_id=row.client_id) from None

    def redeemed(self, row):
        with self._lock:
            row.outcome = "redeemed"


def devicecode(emulator, request, authority):
    """POST /TENANT/oauth2/v2.0/devicecode: the reply's JSON."""
    if emulator.settings.device_refuse is not None:
        raise Refusal(emulator.settings.device_refuse, status=200)
    form = request.form
    app = client_auth.find_app(emulator.directory, authority, forms.required(form, "client_id"))
    scopes.delegated(forms.required(form, "scope"), authority.segment)
    row = emulator.devices.new(authority, app.client_id, form["scope"])
    uri = ("https://www.microsoft.com/link" if authority.alias == "consumers" else "https://microsoft.com/devicelogin")
    reply = {"user_code": row.user_code, "device_code": row.device_code, "verification_uri": uri,
             "expires_in": int(row.expires - row.created), "interval": emulator.settings.device_interval,
             "message": f"To sign in, use a web browser to open the page {uri} and enter the code {row.user_code} "
                        "to authenticate."}
    return {name: value for name, value in reply.items() if value is not None}
