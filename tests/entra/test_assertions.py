"""test_assertions.py - client assertions are taken and refused as README.md says."""

import hashlib
import json
import pathlib
import ssl
import subprocess
import tempfile
import time
import unittest
import uuid

import jwt_strict
import rsa_keys
from assertions import TYPE
from cases import DEVICE, PORTAL, PUBLIC, RELAY, USER_SCOPE, EntraTest, claims_of
from rsa_keys import BadKey, Certificate, PrivateKey, PublicKey
from tokens import b64url, unb64url

ROBOT = "3a000000-1111-4111-8111-000000000002"
ISSUER, SUBJECT, AUDIENCE = "https://oidc.example/cluster", "system:serviceaccount:mail:Relay", "api://AzureADTokenExchange"
FITTING = {"issuer": ISSUER, "subject": SUBJECT, "audience": AUDIENCE}


class Pair:
    """A key and its self-signed certificate."""

    def __init__(self, scratch, days="30", key="rsa:2048"):
        stem = scratch / uuid.uuid4().hex
        curve = ["-pkeyopt", "ec_paramgen_curve:P-256"] if key == "ec" else []
        for command in (["req", "-new", "-newkey", key, *curve, "-nodes", "-subj", "/CN=Relay", "-keyout", f"{stem}.key"],
                        ["x509", "-req", "-in", f"{stem}.csr", "-signkey", f"{stem}.key", "-days", days]):
            out = f"{stem}.csr" if command[0] == "req" else f"{stem}.pem"
            subprocess.run(["openssl", *command, "-out", out], check=True, capture_output=True)
        self.key_file, self.pem = f"{stem}.key", pathlib.Path(f"{stem}.pem").read_text()
        self.private = None if key != "rsa:2048" else PrivateKey.from_pem(pathlib.Path(self.key_file).read_text())
        octets = ssl.PEM_cert_to_DER_cert(self.pem)
        self.sha256, self.sha1 = b64url(hashlib.sha256(octets).digest()), b64url(hashlib.sha1(octets).digest())

    def sign_with_openssl(self, signed, *options):
        return subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key_file, *options], input=signed, check=True,
                              capture_output=True).stdout


