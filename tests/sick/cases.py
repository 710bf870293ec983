"""cases.py - the table: what a sick or hostile identity provider does, and what sasl-bearer owes its user then.

Each case is played twice, to an application (client_secret at stake) and to a person's sign-in (refresh token at stake):
first all is well, then the case, then all is well again.
"""

import dataclasses
import gzip
import json
import time
import typing

from wire import (ABSENT, drip, echo, echo_secret, edited, endless, grant, http, members, plain, raw, redirect, refusal,
                  reset_after, silence, then_silence)

OK, LATER, DENIED, CONFIG = 0, 75, 77, 78  # exit statuses


@dataclasses.dataclass
class Case:
    name: str
    answer: typing.Optional[typing.Callable]  # None: it does not come to an answer
    says: str = ""              # part of the line on standard error; {url} is the endpoint without its path
    status: int = LATER
    listener: str = "tls"       # how connections are met: a row of listeners.KINDS
    host: str = "localhost"     # what the URL says
    rests: float = 0            # for so many seconds nobody may ask again
    recovers: float = 3.2       # seconds after which a login must succeed again; 0: only after renew
    requests: int = 2           # at most this many come at one login
    url: str = ""               # an endpoint that the configuration has to refuse
    dns: str = ""               # what the name server does: silent, nxdomain, servfail
    who: tuple = ("app", "user")


TABLE = []


def case(name, answer=None, says="", status=LATER, **more):
    if status == DENIED:
        more = {"rests": 50, "recovers": 0, "requests": 1, **more}
    TABLE.append(Case(name, answer, says, status, **more))


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
NO_ANSWER = "no answer from {url} in time"
UNREACHED = "cannot reach {url}: "
UNTRUSTED = "the certificate of {url} cannot be trusted: "
NO_TOKEN = "answers with something else than a token"
NOT_JSON = "instead of an OAuth error"
TROUBLE = "has trouble of its own (HTTP 5"
NO_LIFE = "an expires_in that is no time to live"
LOGIN_PAGE = "<!doctype html><html><head><title>Sign in</title></head><body><form method=post>" + "x" * 3000 + "</form></body></html>"

# ---- silence, in each phase
case("dns_silent", None, "no answer from ", host="silent.sick.test", dns="silent", requests=0)
case("dns_no_such_name", None, "cannot reach ", host="nxdomain.sick.test", dns="nxdomain", requests=0)
case("dns_failing", None, "cannot reach ", host="servfail.sick.test", dns="servfail", requests=0)
case("connect_unanswered", None, NO_ANSWER, listener="unanswered", host="127.0.0.1", requests=0)
case("connect_refused", None, UNREACHED, listener="refused", requests=0)
case("tls_unanswered", None, NO_ANSWER, listener="mute", requests=0)
case("tls_closed", None, UNREACHED, listener="closes", requests=0)
case("tls_reset", None, UNREACHED, listener="resets", requests=0)
case("tls_plain_text", None, UNREACHED, listener="plain_text", requests=0)
case("tls_garbage", None, UNREACHED, listener="garbage", requests=0)
case("answer_none", silence, NO_ANSWER, requests=1)
case("answer_closed", raw(b""), UNREACHED, requests=1)
case("answer_reset", reset_after(b""), UNREACHED, requests=1)
case("headers_unfinished", then_silence(HEAD), NO_ANSWER, requests=1)
case("headers_then_silence", then_silence(HEAD + b"Content-Length: 900\r\n\r\n"), NO_ANSWER, requests=1)
case("headers_dripping", drip(HEAD + b"X-Drip: ", b"x"), NO_ANSWER, requests=1)
case("body_dripping", drip(HEAD + b"Content-Length: 900\r\n\r\n"), NO_ANSWER, requests=1)
case("body_unfinished", then_silence(HEAD + b"Content-Length: 900\r\n\r\n" + b'{"token_type":"Bearer",'), NO_ANSWER, requests=1)
case("continue_forever", drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), NO_ANSWER, requests=1)

# ---- too much
case("body_endless", endless(HEAD + b"\r\n", b" " * 16384), "exceeds 1048576 bytes", requests=1)
case("body_of_crumbs", endless(CHUNKED, b"1\r\n \r\n" * 2000), "{url}", requests=1)
case("headers_huge", raw(HEAD + b"X-Huge: " + b"x" * 2000000 + b"\r\n\r\n{}"), UNREACHED, requests=1)
case("headers_endless", endless(HEAD, b"X-More: and more\r\n" * 500), UNREACHED, requests=1)

