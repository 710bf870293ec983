"""assertions.py - client assertions (RFC 7523): an app proves itself with a JWT instead of a secret.

Either the app signed it with the key of a certificate that is registered for it, or a foreign issuer did whom a
federated credential of the app names.  The latter have an https issuer, so "iss" tells which it is.
"""

import dataclasses
import secrets
import threading
import time

import jwt_strict
from grants import when
from refusals import Refusal
from rsa_keys import BadKey, PrivateKey, PublicKey
from tokens import b64url

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
KEYS_READ = 100                                    # of an issuer's; later ones might as well not be there


@dataclasses.dataclass(frozen=True)
class FederatedCredential:
    """Whose tokens an app accepts as its own proof.  keys: [(kid, PublicKey)], None for the emulator's own issuer."""
    issuer: str
    subject: str
    audience: str
    keys: tuple = None

    @classmethod
    def read(cls, entry):
        """From its JSON form.  Raises ValueError."""
        names = ("issuer", "subject", "audience")
        if (not isinstance(entry, dict) or set(entry) - {*names, "keys"}
                or not all(isinstance(entry.get(name), str) and entry[name] for name in names)):
            raise ValueError(f"a federated credential has {', '.join(names)}, and perhaps keys")
        if not entry["issuer"].startswith("https://"):
            raise ValueError("the issuer of a federated credential begins with https://")
        keys = None if entry.get("keys") is None else issuer_keys(entry["keys"])
        return cls(*(entry[name] for name in names), keys)


def issuer_keys(given):
    """The keys of an issuer: a JWKS, or one PEM."""
    if isinstance(given, str):
        return ((None, PublicKey.from_pem(given)),)
    try:
        return tuple((jwk.get("kid"), PublicKey.from_jwk(jwk)) for jwk in given["keys"][:KEYS_READ])
    except (TypeError, KeyError, AttributeError):
        raise BadKey("keys are neither PEM nor a JWKS") from None


class Issuer:
    """A foreign issuer for tests.  Its keys are made when they are first needed."""

    def __init__(self):
        self._lock = threading.Lock()
        self._keys = {}
        self.kid = secrets.token_hex(8)

    def key(self, stranger=False):
        """Its own key; or, for forgeries, one that no credential knows."""
        with self._lock:
            if stranger not in self._keys:
                self._keys[stranger] = PrivateKey.generate()
            return self._keys[stranger]

    def token(self, claims, header, stranger=False):
        return jwt_strict.mint(header, claims, self.key(stranger))

    def keys(self):
        return ((self.kid, self.key().public),)


class Assertions:
    """Checks them, and remembers which were used."""

    def __init__(self, journal):
        self._journal = journal
        self._lock = threading.Lock()
        self._used = set()                         # (client id, jti)
        self.issuer = Issuer()

    def check(self, app, text, token_url):
        """Return if `text`, sent to token_url, proves to be `app`.  Raises the Refusal that fits."""
        self._journal.issued(text)                 # as good as a secret while it lives
        try:
            jwt = jwt_strict.parse(text)
        except jwt_strict.Malformed as error:
            raise Refusal(50027, reason=str(error)) from None
        issuer = jwt.claims.get("iss")
        if isinstance(issuer, str) and issuer.startswith("https://"):
            self._check_federated(app, jwt)
        else:
            self._check_own(app, jwt, token_url)

    def _check_own(self, app, jwt, token_url):
        """An assertion signed by the app: who, with what key, to whom, when, and not before now."""
        well_formed(jwt, ("PS256", "RS256"))
        claims = jwt.claims
        if not claims.get("iss") == claims.get("sub") == app.client_id:
            raise Refusal(50048)
        check_certificate(app, jwt)
        check_integers(claims, "exp", "nbf", "iat")
        if not isinstance(claims.get("jti"), str) or not claims["jti"]:
            raise Refusal(50027, reason="there is no jti")
        if not isinstance(claims.get("aud"), str):
            raise Refusal(50027, reason="aud is not one string")
        if claims["aud"] != token_url:
            raise Refusal(700023, error="invalid_client", status=401,
                          text="Client assertion audience claim does not match Realm issuer.")
        check_time(claims)
        self._use(app, jwt)

    def _use(self, app, jwt):
        with self._lock:
            if (app.client_id, jwt.claims["jti"]) in self._used:
                raise wrong_key(app, jwt, "The assertion was presented before: its jti is known.")
            self._used.add((app.client_id, jwt.claims["jti"]))

    def _check_federated(self, app, jwt):
        """A foreign issuer's token.  It may come again and again while it lives."""
        well_formed(jwt, ("RS256",))
        claims = jwt.claims
        audience = claims.get("aud")
        if isinstance(audience, list) and len(audience) == 1:               # Kubernetes sends a list
            audience = audience[0]
        if not app.federated_credentials:
            raise Refusal(7000226, client_id=app.client_id)
        rows = narrowed(app.federated_credentials, "issuer", claims["iss"], 700211)
        keys = [pair for row in rows for pair in (self.issuer.keys() if row.keys is None else row.keys)]
        if not any(key.verifies("RS256", jwt.signed, jwt.signature) for kid, key in keys
                   if None in (kid, jwt.header.get("kid")) or kid == jwt.header["kid"]):
            raise Refusal(50013, error="invalid_client", status=401)
        rows = narrowed(rows, "subject", claims.get("sub"), 700213)
        narrowed(rows, "audience", audience, 700212)
        check_integers(claims, "exp", *({"nbf", "iat"} & set(claims)))
        check_time(claims)


