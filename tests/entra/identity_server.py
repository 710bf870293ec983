"""identity_server.py - the HTTPS side: paths, request checks, staged failures, and the log line of each request."""

import dataclasses
import random
import re
import uuid

import adminconsent
import authorize
import client_auth
import device
import form as forms
import pages
import redirects
import token_endpoint
import web
from directory import UnknownName
from journal import GUID, fingerprint, loggable_id, loggable_name, loggable_scope
from refusals import Refusal

ENDPOINT = re.compile(r"/([^/?]+)/(?:oauth2/v2\.0/(token|devicecode|authorize)|(?:v2\.0/)?(adminconsent)|"
                      r"v2\.0/\.well-known/(openid-configuration)|oauth2/(nativeclient))")
FOR_PEOPLE = ("authorize", "adminconsent", "nativeclient")      # what a browser asks for
FORM_TYPE = "application/x-www-form-urlencoded"
COUNTED_AS = {client_auth.DEVICE_CODE: "device_code", client_auth.CLIENT_CREDENTIALS: "client_credentials",
              "refresh_token": "refresh_token", "authorization_code": "authorization_code"}


class Drop(Exception):
    """The connection is to end without an answer."""


@dataclasses.dataclass
class Request:
    method: str
    endpoint: str
    path: str
    segment: str                # TENANT as written
    host: str
    authorization: str
    correlation_id: str
    form: dict = dataclasses.field(default_factory=dict)    # of people's browsers: the query
    page: dict = dataclasses.field(default_factory=dict)    # and this is what a page of ours posted
    malformed: Refusal = None   # why there is no form
    mail_password: bool = False # somebody's password for mail came along, which nobody has any business to send here

    @property
    def grant_type(self):
        return self.form.get("grant_type")

    @property
    def url(self):
        """As the client wrote it."""
        return f"https://{self.host}{self.path}"

    @property
    def for_people(self):
        return self.endpoint in FOR_PEOPLE

    @property
    def counted_as(self):
        return "button" if self.for_people and self.method == "POST" else self.endpoint