# ---- broken HTTP
case("http_0_9", raw(b"{\"access_token\": \"such as it is\"}\n"), UNREACHED, requests=1)
case("http_garbage", raw(bytes(range(256)) * 20), UNREACHED, requests=1)
case("body_too_short", raw(HEAD + b"Content-Length: 900\r\n\r\n{}"), UNREACHED, requests=1)
case("body_reset", reset_after(HEAD + b"Content-Length: 900\r\n\r\n{}"), UNREACHED, requests=1)
case("length_is_word", raw(HEAD + b"Content-Length: many\r\n\r\n{}"), UNREACHED, requests=1)
case("length_too_small", raw(HEAD + b"Content-Length: 20\r\n\r\n" + json.dumps({"access_token": "x" * 99}).encode()),
     NO_TOKEN, requests=1)
case("chunks_garbage", raw(CHUNKED + b"zzzz\r\n{}\r\n0\r\n\r\n"), UNREACHED, requests=1)
case("chunks_unfinished", raw(CHUNKED + b"5\r\n{\"a\":\r\n"), UNREACHED, requests=1)
case("gzip_unasked", lambda connection, question: connection.sendall(
    http(gzip.compress(json.dumps(members(question)).encode()), extra=["Content-Encoding: gzip"])), NO_TOKEN, requests=1)

# ---- redirects, which must not take a secret along
for code in ("301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"):
    case(f"redirect_{code[:3]}", redirect(code), f"a redirect (HTTP {code[:3]}), which is never followed", requests=1)

# ---- outages and things in between
case("login_page", plain(LOGIN_PAGE, kind="text/html; charset=utf-8"), "is a proxy or a login page in between?", requests=1)
case("500_html", plain("<h1>Oops</h1>", "500 Internal Server Error", "text/html"), TROUBLE)
case("502_empty", plain("", "502 Bad Gateway", None), TROUBLE)
case("500_refusal", refusal("invalid_grant", status="500 Internal Server Error"), TROUBLE)
case("503_retry_after", plain("later", "503 Service Unavailable", "text/plain", ["Retry-After: 4"]), TROUBLE, rests=3,
     recovers=6, requests=1)
case("503_retry_date", lambda connection, question: connection.sendall(http(
    "later", "503 Service Unavailable", "text/plain",
    ["Retry-After: " + time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 5))])), TROUBLE, rests=2.5,
     recovers=8, requests=1)
case("503_retry_far", plain("later", "503 Service Unavailable", "text/plain", ["Retry-After: 9223372036854775807"]), TROUBLE,
     rests=50, recovers=0, requests=1)
