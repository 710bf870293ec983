"""rsa_keys.py - RSA as client assertions need it: read keys and certificates, verify, and sign for tests.

Python has no RSA in its library, and a process for each signature would be slow.  What is here is as strict
as RFC 8017 asks for: a signature has the key's length, PSS has a salt of 32 octets.
"""

import base64
import dataclasses
import datetime
import hashlib
import hmac
import re
import secrets
import subprocess

SMALLEST = 2048                                    # bits
SALT = 32                                          # octets: PS256 has no choice (RFC 7518, section 3.5)
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")    # "what follows is a SHA-256"
RSA_OID = bytes.fromhex("2a864886f70d010101")
PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----([A-Za-z0-9+/=\s]+)-----END \1-----")


class BadKey(ValueError):
    """Not a key or a certificate that can be used here; the text says why."""


def der(octets):
    """The values in a run of DER, as (tag, content)."""
    items, at = [], 0
    try:
        while at < len(octets):
            tag, length, at = octets[at], octets[at + 1], at + 2
            if length & 0x80:
                size = length & 0x7F
                length, at = int.from_bytes(octets[at:at + size], "big"), at + size
            items.append((tag, octets[at:at + length]))
            at += length
    except IndexError:
        raise BadKey("not DER") from None
    if at != len(octets):
        raise BadKey("DER is cut short")
    return items


def sequence(octets):
    """What is in the SEQUENCE that a run of DER consists of."""
    items = der(octets)
    if [tag for tag, _ in items] != [0x30]:
        raise BadKey("not a SEQUENCE")
    return der(items[0][1])


def one_pem(text):
    """(label, DER) of a text with exactly one PEM block."""
    blocks = PEM.findall(text) if isinstance(text, str) else ()
    if len(blocks) != 1:
        raise BadKey(f"{len(blocks)} PEM blocks, not one")
    try:
        return blocks[0][0], base64.b64decode("".join(blocks[0][1].split()), validate=True)
    except ValueError:
        raise BadKey("PEM is not base64") from None


@dataclasses.dataclass(frozen=True)
class PublicKey:
    n: int
    e: int

    @property
    def size(self):
        return (self.n.bit_length() + 7) // 8

    @classmethod
    def of(cls, n, e):
        if n.bit_length() < SMALLEST or e < 3 or not n & e & 1:
            raise BadKey(f"an RSA key of {SMALLEST} bits or more is needed")
        return cls(n, e)

    @classmethod
    def from_info(cls, items):
        """From the content of a SubjectPublicKeyInfo."""
        try:
            (_, algorithm), (_, bits) = items
            if der(algorithm)[0][1] != RSA_OID:
                raise BadKey("key is not RSA")
            (_, n), (_, e) = sequence(bits[1:])
        except (ValueError, IndexError) as error:
            raise error if isinstance(error, BadKey) else BadKey("not a public key") from None
        return cls.of(int.from_bytes(n, "big"), int.from_bytes(e, "big"))

    @classmethod
    def from_pem(cls, text):
        """From a public key or a certificate."""
        label, octets = one_pem(text)
        if label == "CERTIFICATE":
            return Certificate.read(text).key
        if label != "PUBLIC KEY":
            raise BadKey(f"a public key is needed, not a {label.lower()}")
        return cls.from_info(sequence(octets))

    @classmethod
    def from_jwk(cls, jwk):
        if jwk.get("kty") != "RSA" or not {"n", "e"} <= set(jwk):
            raise BadKey("a JWK is not RSA")
        n, e = (int.from_bytes(base64.urlsafe_b64decode(jwk[name] + "=" * (-len(jwk[name]) % 4)), "big")
                for name in ("n", "e"))
        return cls.of(n, e)

    def verifies(self, algorithm, signed, signature):
        """Is it a signature of `signed` by this key?  RS256 or PS256."""
        number = int.from_bytes(signature, "big")
        if len(signature) != self.size or number >= self.n:
            return False
        encoded = pow(number, self.e, self.n).to_bytes(self.size, "big")
        digest = hashlib.sha256(signed).digest()
        if algorithm == "RS256":
            return hmac.compare_digest(encoded, pkcs1(digest, self.size))
        return is_pss(encoded, digest, self.n.bit_length() - 1)


def pkcs1(digest, size):
    """EMSA-PKCS1-v1_5 (RFC 8017, section 9.2)."""
    tail = b"\0" + DIGEST_INFO + digest
    return b"\0\1" + b"\xff" * (size - 2 - len(tail)) + tail