class IdentityHandler(web.Handler):
    """One request after the other of one connection.  `emulator` is set on the class by entra.py."""

    emulator = None

    def do_POST(self):
        try:
            body = self.read_body()
        except web.BadRequest as bad:
            self.hang_up(bad.status)
            return
        match = ENDPOINT.fullmatch(self.path.partition("?")[0])
        if match is None:
            self.send(web.Reply(b"<html><body>Not found</body></html>\n", 404, "text/html"))
            return
        request = self.understand(match, body)
        endpoint, journal = request.counted_as, self.emulator.journal
        journal.arrived(endpoint, COUNTED_AS.get(request.grant_type, "other"))
        outcome = "failed"
        try:
            outcome, reply = self.reply_to(request)
        except Drop:
            reply = None
        finally:
            journal.answered(endpoint, outcome)
        if reply is None:
            self.hang_up()
        else:
            self.send(reply)

    do_GET = do_PUT = do_DELETE = do_PATCH = do_POST

    def understand(self, match, body):
        segment, *endpoints = match.groups()
        headers = self.headers
        request = Request(self.command, next(filter(None, endpoints)), match[0], segment,
                          headers.get("Host", "localhost"), headers.get("Authorization"),
                          correlation_id(headers.get("client-request-id", "")))
        request.mail_password = self.emulator.directory.secret_values["plain_password"].encode() in body
        try:
            # Entra does not look into a body of another type, and then misses the first parameter.
            posted = forms.parse(body) if headers.get_content_type() == FORM_TYPE else {}
            if request.for_people:
                request.form, request.page = forms.parse(self.path.partition("?")[2].encode()), posted
            else:
                request.form = posted
        except Refusal as refusal:
            request.malformed = refusal
        return request

    def reply_to(self, request):
        """(outcome, Reply): hold, delay and fail as tests asked for, then ask the endpoint."""
        emulator, settings = self.emulator, self.emulator.settings
        if request.endpoint == "token":
            settings.wait_while_held(emulator.stopping)
            emulator.stopping.wait(settings.delay_seconds)
        headers = {"x-ms-request-id": str(uuid.uuid4())}
        if self.headers.get("return-client-request-id", "").lower() == "true":
            headers["client-request-id"] = request.correlation_id
        fail = settings.take_failure(request.endpoint, random.random())
        try:
            if fail is not None:
                return "failed", self.failure(request, fail)
            answer = self.endpoint(request)
        except Refusal as refusal:
            reply = self.refused(request, refusal)
            self.log(request, "refused", reply.status, refusal)
            reply.headers.update(headers)
            return "refused", reply
        reply, issued = (answer, None) if request.for_people else (web.json_reply(answer), answer)
        self.log(request, "ok", reply.status, issued=issued)
        reply.headers.update(headers)
        return "ok", reply

    def refused(self, request, refusal):
        """The Reply that says no, to a program or to a person."""
        line_break = "\r\n" if self.emulator.settings.error_description_crlf else " "
        document = refusal.document(request.host, request.correlation_id, line_break)
        if refusal.reply is not None:
            return refusal.reply(document)
        if request.for_people:
            return pages.error(document["error_description"], refusal.status)
        return web.json_reply(document, refusal.status)

    def failure(self, request, fail):
        """The Reply a test staged.  Raises Drop or Refusal if that is what it staged."""
        if "aadsts" in fail:
            raise Refusal(fail["aadsts"], tenant=request.segment)
        if fail.get("drop"):
            self.log(request, "dropped", None)
            raise Drop
        status = fail.get("status", 200 if fail.get("html") else 503)
        reply = web.staged(fail, status, web.Reply(b"The service is unavailable.", status, "text/plain"))
        self.log(request, "failed", reply.status)
        return reply

    def endpoint(self, request):
        """What the endpoint says: a JSON document (to people, a Reply), or a Refusal."""
        methods, answer = ENDPOINTS[request.endpoint]
        if request.method not in methods:
            raise Refusal(900561, methods=" or ".join(methods), method=request.method)
        if request.malformed:
            raise request.malformed
        try:
            authority = self.emulator.directory.authority(request.segment)
        except UnknownName:
            raise Refusal(90002, tenant=request.segment) from None
        return answer(self.emulator, request, authority)

    def log(self, request, outcome, status, refusal=None, issued=None):
        form, issued = request.form, issued or {}
        self.emulator.journal.log(
            endpoint=request.endpoint, tenant=loggable_name(request.segment),
            grant_type=COUNTED_AS.get(request.grant_type, "other") if request.endpoint == "token" else None,
            pkce=pkce(form) if request.endpoint == "authorize" else None,
            client_id=loggable_id(form.get("client_id")), scope=loggable_scope(form.get("scope")),
            mail_password=request.mail_password or None, outcome=outcome, status=status,
            error=refusal.error if refusal else None, code=refusal.number if refusal else None,
            correlation_id=request.correlation_id,
            **{f"{name}_sha256": fingerprint(issued[name]) for name in ("access_token", "refresh_token")
               if name in issued})


def correlation_id(sent):
    """The client's own, if it is one; it comes back in errors and in the log."""
    return sent if GUID.fullmatch(sent) else str(uuid.uuid4())


def pkce(form):
    """How a sign-in protects its code: tests ask the log."""
    method = form.get("code_challenge_method", "plain" if "code_challenge" in form else "none")
    return method if method in ("S256", "plain", "none") else "other"


def nativeclient(_emulator, _request, _authority):
    """GET /TENANT/oauth2/nativeclient: where those go who cannot listen."""
    return pages.blank()


def openid_configuration(emulator, request, authority):
    """GET /TENANT/v2.0/.well-known/openid-configuration."""
    tenant = authority.tenant.id if authority.tenant else "{tenantid}"
    base = f"https://{request.host}/{authority.tenant.id if authority.tenant else authority.segment}"
    return {"issuer": f"https://{request.host}/{tenant}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "response_types_supported": ["code"], "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["HS256"],
            "response_modes_supported": list(redirects.RESPONSE_MODES),
            **({"authorization_response_iss_parameter_supported": True} if emulator.settings.authorize_iss else {})}


ENDPOINTS = {
    # name: methods, (emulator, request, authority) -> what to answer
    "token": (("POST",), token_endpoint.token),
    "devicecode": (("POST",), device.devicecode),
    "authorize": (("GET", "POST"), authorize.authorize),
    "adminconsent": (("GET", "POST"), adminconsent.adminconsent),
    "nativeclient": (("GET",), nativeclient),
    "openid-configuration": (("GET",), openid_configuration),
}
