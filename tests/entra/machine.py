"""machine.py - what a machine in Azure offers: tokens of its managed identities, over plain HTTP and without a secret.

Three services with one purpose and small differences, a row each in SOURCES: the metadata service of virtual
machines (IMDS), App Service with its older form, and Azure Arc, which has a port of its own.
"""

import dataclasses
import hmac
import pathlib
import random
import select
import time
import urllib.parse

import form as forms
import scopes
import web
from journal import loggable_id, loggable_scope
from refusals import Refusal

PROXY_HEADERS = ("X-Forwarded-For", "Forwarded", "Via", "Proxy-Connection")
# status: (error, message) of a failure that a test staged
WORDS = {400: ("invalid_request", "Identity not found"),
         404: ("not_found", "The identity is being updated. Try again."),
         410: ("gone", "The metadata service is being updated. Try again."),
         429: ("too_many_requests", "Too many requests. Try again."),
         500: ("unknown", "Failed to retrieve a token from the directory. For details see the logs.")}
SHAPES = {"flat": lambda status, error, message: {"error": error, "error_description": message},
          "nested": lambda status, error, message: {"error": {"code": error, "message": message}},
          "status": lambda status, error, message: {"statusCode": status, "message": message}}


class No(Exception):
    """A refusal by one of the rules."""

    outcome = "refused"

    def __init__(self, status, error, message, headers=None):
        super().__init__(message)
        self.status, self.error, self.message, self.headers = status, error, message, headers or {}


class Challenged(No):
    """Arc's 401, which is part of the game."""

    outcome = "challenged"


class Drop(Exception):
    """The connection is to end without an answer."""


@dataclasses.dataclass(frozen=True)
class Call:
    """A request, understood.  keys: Arc's."""
    source: str
    headers: dict
    parameters: dict
    keys: object

    def needs(self, name):
        if name not in self.parameters:
            raise No(400, "invalid_request", f"Required parameter {name} not specified")
        return self.parameters[name]


# Each service: (emulator, Call) -> its reply's JSON, or a No

def imds(emulator, call):
    needs_metadata(call)
    needs_version(call, "2018-02-01")
    return answer(emulator, call, {"client_id": "client_id", "object_id": "object_id", "msi_res_id": "resource_id"},
                  ("access_token", "client_id", "refresh_token", "expires_in", "expires_on", "ext_expires_in",
                   "not_before", "resource", "token_type"))


def app_service(emulator, call):
    """IDENTITY_ENDPOINT with X-IDENTITY-HEADER; or MSI_ENDPOINT with "secret" and other names."""
    old = call.parameters.get("api-version") == "2017-09-01"
    sent = call.headers.get("secret" if old else "X-IDENTITY-HEADER", "")
    if not hmac.compare_digest(sent.encode(), emulator.directory.secret_values["identity_header"].encode()):
        raise No(401, "unauthorized", "The secret header is missing or wrong")
    needs_version(call, "2019-08-01", "2017-09-01")
    if old:
        return answer(emulator, call, {"clientid": "client_id"},
                      ("access_token", "expires_on", "resource", "token_type"))
    return answer(emulator, call, {"client_id": "client_id", "object_id": "object_id", "principal_id": "object_id",
                                   "mi_res_id": "resource_id"},
                  ("access_token", "client_id", "expires_on", "resource", "token_type"))


def arc(emulator, call):
    """Only for the machine's own identity, and only for who can read the key file."""
    needs_metadata(call)
    needs_version(call, "2020-06-01", "2019-11-01")
    if {"client_id", "object_id", "principal_id", "msi_res_id", "mi_res_id"} & set(call.parameters):
        raise No(400, "invalid_request", "User-assigned identities are not supported")
    brought = call.keys.redeem(call.headers.get("Authorization"))
    emulator.journal.arc(fooled=brought == "fooled", challenged=brought != "good")
    if brought != "good":
        settings = emulator.settings
        try:
            header = call.keys.challenge(settings.arc_challenge, pathlib.Path(settings.arc_tokens))
        except OSError as error:
            raise No(500, "unknown", f"cannot make a key file: {error}") from None
        raise Challenged(401, "unauthorized", "Read the key file and repeat the request",
                         {} if header is None else {"WWW-Authenticate": header})
    return answer(emulator, call, {}, ("access_token", "expires_in", "expires_on", "ext_expires_in", "not_before",
                                       "resource", "token_type"))


@dataclasses.dataclass(frozen=True)
class Source:
    name: str
    service: object
    shape: str              # of its errors


METADATA_PATH, APP_SERVICE_PATH = "/metadata/identity/oauth2/token", "/msi/token"
SOURCES = (Source("imds", imds, "flat"), Source("app_service", app_service, "status"), Source("arc", arc, "flat"))
IMDS, APP_SERVICE, ARC = SOURCES


def needs_metadata(call):
    if call.headers.get("Metadata") != "true":
        raise No(400, "bad_request_102", "Required metadata header not specified")


def needs_version(call, *versions):
    version = call.needs("api-version")
    if version not in versions:
        raise No(400, "bad_request", f"api-version {version} is not supported. Supported: {', '.join(versions)}")