def mgf1(seed, length):
    blocks = (hashlib.sha256(seed + counter.to_bytes(4, "big")).digest() for counter in range(-(-length // 32)))
    return b"".join(blocks)[:length]


def pss_hash(digest, salt):
    return hashlib.sha256(bytes(8) + digest + salt).digest()


def xor(left, right):
    return bytes(a ^ b for a, b in zip(left, right))


def is_pss(encoded, digest, bits):
    """EMSA-PSS verification (RFC 8017, section 9.1.2), the salt's length being known."""
    length = (bits + 7) // 8
    surplus, encoded = encoded[:-length], encoded[-length:]
    masked, expected, end = encoded[:-33], encoded[-33:-1], encoded[-1]
    unused = 8 * length - bits
    if any(surplus) or end != 0xBC or masked[0] >> (8 - unused):
        return False
    block = bytearray(xor(masked, mgf1(expected, len(masked))))
    block[0] &= 0xFF >> unused
    padding, salt = bytes(block[:-SALT]), bytes(block[-SALT:])
    return padding == bytes(len(padding) - 1) + b"\1" and hmac.compare_digest(pss_hash(digest, salt), expected)


def pss(digest, bits, salt_length=SALT):
    """EMSA-PSS encoding (RFC 8017, section 9.1.1)."""
    length = (bits + 7) // 8
    salt = secrets.token_bytes(salt_length)
    seed = pss_hash(digest, salt)
    block = bytes(length - salt_length - 34) + b"\1" + salt
    masked = bytearray(xor(block, mgf1(seed, len(block))))
    masked[0] &= 0xFF >> (8 * length - bits)
    return bytes(masked) + seed + b"\xbc"


@dataclasses.dataclass(frozen=True)
class Certificate:
    """What the platform remembers of an app's certificate."""
    key: PublicKey
    sha256: bytes                                  # thumbprints: of the whole DER
    sha1: bytes
    not_before: float
    not_after: float

    @classmethod
    def read(cls, text):
        label, octets = one_pem(text)
        if label != "CERTIFICATE":
            raise BadKey(f"a certificate is needed, not a {label.lower()}")
        try:
            fields = der(sequence(octets)[0][1])
            fields = fields[1:] if fields[0][0] == 0xA0 else fields        # the version may be left out
            (_, validity), (_, info) = fields[3], fields[5]
            not_before, not_after = (moment(*item) for item in der(validity))
        except (ValueError, IndexError) as error:
            raise error if isinstance(error, BadKey) else BadKey("not a certificate") from None
        return cls(PublicKey.from_info(der(info)), hashlib.sha256(octets).digest(), hashlib.sha1(octets).digest(),
                   not_before, not_after)


def moment(tag, content):
    """UTCTime or GeneralizedTime (RFC 5280, section 4.1.2.5)."""
    text = content.decode("ascii")
    if tag == 0x17:
        text = ("20" if text < "50" else "19") + text
    return datetime.datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()


@dataclasses.dataclass(frozen=True)
class PrivateKey:
    """For issuers that the emulator plays itself, and for its tests."""
    public: PublicKey
    parts: tuple                                   # p, q, d mod p-1, d mod q-1, 1/q mod p

    @classmethod
    def generate(cls):
        made = subprocess.run(("openssl", "genrsa", str(SMALLEST)), check=True, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL).stdout
        return cls.from_pem(made)

    @classmethod
    def from_pem(cls, text):
        items = sequence(one_pem(text)[1])
        if items[1][0] == 0x30:                    # PKCS#8 holds the PKCS#1 that older versions write
            items = sequence(items[2][1])
        n, e, _, *parts = (int.from_bytes(content, "big") for _, content in items[1:9])
        return cls(PublicKey.of(n, e), tuple(parts))

    def sign(self, algorithm, signed, salt_length=SALT):
        digest, size = hashlib.sha256(signed).digest(), self.public.size
        encoded = (pkcs1(digest, size) if algorithm == "RS256"
                   else pss(digest, self.public.n.bit_length() - 1, salt_length))
        return self._power(int.from_bytes(encoded, "big")).to_bytes(size, "big")

    def _power(self, number):
        """To the d, by way of p and q, which is four times as fast (RFC 8017, section 5.1.2)."""
        p, q, d_p, d_q, inverse = self.parts
        first, second = pow(number, d_p, p), pow(number, d_q, q)
        return second + q * ((first - second) * inverse % p)