case("503_retry_negative", plain("later", "503 Service Unavailable", "text/plain", ["Retry-After: -5"]), TROUBLE)
case("429_plain", plain("Too Many Requests", "429 Too Many Requests", "text/plain"), "is asked too often and wants a pause")
case("429_invalid_grant", refusal("invalid_grant", status="429 Too Many Requests"), "is asked too often and wants a pause")
case("403_html", plain("<h1>Forbidden</h1>", "403 Forbidden", "text/html"), "HTTP 403 with a web page", requests=1)
case("404_no_type", plain("", "404 Not Found", None), "HTTP 404 with something", requests=1)
case("204_nothing", raw(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"), NO_TOKEN, requests=1)

# ---- JSON that is none, or not what it should be
case("json_empty", plain(""), NO_TOKEN, requests=1)
case("json_null", plain("null"), NO_TOKEN, requests=1)
case("json_array", edited(lambda text: f"[{text}]"), NO_TOKEN, requests=1)
case("json_string", plain('"token"'), NO_TOKEN, requests=1)
case("json_truncated", edited(lambda text: text[:-9]), NO_TOKEN, requests=1)
case("json_twice", edited(lambda text: text + text), NO_TOKEN, requests=1)
case("json_duplicate", edited(lambda text: text[:-1] + ', "access_token": "another"}'), NO_TOKEN, requests=1)
case("json_deep", plain("[" * 200000 + "]" * 200000), NO_TOKEN, requests=1)
case("json_nul_bytes", edited(lambda text: text.replace("Bearer", "Bea\0rer")), NO_TOKEN, requests=1)
case("json_nul_escape", edited(lambda text: text.replace("Bearer", "Bearer\\u0000")), NO_TOKEN, requests=1)
case("json_not_utf8", edited(lambda text: text.replace("Bearer", "B\xe4rer").encode("latin-1")), NO_TOKEN, requests=1)
case("json_utf16", edited(lambda text: text.encode("utf-16")), NO_TOKEN, requests=1)
case("json_no_members", plain("{}"), "holds no access_token", requests=1)

# ---- members of a grant
for name, value in (("absent", ABSENT), ("null", None), ("number", 7), ("object", {}), ("list", ["x"])):
    case(f"token_{name}", grant(access_token=value), "holds no access_token", requests=1)
case("token_absent_rotated", grant(access_token=ABSENT, rotate=True), "holds no access_token", requests=1)
for name, value in (("empty", ""), ("control", "abc\r\nX: y\x01def"), ("blank", "abc def"), ("non_ascii", "abc\u00e4def")):
    case(f"token_{name}", grant(access_token=value, rotate=True), "what came is no access token: it holds characters that none has", requests=1)
case("token_70_kB", grant(access_token="x" * 70000, rotate=True), "what came is longer than any access token may be, 16384 bytes", requests=1)
case("token_16_kB", grant(access_token="x" * 16384, rotate=True), status=OK, requests=1)
for name, value in (("mac", "mac"), ("empty", ""), ("number", 1), ("null", None), ("list", ["Bearer"])):
    case(f"type_{name}", grant(token_type=value, rotate=True), "is not of token_type Bearer", requests=1)
case("type_lower_case", grant(token_type="bearer", rotate=True), status=OK, requests=1)
case("type_absent", grant(token_type=ABSENT), status=OK, requests=1)
for name, value in (("zero", 0), ("negative", -1), ("negative_real", -1.5), ("word", "abc"), ("empty", ""), ("list", [3600]),
                    ("true", True), ("negative_text", "-3600")):
    case(f"expires_{name}", grant(expires_in=value, rotate=True), NO_LIFE, requests=1)
for name, value in (("text", "3600"), ("fraction", 3599.5), ("fraction_text", "3599.5"), ("huge", 10**17), ("huge_real", 1e300),
                    ("huge_text", "9" * 40), ("null", None), ("absent", ABSENT)):
    case(f"expires_{name}", grant(expires_in=value, rotate=True), status=OK, requests=1)
# More than 64 bits are as huge as the others, and the refresh token that came with them must be kept.
case("expires_overflow", edited(lambda text: text.replace("3600", "9" * 40), rotate=True), status=OK, requests=1)
case("expires_overflow_real", edited(lambda text: text.replace("3600", "1e999")), NO_TOKEN, requests=1)
case("refresh_in_wrong", grant(refresh_in={"a": 1}, rotate=True), status=OK, requests=1)
case("refresh_in_far", grant(refresh_in=10**17, rotate=True), status=OK, requests=1)
case("refresh_empty", grant(refresh_token=""), status=OK, requests=1)
case("refresh_null", grant(refresh_token=None), status=OK, requests=1)
case("refresh_number", grant(refresh_token=5), "has a refresh_token that is no string", requests=1)
case("refresh_object", grant(refresh_token={}), "has a refresh_token that is no string", requests=1)
case("refresh_control", grant(refresh_token="abc\r\n\x1bdef"), "the refresh token is longer than", requests=1)
case("refresh_70_kB", grant(refresh_token="x" * 70000), "the refresh token is longer than", requests=1)
case("id_token_wrong", grant(id_token={"a": 1}), status=OK, requests=1)
case("id_token_garbage", grant(id_token="a.====\u00e4." + "b" * 5000), status=OK, requests=1)
case("201_created", grant("201 Created", rotate=True), status=OK, requests=1)
case("unknown_members", grant(rotate=True, scope=["x"], foo={"bar": [1, 2]}, error=None), status=OK, requests=1)
case("no_content_type", lambda connection, question: connection.sendall(http(json.dumps(members(question)), kind=None)),
     status=OK, requests=1)

# ---- errors
case("error_unknown", refusal("frobnicated"), "the identity provider says frobnicated: nothing that matters; try again later",
     requests=1)
case("error_known", refusal("invalid_scope"), "the identity provider says invalid_scope", DENIED)
case("error_with_200", refusal("invalid_client", status="200 OK"), "the identity provider says invalid_client", DENIED)
case("error_empty_description", refusal("invalid_scope", ""), "says invalid_scope; ", DENIED)
case("error_description_list", refusal("invalid_scope", ["x"]), "says invalid_scope; ", DENIED)
case("error_description_long", refusal("frobnicated", "long " * 820), "says frobnicated: long long", requests=1)
case("error_description_control", refusal("frobnicated", "a\x1b[31mred\x07\x7f\u202e\u009b b"), "says frobnicated: a", requests=1)
case("error_control", refusal("frob\r\nsasl-bearer: all is well\x1b[0m"), "says something that is no error's name", requests=1)
case("error_long", refusal("x" * 5000), "says something that is no error's name", requests=1)
case("error_object", plain('{"error": {"code": "x", "message": "y"}}', "400 Bad Request"), "HTTP 400", requests=1)
case("error_number_200", plain('{"error": 7}'), "holds no access_token", requests=1)
case("error_empty_400", refusal(""), "HTTP 400", requests=1)
case("error_codes_odd", refusal("frobnicated", error_codes=[-(2**62)], correlation_id=["x"], trace_id=7),
     "says frobnicated", requests=1)
case("error_and_token", grant(error="invalid_scope"), "says invalid_scope", DENIED)
case("error_401_loop", refusal("invalid_grant", "AADSTS50196: loop", error_codes=[50196]), "says invalid_grant: AADSTS50196",
     requests=1)

# ---- the request comes back
case("echo_400", echo("400 Bad Request", kind="application/x-www-form-urlencoded"), NOT_JSON, requests=1)
case("echo_200", echo("200 OK", kind="application/x-www-form-urlencoded"), NO_TOKEN, requests=1)
case("echo_500", echo("500 Internal Server Error", kind="text/plain"), TROUBLE)
case("echo_description", echo("400 Bad Request", lambda body: json.dumps(
    {"error": "frobnicated", "error_description": "cannot read " + body})), "says frobnicated", requests=1)
case("echo_secret_description", echo_secret("400 Bad Request", lambda secret: {
    "error": "frobnicated", "error_description": f"what is '{secret}' meant to be?"}), "says frobnicated", requests=1)
case("echo_secret_error", echo_secret("400 Bad Request", lambda secret: {"error": secret}), "", requests=1)
case("echo_secret_correlation", echo_secret("400 Bad Request", lambda secret: {
    "error": "frobnicated", "correlation_id": secret}), "says frobnicated", requests=1)
case("echo_secret_type", lambda connection, question: connection.sendall(
    http("", "400 Bad Request", question.secret.encode("latin-1", "replace").decode("latin-1"))), NOT_JSON, requests=1)
case("echo_as_token", echo_secret("200 OK", lambda secret: {"token_type": "Bearer", "access_token": [secret]}),
     "holds no access_token", requests=1)

# ---- TLS
case("tls_expired", None, UNTRUSTED, listener="expired", requests=0)
case("tls_self_signed", None, UNTRUSTED, listener="self_signed", requests=0)
case("tls_wrong_host", None, UNTRUSTED, listener="wrong_host", requests=0)
case("tls_1_1_only", None, UNREACHED, listener="tls_1_1", requests=0)
case("tls_no_cipher", None, UNREACHED, listener="no_cipher", requests=0)
case("tls_wants_certificate", None, UNREACHED, listener="wants_certificate", requests=0)

# ---- addresses
case("ipv6_literal", grant(rotate=True), status=OK, listener="ipv6", host="[::1]", requests=1)
case("ipv6_only", grant(rotate=True), status=OK, listener="ipv6", host="localhost", requests=1)
case("http_loopback", grant(rotate=True), status=OK, listener="http", host="http://127.0.0.1", requests=1)
CLEAR = "would send secrets in the clear; use https://"
case("http_elsewhere", None, CLEAR, CONFIG, url="http://login.example.com/token", recovers=0)
case("http_lookalike", None, CLEAR, CONFIG, url="http://localhost.example.com/token", recovers=0)
case("http_user_info", None, "holds a user name or password", CONFIG, url="http://localhost@login.example.com/token", recovers=0)
case("ftp", None, "is not a URL that begins with https://", CONFIG, url="ftp://localhost/token", recovers=0)
