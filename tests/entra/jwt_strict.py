"""jwt_strict.py - JWTs, read without any kindness (RFC 7515, RFC 7519).

Every JWT has one spelling: base64url without padding or stray bits, JSON objects without a member twice.
"""

import dataclasses
import json
import re

from tokens import b64url, compact, unb64url

PART = re.compile(r"[A-Za-z0-9_-]+")


class Malformed(ValueError):
    """Not a JWT; the text says why."""


@dataclasses.dataclass(frozen=True)
class Jwt:
    header: dict
    claims: dict
    signed: bytes
    signature: bytes


def octets(part):
    """base64url, in its only spelling."""
    if not PART.fullmatch(part) or len(part) % 4 == 1 or b64url(unb64url(part)) != part:
        raise Malformed("a part is not base64url without padding")
    return unb64url(part)


def json_object(part):
    def members(pairs):
        if len(dict(pairs)) != len(pairs):
            raise Malformed("a member is there twice")
        return dict(pairs)

    def no_constant(name):
        raise Malformed(f"{name} is not JSON")
    try:
        document = json.loads(octets(part).decode("utf-8"), object_pairs_hook=members, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        raise error if isinstance(error, Malformed) else Malformed("a part is not JSON") from None
    if not isinstance(document, dict):
        raise Malformed("a part is not a JSON object")
    return document


def parse(text):
    """A signed JWT.  Raises Malformed; nothing is verified yet."""
    parts = text.split(".")
    if len(parts) != 3:
        raise Malformed(f"{len(parts)} parts, not three")
    header, claims = json_object(parts[0]), json_object(parts[1])
    return Jwt(header, claims, f"{parts[0]}.{parts[1]}".encode(), octets(parts[2]))


def mint(header, claims, key, **how):
    """A JWT signed with a PrivateKey, by the header's alg."""
    signed = f"{b64url(compact(header))}.{b64url(compact(claims))}"
    return f"{signed}.{b64url(key.sign(header.get('alg', 'RS256'), signed.encode(), **how))}"
