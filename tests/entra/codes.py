"""codes.py - authorization codes (RFC 6749, section 4.1) and the proof keys that go with them (RFC 7636)."""

import base64
import dataclasses
import hashlib
import hmac
import re
import secrets
import threading
import time

import form as forms
from refusals import Refusal

FORM = re.compile(r"1\.A[A-Za-z0-9_-]{500,}")
PROOF = re.compile(r"[A-Za-z0-9._~-]{43,128}")     # a code_verifier, and a code_challenge that is one
METHODS = {"plain": lambda verifier: verifier,
           "S256": lambda verifier: base64.urlsafe_b64encode(
               hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()}
S256_LENGTH = 43


@dataclasses.dataclass(frozen=True)
class Challenge:
    text: str
    method: str

    def met_by(self, verifier):
        return hmac.compare_digest(METHODS[self.method](verifier), self.text)


@dataclasses.dataclass
class Code:
    """A user signed in for an app, which has not fetched the tokens yet."""
    authority: str              # Authority.key of the TENANT it was made at
    client_id: str
    redirect_uri: str
    user: str
    scope: str
    challenge: Challenge
    nonce: str
    expires: float
    redeemed: bool = False


def read_challenge(form):
    """The Challenge of an authorization request, or None: Entra does not insist on one."""
    text, method = form.get("code_challenge"), form.get("code_challenge_method")
    if method not in (None, *METHODS):
        raise Refusal(90023, parameter="code_challenge_method")
    if text is None:
        if method is not None:
            raise Refusal(50147)
        return None
    if not PROOF.fullmatch(text) or (method == "S256" and len(text) != S256_LENGTH):
        raise Refusal(501491)
    return Challenge(text, method or "plain")


class Codes:
    """All authorization codes of a run."""

    def __init__(self, journal, settings):
        self._journal, self._settings = journal, settings
        self._lock = threading.Lock()
        self._codes = {}

    def new(self, authority, app, user, redirect_uri, scope, challenge, nonce):
        value = self._journal.issued("1.AY" + secrets.token_urlsafe(450))
        with self._lock:
            self._codes[value] = Code(authority.key, app.client_id, redirect_uri, user.address, scope, challenge, nonce,
                                      time.time() + self._settings.code_lifetime)
        return value

    def redeem(self, form, authority, client_id):
        """The Code of a token request, used up now.  Raises the Refusal that fits, and then it is not used up."""
        value, redirect_uri = forms.required(form, "code"), forms.required(form, "redirect_uri")
        if not FORM.fullmatch(value):
            raise Refusal(9002313, error="invalid_grant")
        with self._lock:
            row = self._codes.get(value)
            if row is None:
                raise Refusal(70000)
            if row.client_id != client_id:
                raise Refusal(70000, suberror="client_mismatch")
            if row.authority != authority.key:
                raise Refusal(700005)
            if row.redeemed:
                raise Refusal(54005)
            if time.time() >= row.expires:
                raise Refusal(70008)
            if redirect_uri != row.redirect_uri:
                raise Refusal(500112, sent=redirect_uri, before=row.redirect_uri)
            self._check_verifier(row, form.get("code_verifier"))
            row.redeemed = True
            return row

    def _check_verifier(self, row, verifier):
        """It is there if and only if there was a challenge, and it is the right one."""
        if verifier is not None:
            self._journal.issued(verifier)         # the client's secret, until now
            if not PROOF.fullmatch(verifier):
                raise Refusal(501491)
            if row.challenge is None or not row.challenge.met_by(verifier):
                raise Refusal(501481)
        elif row.challenge is not None:
            raise Refusal(9002313, error="invalid_grant")