class Assertions(EntraTest):
    """Certificates."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.scratch = pathlib.Path(scratch.name)
        cls.pair, cls.other = Pair(cls.scratch), Pair(cls.scratch)
        cls.expired = Pair(cls.scratch, days="-1")
        for client_id in (RELAY, PORTAL):
            cls.entra.ask(f"/apps/{client_id}", certificates=[cls.pair.pem, cls.expired.pem])

    # An assertion with everything in order; a case changes one thing.

    def parts(self, header=None, claims=None, client_id=RELAY, tenant="contoso.com"):
        now = int(time.time())
        header = {"alg": "PS256", "typ": "JWT", "x5t#S256": self.pair.sha256} | (header or {})
        claims = {"aud": f"{self.entra.ready['authority']}/{tenant}/oauth2/v2.0/token", "iss": client_id, "sub": client_id,
                  "jti": str(uuid.uuid4()), "nbf": now, "iat": now, "exp": now + 600} | (claims or {})
        return tuple({name: value for name, value in part.items() if value is not None} for part in (header, claims))

    def assertion(self, header=None, claims=None, key=None, **how):
        salt = {name: how.pop(name) for name in ("salt_length",) if name in how}
        return jwt_strict.mint(*self.parts(header, claims, **how), key or self.pair.private, **salt)

    def ask(self, assertion, tenant="contoso.com", **changes):
        return self.app_only(tenant, **{"client_secret": None, "client_assertion_type": TYPE,
                                        "client_assertion": assertion} | changes)

    def refused(self, number, header=None, claims=None, **how):
        status, error = (400, "invalid_request") if number == 50027 else (401, "invalid_client")
        return self.assert_refused(self.ask(self.assertion(header, claims, **how)), number, error, status)["error_description"]

    def test_both_algorithms_and_thumbprints(self):
        for header in ({}, {"alg": "RS256"}, {"x5t": self.pair.sha1},
                       {"alg": "RS256", "x5t#S256": None, "x5t": self.pair.sha1}):
            reply = self.assert_success(self.ask(self.assertion(header)))
        claims = claims_of(reply["access_token"])
        self.assertEqual((claims["appid"], claims["appidacr"], claims["roles"][0]), (RELAY, "2", "IMAP.AccessAsApp"))
        self.assertNotIn("refresh_token", reply)

    def test_signatures_made_by_openssl(self):
        pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32", "-sigopt", "rsa_mgf1_md:sha256"]
        for algorithm, options in (("RS256", []), ("PS256", pss)):
            signed = ".".join(b64url(json.dumps(part).encode()) for part in self.parts({"alg": algorithm}))
            signature = self.pair.sign_with_openssl(signed.encode(), *options)
            self.assert_success(self.ask(f"{signed}.{b64url(signature)}"))

    def test_secret_stays_good_beside_certificates_but_not_in_one_request(self):
        self.assert_success(self.app_only())
        both = self.ask(self.assertion(), client_secret=self.entra.secrets["app_only_client_secret"])
        self.assert_refused(both, 9002313, "invalid_request")

    def test_assertion_type(self):
        for wrong in ("jwt-bearer", TYPE.upper(), TYPE + " ", TYPE.replace("jwt", "saml2")):
            self.assert_refused(self.ask(self.assertion(), client_assertion_type=wrong), 90023, "invalid_request")
        self.assert_refused(self.ask(self.assertion(), client_assertion_type=None), 900144, "invalid_request")
        self.assert_refused(self.ask(None), 900144, "invalid_request")

    def test_delegated_apps_and_public_ones(self):
        refresh_token = self.grant("alice@contoso.com", PORTAL)
        def proof(**how):
            return {"client_id": PORTAL, "client_assertion_type": TYPE,
                    "client_assertion": self.assertion(client_id=PORTAL, tenant="organizations", **how)}
        reply = self.assert_success(self.refresh(refresh_token, **proof()))
        self.assertEqual(claims_of(reply["access_token"])["appidacr"], "2")
        self.assert_refused(self.refresh(refresh_token, **proof(key=self.other.private)), 700027, "invalid_client", 401)
        self.settings(device_outcome="approve", device_user="alice@contoso.com")
        _, started = self.entra.post("devicecode", "organizations", client_id=PORTAL, scope=USER_SCOPE)
        self.assert_success(self.entra.post("token", "organizations", grant_type=DEVICE, device_code=started["device_code"],
                                            **proof()))
        public = self.refresh(self.grant(), client_assertion=self.assertion(client_id=PUBLIC), client_assertion_type=TYPE)
        self.assert_refused(public, 700025, "invalid_client", 401)

    def test_malformed(self):
        good = self.assertion()
        header, claims, signature = good.split(".")
        for text in ("e30.e30.", "x", f"{header}.{claims}", f"{good}.", f"{good}\n", f"{header}=.{claims}.{signature}",
                     f"{good}=", f"{header}.{claims}.", f".{claims}.{signature}", f"{header}+.{claims}.{signature}"):
            self.assert_refused(self.ask(text), 50027, "invalid_request")
        for document in (b'[]', b'{', b'nul', b'{"exp":NaN}', b'{"alg":"PS256","alg":"PS256","typ":"JWT"}', b'{"a":"\xff"}'):
            self.assert_refused(self.ask(f"{b64url(document)}.{claims}.{signature}"), 50027, "invalid_request")
            self.assert_refused(self.ask(f"{header}.{b64url(document)}.{signature}"), 50027, "invalid_request")
        # the last character of 256 octets has bits to spare: another letter, the same octets
        stray = good[:-1] + chr(ord(good[-1]) + 1)
        self.assertEqual(unb64url(stray.rpartition(".")[2]), unb64url(signature))
        self.assert_refused(self.ask(stray), 50027, "invalid_request")

    def test_header(self):
        for header in ({"alg": "none"}, {"alg": "HS256"}, {"alg": "PS384"}, {"alg": None}, {"alg": ["PS256"]}, {"typ": None},
                       {"typ": "jwt"}, {"crit": ["exp"]}):
            self.refused(50027, header)

    def test_who(self):
        for claims in ({"iss": PORTAL}, {"sub": PORTAL}, {"iss": PORTAL, "sub": PORTAL}, {"iss": None}, {"sub": None},
                       {"iss": None, "sub": None}, {"iss": RELAY.upper(), "sub": RELAY.upper()}):
            self.refused(50048, claims=claims)

    def test_certificate_and_signature(self):
        self.assertIn("not found", self.refused(700027, {"x5t#S256": self.other.sha256}, key=self.other.private))
        self.assertIn(self.other.sha256, self.refused(700027, {"x5t#S256": self.other.sha256}, key=self.other.private))
        for header in ({"x5t#S256": None}, {"x5t#S256": None, "x5t": self.pair.sha1}, {"x5t#S256": self.pair.sha256 + "="},
                       {"x5t#S256": self.pair.sha256.lower()}, {"x5t": self.other.sha1}, {"x5t#S256": 1}):
            self.assertIn("not found", self.refused(700027, header))
        self.assertIn("did not match", self.refused(700027, key=self.other.private))
        self.assertIn("did not match", self.refused(700027, salt_length=20))
        self.assertIn("did not match", self.refused(700027, salt_length=0))
        header, claims, signature = self.assertion().split(".")
        other_claims = b64url(json.dumps(json.loads(unb64url(claims)) | {"jti": "another"}).encode())
        other_header = b64url(json.dumps({"alg": "RS256", "typ": "JWT", "x5t#S256": self.pair.sha256}).encode())
        for text in (f"{header}.{claims}.{signature[:-2]}", f"{header}.{other_claims}.{signature}",
                     f"{other_header}.{claims}.{signature}"):
            self.assert_refused(self.ask(text), 700027, "invalid_client", 401)

    def test_certificate_that_has_expired(self):
        text = self.refused(700027, {"x5t#S256": self.expired.sha256}, key=self.expired.private)
        self.assertIn("The key used is expired", text)

    def test_certificate_taken_away(self):
        self.entra.ask(f"/apps/{RELAY}", certificates=[])
        try:
            self.refused(700027)
        finally:
            self.entra.ask(f"/apps/{RELAY}", certificates=[self.pair.pem, self.expired.pem])
        self.assert_success(self.ask(self.assertion()))

    def test_to_whom(self):
        base = self.entra.ready["authority"]
        for aud in (base, f"{base}/contoso.com/oauth2/v2.0/token/", f"{base}/CONTOSO.com/oauth2/v2.0/token",
                    f"{base}/contoso.com/v2.0", "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token"):
            self.refused(700023, claims={"aud": aud})
        for aud in (None, [f"{base}/contoso.com/oauth2/v2.0/token"], 1):
            self.refused(50027, claims={"aud": aud})
        self.assert_success(self.ask(self.assertion(tenant="contoso.onmicrosoft.com"), "contoso.onmicrosoft.com"))
        name = "login.microsoftonline.com"
        _, claims = self.parts(claims={"aud": f"https://{name}/contoso.com/oauth2/v2.0/token"})
        self.assert_success(self.ask(self.assertion(claims=claims), _headers={"Host": name}))

    def test_when(self):
        now = int(time.time())
        for claims in ({"exp": now}, {"exp": now - 3600, "nbf": now - 7200}, {"nbf": now + 60}, {"exp": 0},
                       {"exp": 10 ** 30, "nbf": 10 ** 30}):
            self.refused(700024, claims=claims)
        self.assertRegex(self.refused(700024, claims={"exp": now - 1}),
                         r"valid from \d{4}-\d\d-\d\dT.* expiry time of assertion \d{4}-")
        self.assert_success(self.ask(self.assertion(claims={"nbf": now - 60, "exp": now + 7 * 86400})))
        for name in ("exp", "nbf", "iat"):
            for value in (None, str(now + 60), now + 0.5, True):
                self.refused(50027, claims={name: value})

    def test_each_serves_once(self):
        assertion = self.assertion()
        self.assert_success(self.ask(assertion))
        document = self.assert_refused(self.ask(assertion), 700027, "invalid_client", 401)
        self.assertIn("presented before", document["error_description"])
        same = json.loads(unb64url(assertion.split(".")[1]))["jti"]
        self.refused(700027, claims={"jti": same})
        for jti in (None, "", 7):
            self.refused(50027, claims={"jti": jti})

    def test_it_is_treated_as_a_secret(self):
        assertion = self.assertion()
        self.ask(assertion)
        self.assertIn(assertion, (self.directory / "issued.txt").read_text().splitlines())
        self.assertNotIn(assertion, (self.directory / "requests.log").read_text())

    def test_certificates_that_cannot_be_registered(self):
        for bad in ("", "x", self.pair.pem * 2, pathlib.Path(self.pair.key_file).read_text(),
                    self.pair.pem.replace("M", "!", 1), self.pair.pem.replace("M", "N", 1),
                    Pair(self.scratch, key="rsa:1024").pem, Pair(self.scratch, key="ec").pem, 7):
            status, reply = self.entra.control(f"/apps/{RELAY}", {"certificates": [bad]})
            self.assertEqual((status, list(reply)), (400, ["error"]))
        self.assert_success(self.ask(self.assertion()))


class Federated(EntraTest):
    """Tokens of other issuers."""

    def setUp(self):
        super().setUp()
        self.credentials(FITTING)

    def credentials(self, *rows, client_id=RELAY):
        self.entra.ask(f"/apps/{client_id}", federated_credentials=list(rows))

    def token(self, **changes):
        return self.entra.ask("/federated-tokens", **FITTING | changes)["token"]

    def ask(self, token, **changes):
        return self.app_only(**{"client_secret": None, "client_assertion_type": TYPE, "client_assertion": token} | changes)

    def refused(self, number, **changes):
        status, error = (400, "invalid_request") if number == 50027 else (401, "invalid_client")
        return self.assert_refused(self.ask(self.token(**changes)), number, error, status)

    def test_taken_again_and_again(self):
        token = self.token()
        for _ in range(2):
            claims = claims_of(self.assert_success(self.ask(token))["access_token"])
        self.assertEqual((claims["appid"], claims["appidacr"]), (RELAY, "2"))
        self.assert_success(self.ask(self.token(claims={"aud": [AUDIENCE], "nbf": None, "iat": None, "jti": None})))
        self.assertIn(token, (self.directory / "issued.txt").read_text().splitlines())

    def test_issuer_subject_and_audience_are_compared_with_case(self):
        for change in (ISSUER + "/", ISSUER.replace("oidc", "OIDC"), "https://elsewhere.example"):
            self.refused(700211, issuer=change)
        self.refused(700213, subject=SUBJECT.lower())
        self.refused(700213, claims={"sub": None})
        self.refused(700212, audience=AUDIENCE.lower())
        self.refused(700212, audience=AUDIENCE + "USGov")
        self.refused(700212, claims={"aud": [AUDIENCE, "other"]})
        self.refused(700212, claims={"aud": None})

    def test_one_credential_must_fit_as_a_whole(self):
        self.credentials(FITTING | {"audience": "a"}, FITTING | {"subject": "s"})
        self.refused(700212)
        self.assert_success(self.ask(self.token(subject="s")))

    def test_app_without_any(self):
        self.credentials()
        self.refused(7000226)

    def test_time(self):
        self.refused(700024, lifetime=0)
        self.refused(700024, claims={"nbf": int(time.time()) + 60})
        for claims in ({"exp": None}, {"exp": "1"}, {"nbf": "1"}, {"iat": 1.5}):
            self.refused(50027, claims=claims)

    def test_algorithm_and_signature(self):
        for header in ({"alg": "PS256"}, {"alg": "none"}, {"typ": "at+jwt"}):
            self.refused(50027, header=header)
        self.refused(50013, stranger=True)
        self.refused(50013, header={"kid": "another"})
        self.assert_success(self.ask(self.token(header={"kid": None})))
        self.assert_refused(self.ask(self.token() + "\n"), 50027, "invalid_request")

    def test_keys_registered_by_the_test(self):
        key = PrivateKey.generate()
        now = int(time.time())
        claims = {"iss": ISSUER, "sub": SUBJECT, "aud": AUDIENCE, "exp": now + 60}
        jwk = {"kty": "RSA", "kid": "k", "e": b64url(b"\1\0\1"), "n": b64url(key.public.n.to_bytes(256, "big"))}
        mine = jwt_strict.mint({"alg": "RS256", "kid": "k"}, claims, key)
        self.credentials(FITTING | {"keys": {"keys": [jwk]}})
        self.assert_success(self.ask(mine))
        self.refused(50013)
        self.credentials(FITTING | {"keys": {"keys": [jwk | {"kid": "another"}] * 100 + [jwk]}})
        self.assert_refused(self.ask(mine), 50013, "invalid_client", 401)

    def test_a_user_assigned_identity_has_them_as_well(self):
        self.entra.ask(f"/identities/{ROBOT}", federated_credentials=[FITTING])
        reply = self.assert_success(self.ask(self.token(), client_id=ROBOT))
        verdict = self.entra.ask("/may-open", token=reply["access_token"], mailbox="relay@contoso.com", protocol="imap")
        self.assertTrue(verdict["allow"])

    def test_calls_that_make_no_sense(self):
        for bad in ({"issuer": ISSUER}, FITTING | {"issuer": "http://oidc.example"}, FITTING | {"keys": "x"},
                    FITTING | {"keys": {}}, FITTING | {"x": 1}, 7):
            self.assertEqual(self.entra.control(f"/apps/{RELAY}", {"federated_credentials": [bad]})[0], 400, bad)
        self.assertEqual(self.entra.control("/federated-tokens", {"issuer": ISSUER})[0], 400)
        for bad in ({"lifetime": "1"}, {"claims": []}, {"header": "x"}):
            self.assertEqual(self.entra.control("/federated-tokens", FITTING | bad)[0], 400)


class Keys(unittest.TestCase):
    """rsa_keys.py against openssl."""

    def openssl(self, *arguments):
        return subprocess.run(["openssl", *arguments], check=True, capture_output=True, text=True).stdout

    def test_keys_of_a_length_that_is_no_multiple_of_eight(self):
        for bits in ("2049", "2055"):
            key = PrivateKey.from_pem(self.openssl("genrsa", bits))
            for algorithm in ("RS256", "PS256"):
                signature = key.sign(algorithm, b"signed")
                self.assertTrue(key.public.verifies(algorithm, b"signed", signature))
                self.assertFalse(key.public.verifies(algorithm, b"Signed", signature))
                self.assertFalse(key.public.verifies(algorithm, b"signed", b"\0" + signature))

    def test_pss_padding_is_looked_at(self):
        digest, salt, bits = bytes(32), bytes(rsa_keys.SALT), 2047
        seed = rsa_keys.pss_hash(digest, salt)
        for padding, right in ((bytes(190) + b"\1", True), (bytes(189) + b"\1\1", False), (bytes(190) + b"\2", False)):
            masked = bytearray(rsa_keys.xor(padding + salt, rsa_keys.mgf1(seed, 223)))
            masked[0] &= 0x7F
            self.assertIs(rsa_keys.is_pss(bytes(masked) + seed + b"\xbc", digest, bits), right)
            self.assertFalse(rsa_keys.is_pss(bytes(masked) + seed + b"\xbb", digest, bits))
            masked[0] |= 0x80
            self.assertFalse(rsa_keys.is_pss(bytes(masked) + seed + b"\xbc", digest, bits))

    def test_public_key_and_certificate_say_the_same(self):
        with tempfile.TemporaryDirectory() as scratch:
            pair = Pair(pathlib.Path(scratch))
            public = self.openssl("pkey", "-in", pair.key_file, "-pubout")
        self.assertEqual(PublicKey.from_pem(public), pair.private.public)
        self.assertEqual(PublicKey.from_pem(pair.pem), pair.private.public)
        certificate = Certificate.read(pair.pem)
        self.assertAlmostEqual(certificate.not_after - certificate.not_before, 30 * 86400, delta=1)
        self.assertLess(abs(certificate.not_before - time.time()), 600)
        with self.assertRaises(BadKey):
            Certificate.read(public)


if __name__ == "__main__":
    unittest.main()