def well_formed(jwt, algorithms):
    """The header's members that do not depend on the key."""
    header = jwt.header
    if header.get("alg") not in algorithms:
        raise Refusal(50027, reason=f"alg is not {' or '.join(algorithms)}")
    if header.get("typ", "JWT") != "JWT" or "crit" in header:
        raise Refusal(50027, reason="typ is not JWT, or there is a crit")


def narrowed(rows, name, value, number):
    """The federated credentials whose `name` is exactly `value`.  Without any, Refusal `number`."""
    left = [row for row in rows if getattr(row, name) == value]
    if not left:
        raise Refusal(number, value=value)
    return left


def check_certificate(app, jwt):
    """The header names a certificate of the app, that is good today, and whose key signed."""
    header, now = jwt.header, time.time()
    if header.get("typ") != "JWT":
        raise Refusal(50027, reason="typ is not JWT")
    certificate = next((row for row in app.certificates if named_by(header, row)), None)
    if certificate is None:
        raise wrong_key(app, jwt, "The key was not found.")
    if now > certificate.not_after:
        raise wrong_key(app, jwt, f"The key used is expired: its certificate ended {when(certificate.not_after)}.")
    if now < certificate.not_before:
        raise wrong_key(app, jwt, f"The key used is not valid yet: it begins {when(certificate.not_before)}.")
    if not certificate.key.verifies(header["alg"], jwt.signed, jwt.signature):
        raise wrong_key(app, jwt, "The provided signature value did not match the expected signature value.")


def named_by(header, certificate):
    """PS256 goes with x5t#S256; RS256 with either thumbprint.  If both are there, both are right."""
    thumbprints = {"x5t#S256": certificate.sha256, "x5t": certificate.sha1}
    given = [name for name in thumbprints if name in header]
    enough = "x5t#S256" in given or (header["alg"] == "RS256" and given)
    return enough and all(header[name] == b64url(thumbprints[name]) for name in given)


def wrong_key(app, jwt, reason):
    thumbprint = jwt.header.get("x5t#S256", jwt.header.get("x5t", ""))
    return Refusal(700027, reason=reason, thumbprint=thumbprint, client_id=app.client_id)


def check_integers(claims, *names):
    for name in names:
        if type(claims.get(name)) is not int:                               # a bool is an int, but not a time
            raise Refusal(50027, reason=f"{name} is not an integer")


def check_time(claims):
    """Without tolerance: clocks of one machine do not differ."""
    now = time.time()
    if claims["exp"] <= now or claims.get("nbf", 0) > now:
        try:
            raise Refusal(700024, now=when(now), valid_from=when(claims.get("nbf", 0)), expires=when(claims["exp"]))
        except (OverflowError, ValueError, OSError):
            raise Refusal(700024) from None        # a year that no calendar has
