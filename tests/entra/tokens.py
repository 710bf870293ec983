"""tokens.py - making access tokens, and judging them when a mail server shows one.

Tokens of work accounts look like Exchange's: v1.0 JWTs of about 1.8 kB.  They are signed with a key
that dies with the process (HS256: nobody but us verifies them).  Tokens of personal accounts are
opaque, as Microsoft's are, and looked up in a table.
"""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
import uuid

LENGTH = 1800                   # characters of a work token; real ones have one to three thousand


class BadToken(Exception):
    """Not one of ours, or no longer good; the text says which."""


def b64url(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def unb64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def compact(document):
    return json.dumps(document, separators=(",", ":")).encode()


class Tokens:
    """The issuer.  `journal` is told every token made."""

    def __init__(self, journal):
        self._journal = journal
        self._key = secrets.token_bytes(32)
        self._header = b64url(compact({"typ": "JWT", "alg": "HS256", "kid": secrets.token_urlsafe(20)}))
        self._personal = {}             # SHA-256 of an opaque token: its claims
        self._generation = 0            # tokens of earlier generations were expired by a test
        self._lock = threading.Lock()

    # Making them

    def delegated(self, app, user, tenant, audience, permissions, lifetime, proof=None):
        """An access token for a user; the app got `permissions`."""
        given_name = user.name.split()[0]
        claims = self._claims(app, tenant, audience, lifetime, proof) | {
            "amr": ["pwd", "mfa"], "given_name": given_name, "idtyp": "user", "name": user.name, "oid": user.oid,
            "puid": "1003200" + user.oid[:9].replace("-", "").upper(), "scp": " ".join(permissions),
            "signin_state": ["kmsi"], "sub": b64url(hashlib.sha256((app.client_id + user.oid).encode()).digest()),
            "unique_name": user.address, "upn": user.address}
        return self._opaque(claims) if tenant.personal else self._jwt(claims)

    def app_only(self, app, tenant, audience, lifetime, proof=None):
        """An access token for the app itself.  Without app roles it has no roles claim, and is issued all the same."""
        object_id = app.service_principals[tenant.id]
        claims = self._claims(app, tenant, audience, lifetime, proof) | app.extra_claims | {
            "idp": f"https://sts.windows.net/{tenant.id}/", "idtyp": "app", "oid": object_id, "sub": object_id}
        roles = app.roles_in(tenant)
        if roles:
            claims["roles"] = roles
        return self._jwt(claims)

    def identity(self, app, user, tenant, wanted, host, nonce=None):
        """An id_token.  Who reads it wants to know who signed in."""
        now = int(time.time())
        claims = {"aud": app.client_id, "iss": f"https://{host}/{tenant.id}/v2.0", "iat": now, "nbf": now,
                  "exp": now + 3600, "name": user.name, "oid": user.oid, "preferred_username": user.address,
                  "sub": b64url(hashlib.sha256((user.oid + app.client_id).encode()).digest()), "tid": tenant.id,
                  "upn": user.address, "ver": "2.0"}
        if "email" in wanted.oidc:
            claims["email"] = user.address
        if nonce is not None:
            claims["nonce"] = nonce
        return self._journal.issued(self._sign(claims))

    def _claims(self, app, tenant, audience, lifetime, proof):
        """What all have.  proof: how the app proved itself (client_auth.Client), None where no request was made."""
        now = int(time.time())
        return {"aud": audience, "iss": f"https://sts.windows.net/{tenant.id}/", "iat": now, "nbf": now,
                "exp": now + lifetime, "acr": "1", "app_displayname": app.name, "appid": app.client_id,
                "appidacr": proof or ("0" if app.public else "1"), "enfpolids": [], "ipaddr": "192.0.2.17",
                "tid": tenant.id, "uti": secrets.token_urlsafe(16), "sid": str(uuid.uuid4()), "ver": "1.0",
                "wids": ["b79fbf4d-3ef9-4689-8143-76b194e85509"], "xms_gen": self._generation}

    def _jwt(self, claims):
        """Signed, and brought to Exchange's size by a long "aio", which the real ones have as well."""
        signature = 43
        room = (LENGTH - len(self._header) - signature - len("..")) * 3 // 4 - len(compact(claims | {"aio": ""}))
        claims["aio"] = secrets.token_urlsafe(LENGTH)[:max(room, 24)]
        return self._journal.issued(self._sign(claims))

    def _sign(self, claims):
        signed = self._header + "." + b64url(compact(claims))
        return signed + "." + self._signature(signed)

    def _signature(self, signed):
        return b64url(hmac.digest(self._key, signed.encode(), "sha256"))

    def _opaque(self, claims):
        token = "EwB" + base64.b64encode(secrets.token_bytes(900)).decode()
        with self._lock:
            self._personal[hashlib.sha256(token.encode()).digest()] = claims
        return self._journal.issued(token)

    # Judging them

    def expire_all(self):
        """All tokens made so far are expired from now on."""
        with self._lock:
            self._generation += 1

    def open(self, token, now=None):
        """The claims of a good token.  Raises BadToken."""
        now = time.time() if now is None else now
        claims = self._personal.get(hashlib.sha256(token.encode()).digest()) or self._verified(token)
        if claims["exp"] <= now or claims["xms_gen"] < self._generation:
            raise BadToken("token has expired")
        if claims["nbf"] > now:
            raise BadToken("token is not valid yet")
        return claims

    def _verified(self, token):
        signed, _, signature = token.rpartition(".")
        if not signed.isascii() or not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            raise BadToken("token was not issued here")
        return json.loads(unb64url(signed.partition(".")[2]))