def answer(emulator, call, names, members):
    """The reply, of which a service sends some members.  names: its parameters that choose an identity."""
    resource = call.needs("resource")
    identity = find_identity(emulator.directory, call, names)
    try:
        scopes.find_resource(resource, identity.tenant)
    except Refusal as refusal:
        raise No(400, "invalid_resource", f"AADSTS{refusal.number}: {refusal.text}") from None
    settings, tenant = emulator.settings, emulator.directory.tenant(identity.tenant)
    lifetime, now = settings.identity_lifetime, int(time.time())
    reply = {"access_token": emulator.tokens.app_only(identity, tenant, resource, lifetime, "2"),
             "client_id": identity.client_id, "refresh_token": "", "expires_in": str(lifetime),
             "expires_on": EXPIRES_ON[settings.identity_expires_on](now, lifetime), "ext_expires_in": str(lifetime),
             "not_before": str(now), "resource": resource, "token_type": "Bearer"}
    reply = {name: reply[name] for name in members}
    if settings.refresh_in is not None:
        reply["refresh_in"] = str(settings.refresh_in)
    if settings.identity_numbers:
        reply = {name: int(value) if value.isdecimal() else value for name, value in reply.items()}
    return {name: value for name, value in (reply | settings.identity_reply).items() if value is not None}


EXPIRES_ON = {"epoch": lambda now, lifetime: str(now + lifetime),
              "seconds": lambda now, lifetime: str(lifetime),
              "iso": lambda now, lifetime: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + lifetime)),
              "date": lambda now, lifetime: time.strftime("%m/%d/%Y %I:%M:%S %p +00:00", time.gmtime(now + lifetime))}


def find_identity(directory, call, names):
    """The one that is named; or the machine's own; or the only one there is."""
    here = [row for row in directory.identities.values() if call.source in row.sources and row.enabled]
    given = [name for name in names if name in call.parameters]
    if len(given) > 1:
        raise No(400, "invalid_request", f"Only one of {', '.join(names)} may be given")
    if given:
        wanted = call.parameters[given[0]].lower()
        here = [row for row in here if getattr(row, names[given[0]]).lower() == wanted]
    else:
        here = [row for row in here if row.kind == "system"] or ([] if call.source == "arc" else here)
    if not here:
        raise No(400, *WORDS[400])
    if len(here) > 1:
        raise No(400, "invalid_request", "Multiple user assigned identities exist, please specify the clientId / "
                                         "resourceId of the identity in the token request")
    return here[0]


class MachineHandler(web.Handler):
    """One request after the other of one connection.  `emulator` and `keys` are set on the class by entra.py."""

    emulator = keys = None
    places = {METADATA_PATH: IMDS, APP_SERVICE_PATH: APP_SERVICE}

    def do_GET(self):
        try:
            self.read_body()
        except web.BadRequest as bad:
            self.hang_up(bad.status)
            return
        url = urllib.parse.urlsplit(self.path)
        source = self.places.get(url.path)
        if source is None:
            self.send(web.Reply(b"<html><body>Not found</body></html>\n", 404, "text/html"))
            return
        journal = self.emulator.journal
        journal.arrived(source.name, None)
        self.parameters, outcome, reply = {}, "failed", None
        try:
            outcome, reply = self.reply_to(source, url)
        except Drop:
            outcome = "dropped"
        finally:
            journal.answered(source.name, "failed" if outcome == "dropped" else outcome)
            journal.log(endpoint=source.name, client_id=loggable_id(self.parameters.get("client_id")),
                        scope=loggable_scope(self.parameters.get("resource")), outcome=outcome,
                        status=reply.status if reply else None)
        if reply is None:
            self.hang_up()
        else:
            self.send(reply)

    do_POST = do_PUT = do_DELETE = do_PATCH = do_GET

    def reply_to(self, source, url):
        """(outcome, Reply): hold, delay and fail as tests asked for, then ask the service."""
        emulator, settings = self.emulator, self.emulator.settings
        settings.wait_while_held(emulator.stopping)
        emulator.stopping.wait(settings.delay_seconds)
        fail = settings.take_identity_failure(source.name, random.random())
        if fail is not None:
            return "failed", self.failure(source, fail)
        try:
            if self.command != "GET":
                raise No(405, "method_not_allowed", f"The method {self.command} is not allowed")
            if url.netloc or any(name in self.headers for name in PROXY_HEADERS):
                raise No(400, "invalid_request", "The request came through a proxy")
            self.parameters = parameters(url.query)
            call = Call(source.name, self.headers, self.parameters, self.keys)
            return "ok", web.json_reply(source.service(emulator, call))
        except No as no:
            document = SHAPES[source.shape](no.status, no.error, no.message)
            return no.outcome, web.json_reply(document, no.status, no.headers)

    def failure(self, source, fail):
        """The Reply a test staged.  Raises Drop if it is none."""
        if fail.get("hang"):
            self.hang()
        if fail.get("drop") or fail.get("hang"):
            raise Drop
        status = fail.get("status", 200 if fail.get("html") else 500)
        error, message = WORDS.get(status, ("unknown", "The service is unavailable."))
        shape = SHAPES[fail.get("shape", source.shape)]
        document = shape(status, fail.get("error", error), fail.get("message", message))
        return web.staged(fail, status, web.json_reply(document, status))

    def hang(self):
        """Until the client has gone, or the emulator goes."""
        while not self.emulator.stopping.is_set():
            readable, _, _ = select.select([self.connection], [], [], 0.1)
            if readable and not self.connection.recv(1):
                return


class ArcHandler(MachineHandler):
    """Arc's port, which has nothing else."""

    places = {METADATA_PATH: ARC}


def parameters(query):
    try:
        return forms.parse(query.encode())
    except Refusal:
        raise No(400, "invalid_request", "The query is malformed") from None
