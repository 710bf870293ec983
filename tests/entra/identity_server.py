"""identity_server.py - the HTTPS side: paths, request checks, staged failures, and the log line of each request."""

import dataclasses
import random
import re
import uuid

import client_auth
import device
import form as forms
import token_endpoint
import web
from directory import UnknownName
from journal import GUID, fingerprint, loggable_id, loggable_name, loggable_scope
from refusals import Refusal

ENDPOINT = re.compile(r"/([^/?]+)/(?:oauth2/v2\.0/(token|devicecode)|v2\.0/\.well-known/(openid-configuration))")
FORM_TYPE = "application/x-www-form-urlencoded"
COUNTED_AS = {client_auth.DEVICE_CODE: "device_code", client_auth.CLIENT_CREDENTIALS: "client_credentials",
              "refresh_token": "refresh_token"}


class Drop(Exception):
    """The connection is to end without an answer."""


@dataclasses.dataclass
class Request:
    method: str
    endpoint: str
    segment: str                # TENANT as written
    host: str
    authorization: str
    correlation_id: str
    form: dict = dataclasses.field(default_factory=dict)
    malformed: Refusal = None   # why there is no form

    @property
    def grant_type(self):
        return self.form.get("grant_type")

    @property
    def url(self):
        """Of the token endpoint, as the client wrote it."""
        return f"https://{self.host}/{self.segment}/oauth2/v2.0/{self.endpoint}"


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
        endpoint, journal = request.endpoint, self.emulator.journal
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
        segment, endpoint, metadata = match.groups()
        headers = self.headers
        request = Request(self.command, endpoint or metadata, segment, headers.get("Host", "localhost"),
                          headers.get("Authorization"), correlation_id(headers.get("client-request-id", "")))
        try:
            # Entra does not look into a body of another type, and then misses the first parameter.
            if headers.get_content_type() == FORM_TYPE:
                request.form = forms.parse(body)
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
            document = self.endpoint(request)
        except Refusal as refusal:
            self.log(request, "refused", refusal.status, refusal)
            line_break = "\r\n" if settings.error_description_crlf else " "
            document = refusal.document(request.host, request.correlation_id, line_break)
            return "refused", web.json_reply(document, refusal.status, headers)
        self.log(request, "ok", 200, issued=document)
        return "ok", web.json_reply(document, 200, headers)

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
        """What the endpoint says: a JSON document, or a Refusal."""
        wanted_method = "GET" if request.endpoint == "openid-configuration" else "POST"
        if request.method != wanted_method:
            raise Refusal(900561, method=request.method)
        if request.malformed:
            raise request.malformed
        try:
            authority = self.emulator.directory.authority(request.segment)
        except UnknownName:
            raise Refusal(90002, tenant=request.segment) from None
        return {"token": token_endpoint.token, "devicecode": device.devicecode,
                "openid-configuration": openid_configuration}[request.endpoint](self.emulator, request, authority)

    def log(self, request, outcome, status, refusal=None, issued=None):
        form, issued = request.form, issued or {}
        self.emulator.journal.log(
            endpoint=request.endpoint, tenant=loggable_name(request.segment),
            grant_type=COUNTED_AS.get(request.grant_type, "other") if request.endpoint == "token" else None,
            client_id=loggable_id(form.get("client_id")), scope=loggable_scope(form.get("scope")),
            outcome=outcome, status=status, error=refusal.error if refusal else None,
            code=refusal.number if refusal else None, correlation_id=request.correlation_id,
            **{f"{name}_sha256": fingerprint(issued[name]) for name in ("access_token", "refresh_token")
               if name in issued})


def correlation_id(sent):
    """The client's own, if it is one; it comes back in errors and in the log."""
    return sent if GUID.fullmatch(sent) else str(uuid.uuid4())


def openid_configuration(_emulator, request, authority):
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
            "id_token_signing_alg_values_supported": ["HS256"]}
