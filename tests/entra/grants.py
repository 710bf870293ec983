"""grants.py - refresh tokens and the sign-ins ("grants") they descend from."""

import dataclasses
import re
import secrets
import threading
import time

from refusals import Refusal

FORM = re.compile(r"1\.AX[A-Za-z0-9_-]{800,}")


@dataclasses.dataclass
class Grant:
    """A user signed in to an app, once."""
    user: str
    client_id: str
    scope: str
    issued: float
    revoked: float = None


@dataclasses.dataclass
class RefreshToken:
    grant: Grant
    issued: float
    used: bool = False
    dead: bool = False


def when(moment):
    return time.strftime("%Y-%m-%dT%H:%M:%S.0000000Z", time.gmtime(moment))


class Grants:
    """All refresh tokens, by value."""

    def __init__(self, journal, settings):
        self._journal, self._settings = journal, settings
        self._lock = threading.Lock()
        self._tokens = {}

    def new(self, user, client_id, scope):
        """A sign-in happened."""
        return Grant(user, client_id, scope, time.time())

    def refresh_token(self, grant):
        """One more refresh token for a grant: opaque, of Microsoft's usual size."""
        value = self._journal.issued("1.AX" + secrets.token_urlsafe(900))
        with self._lock:
            self._tokens[value] = RefreshToken(grant, time.time())
        return value

    def revoke(self, user=None, client_id=None, refresh_token=None):
        """End all grants that match.  Returns how many."""
        with self._lock:
            chosen = {id(row.grant): row.grant for value, row in self._tokens.items()
                      if (user is None or row.grant.user == user.lower())
                      and (client_id is None or row.grant.client_id == client_id.lower())
                      and (refresh_token is None or value == refresh_token)}
            for grant in chosen.values():
                grant.revoked = grant.revoked or time.time()
            return len(chosen)

    def use(self, value, client_id):
        """Redeem a refresh token for client_id.  Returns its grant, or raises the Refusal that fits.

        What using it up means is a setting; Entra's way is that it stays good."""
        if not FORM.fullmatch(value):
            raise Refusal(9002313, error="invalid_grant")
        with self._lock:
            row = self._tokens.get(value)
            if row is None:
                raise Refusal(70000)
            grant = row.grant
            if grant.client_id != client_id:
                raise Refusal(70000, suberror="client_mismatch")
            if grant.revoked:
                raise Refusal(50173, issued=when(grant.issued), valid_from=when(grant.revoked))
            lifetime = self._settings.refresh_token_lifetime
            if time.time() >= row.issued + lifetime:
                raise Refusal(700082, issued=when(row.issued), lifetime=lifetime)
            if row.used and self._settings.reuse_detection:
                grant.revoked = time.time()
            if row.dead or grant.revoked:
                raise Refusal(70000)
            return grant

    def spent(self, value):
        """Another one was issued for it: only now does it count as used."""
        with self._lock:
            row = self._tokens[value]
            row.used = True
            row.dead = self._settings.refresh_rotation == "single_use"
