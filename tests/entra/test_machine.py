"""test_machine.py - managed identities: each service's rules, Arc's key files, and all that can go wrong."""

import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import socket
import stat
import time
import unittest
import urllib.parse

from arc import KINDS
from cases import EntraTest, claims_of
from harness import Entra

MACHINE, ROBOT, SECOND = (f"3a000000-1111-4111-8111-00000000000{n}" for n in (1, 2, 3))
ROBOT_OBJECT = "5e5e5e5e-1111-4111-8111-0000000000a2"
ROBOT_RESOURCE = ("/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/mail/providers/"
                  "Microsoft.ManagedIdentity/userAssignedIdentities/mail-robot")
RESOURCE = "https://outlook.office365.com"
METADATA = {"Metadata": "true"}


def present(document):
    return [(name, value) for name, value in document.items() if value is not None]


class MachineTest(EntraTest):

    def setUp(self):
        super().setUp()
        self.tokens = self.directory / "tokens"
        self.settings(arc_tokens=str(self.tokens))

    def get(self, url, headers, method="GET", **query):
        """(status, headers, JSON document)."""
        parts = urllib.parse.urlsplit(url)
        text = urllib.parse.urlencode({name.replace("_version", "-version"): value for name, value in present(query)})
        with contextlib.closing(http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)) as connection:
            connection.request(method, f"{parts.path}?{text}", headers=dict(present(headers)))
            response = connection.getresponse()
            body = response.read()
            is_json = response.headers.get_content_type() == "application/json"
            return response.status, response.headers, json.loads(body) if is_json else body

    # Requests with everything in order; a case changes one thing.

    def imds(self, headers=None, method="GET", **changes):
        return self.get(self.entra.ready["imds"] + "/metadata/identity/oauth2/token", METADATA | (headers or {}), method,
                        **{"api_version": "2018-02-01", "resource": RESOURCE} | changes)

    def app_service(self, headers=None, method="GET", **changes):
        headers = {"X-IDENTITY-HEADER": self.entra.secrets["identity_header"]} | (headers or {})
        return self.get(self.entra.ready["app_service"], headers, method,
                        **{"api_version": "2019-08-01", "resource": RESOURCE} | changes)

    def old_app_service(self, headers=None, **changes):
        return self.app_service({"X-IDENTITY-HEADER": None, "secret": self.entra.secrets["identity_header"]} | (headers or {}),
                                **{"api_version": "2017-09-01"} | changes)

    def arc(self, headers=None, method="GET", **changes):
        return self.get(self.entra.ready["arc"], METADATA | (headers or {}), method,
                        **{"api_version": "2020-06-01", "resource": RESOURCE} | changes)

    def key_path(self, answer):
        status, headers, _ = answer
        self.assertEqual(status, 401)
        self.assertRegex(headers["WWW-Authenticate"], "^Basic realm=")
        return pathlib.Path(headers["WWW-Authenticate"].partition("=")[2])

    # Answers

    def assert_token(self, answer, client_id, members):
        status, _, document = answer
        self.assertEqual((status, set(document)), (200, set(members.split())), document)
        claims = claims_of(document["access_token"])
        self.assertEqual((claims["appid"], claims["idtyp"], claims["appidacr"], claims["aud"]),
                         (client_id, "app", "2", RESOURCE))
        return document

    def assert_no(self, answer, status, error=None):
        """Refused; error is None where the service has no such member."""
        got, _, document = answer
        if error is None:
            expected, found = {"statusCode": status, "message": ...}, document.get("statusCode")
        else:
            expected, found = {"error": error, "error_description": ...}, document.get("error")
        self.assertEqual((got, found, set(document)), (status, error or status, set(expected)), document)

    def counters(self):
        return self.entra.control("/counters")[1]["identity"]

    IMDS_MEMBERS = "access_token client_id refresh_token expires_in expires_on ext_expires_in not_before resource token_type"
    APP_MEMBERS = "access_token client_id expires_on resource token_type"
    ARC_MEMBERS = "access_token expires_in expires_on ext_expires_in not_before resource token_type"


class Imds(MachineTest):

    def test_all_strings(self):
        reply = self.assert_token(self.imds(), MACHINE, self.IMDS_MEMBERS)
        self.assertTrue(all(isinstance(value, str) for value in reply.values()))
        self.assertEqual((reply["expires_in"], reply["refresh_token"], reply["resource"]), ("86400", "", RESOURCE))
        self.assertAlmostEqual(int(reply["expires_on"]), time.time() + 86400, delta=60)
        claims = claims_of(reply["access_token"])
        self.assertEqual(claims["exp"], int(reply["expires_on"]))
        self.assertIn("virtualMachines/machine", claims["xms_mirid"])

    def test_tokens_open_mailboxes(self):
        for client_id, mailbox, allowed in ((ROBOT, "relay", True), (ROBOT, "box1", False), (SECOND, "box1", True),
                                            (SECOND, "ceo", False)):
            token = self.imds(client_id=client_id)[2]["access_token"]
            verdict = self.entra.ask("/may-open", token=token, mailbox=f"{mailbox}@contoso.com", protocol="smtp")
            self.assertEqual(verdict["allow"], allowed, verdict)

    def test_which_identity(self):
        for name in ({"client_id": ROBOT}, {"client_id": ROBOT.upper()}, {"object_id": ROBOT_OBJECT},
                     {"msi_res_id": ROBOT_RESOURCE}):
            self.assert_token(self.imds(**name), ROBOT, self.IMDS_MEMBERS)
        self.assert_no(self.imds(client_id=ROBOT, object_id=ROBOT_OBJECT), 400, "invalid_request")
        for name in ({"client_id": ROBOT_OBJECT}, {"object_id": ROBOT}, {"msi_res_id": ROBOT}):
            self.assert_no(self.imds(**name), 400, "invalid_request")

    def test_without_a_name(self):
        def sources(client_id, *names):
            self.entra.ask(f"/identities/{client_id}", sources=names)
        try:
            sources(MACHINE)
            self.assertIn("Multiple", self.imds()[2]["error_description"])
            sources(SECOND)
            self.assert_token(self.imds(), ROBOT, self.IMDS_MEMBERS)
            sources(ROBOT)
            self.assertEqual(self.imds()[2]["error_description"], "Identity not found")
        finally:
            sources(MACHINE, "imds", "app_service", "arc")
            for client_id in (ROBOT, SECOND):
                sources(client_id, "imds", "app_service")

    def test_what_it_refuses(self):
        for value in (None, "True", "1", "true, true"):
            self.assert_no(self.imds({"Metadata": value}), 400, "bad_request_102")
        for name in ("X-Forwarded-For", "Via", "Forwarded", "Proxy-Connection"):
            self.assert_no(self.imds({name: "127.0.0.1"}), 400, "invalid_request")
        for version in (None, "2019-08-01", "2018-02-02"):
            self.assertEqual(self.imds(api_version=version)[0], 400)
        for resource in (f"{RESOURCE}/.default", "outlook", f"{RESOURCE}\n"):
            self.assert_no(self.imds(resource=resource), 400, "invalid_resource")
        self.assert_no(self.imds(resource=None), 400, "invalid_request")
        self.assert_no(self.imds(method="POST"), 405, "method_not_allowed")
        for place in ("imds", "arc_imds"):
            self.assertEqual(self.get(self.entra.ready[place] + "/metadata", METADATA)[0], 404)
        self.assertEqual(self.get(self.entra.ready["arc_imds"] + "/msi/token", METADATA)[0], 404)

    def raw(self, target):
        with socket.create_connection(("127.0.0.1", self.entra.ready["identity_port"])) as connection:
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nMetadata: true\r\nConnection: close\r\n\r\n".encode())
            return connection.makefile("rb").readline().split()[1]

    def test_request_targets(self):
        path = "/metadata/identity/oauth2/token"
        query = f"api-version=2018-02-01&resource={urllib.parse.quote(RESOURCE, safe='')}"
        self.assertEqual(self.raw(f"{path}?{query}"), b"200")
        self.assertEqual(self.raw(f"http://169.254.169.254{path}?{query}"), b"400")
        self.assertEqual(self.raw(f"{path}?{query}&resource=x"), b"400")
        self.assertEqual(self.raw(f"{path}?{query}&client_id=%zz"), b"400")

    def test_odd_replies(self):
        self.settings(identity_lifetime=7, identity_numbers=True, refresh_in=3)
        reply = self.imds()[2]
        self.assertEqual((reply["expires_in"], reply["refresh_in"], type(reply["expires_on"])), (7, 3, int))
        self.settings(identity_numbers=False, identity_expires_on="iso")
        self.assertRegex(self.imds()[2]["expires_on"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.settings(identity_expires_on="seconds")
        self.assertEqual(self.imds()[2]["expires_on"], "7")
        self.settings(identity_expires_on="date", identity_reply={"token_type": None, "expires_in": [1]})
        reply = self.imds()[2]
        self.assertRegex(reply["expires_on"], r"^\d\d/\d\d/\d{4} \d\d:\d\d:\d\d [AP]M \+00:00$")
        self.assertEqual((reply.get("token_type"), reply["expires_in"]), (None, [1]))


class AppService(MachineTest):

    def test_both_forms(self):
        reply = self.assert_token(self.app_service(), MACHINE, self.APP_MEMBERS)
        self.assertTrue(reply["expires_on"].isdecimal())
        for name in ({"client_id": ROBOT}, {"object_id": ROBOT_OBJECT}, {"principal_id": ROBOT_OBJECT},
                     {"mi_res_id": ROBOT_RESOURCE}):
            self.assert_token(self.app_service(**name), ROBOT, self.APP_MEMBERS)
        self.assert_token(self.old_app_service(), MACHINE, self.APP_MEMBERS.replace("client_id ", ""))
        self.assert_token(self.old_app_service(clientid=ROBOT), ROBOT, self.APP_MEMBERS.replace("client_id ", ""))

    def test_what_it_refuses(self):
        for value in (None, "wrong"):
            self.assert_no(self.app_service({"X-IDENTITY-HEADER": value}), 401)
            self.assert_no(self.old_app_service({"secret": value}), 401)
        self.assert_no(self.app_service(api_version="2017-09-01"), 401)
        self.assert_no(self.old_app_service(api_version="2019-08-01"), 401)
        self.assert_no(self.app_service(api_version="2018-02-01"), 400)
        self.assert_no(self.app_service(resource=None), 400)
        self.assert_no(self.app_service(client_id="x"), 400)
        self.assert_no(self.app_service({"X-Forwarded-For": "x"}), 400)
        self.assert_no(self.app_service(method="POST"), 405)


class Arc(MachineTest):

    def test_key_file_and_token(self):
        path = self.key_path(self.arc())
        self.assertEqual((path.parent, path.suffix, stat.S_IMODE(path.stat().st_mode)), (self.tokens, ".key", 0o640))
        key = {"Authorization": f"Basic {path.read_text()}"}
        self.assertIn(path.read_text(), (self.directory / "issued.txt").read_text().splitlines())
        reply = self.assert_token(self.arc(key), MACHINE, self.ARC_MEMBERS)
        self.assertTrue(all(isinstance(value, str) for value in reply.values()))
        self.assertFalse(path.exists())
        again = self.key_path(self.arc(key))
        self.assertNotEqual(again, path)
        key = {"Authorization": f"Basic {again.read_text()}"}
        self.assert_token(self.arc(key, api_version="2019-11-01"), MACHINE, self.ARC_MEMBERS)
        self.assertEqual(self.counters(), {"imds": 0, "app_service": 0, "arc": 4, "arc_challenges": 2, "arc_fooled": 0})
        self.assertEqual(self.entra.control("/counters")[1]["refused"], 0)

    def test_what_it_refuses(self):
        self.assert_no(self.arc({"Metadata": None}), 400, "bad_request_102")
        self.assert_no(self.arc(api_version="2018-02-01"), 400, "bad_request")
        self.assert_no(self.arc(client_id=MACHINE), 400, "invalid_request")
        self.assert_no(self.arc({"Via": "x"}), 400, "invalid_request")
        self.assertEqual(self.counters()["arc_challenges"], 0)
        key = self.key_path(self.arc()).read_text()
        for header in (key, f"Bearer {key}", f"Basic {key}\t", f"Basic {key[:-1]}", "Basic "):
            self.assertEqual(self.arc({"Authorization": header})[0], 401, header)
        self.assert_token(self.arc({"Authorization": f"Basic {key}"}), MACHINE, self.ARC_MEMBERS)

    def test_only_the_machine_s_own_identity(self):
        try:
            self.entra.ask(f"/identities/{MACHINE}", sources=[])
            self.entra.ask(f"/identities/{ROBOT}", sources=["arc"])
            key = self.key_path(self.arc()).read_text()
            self.assert_no(self.arc({"Authorization": f"Basic {key}"}), 400, "invalid_request")
        finally:
            self.entra.ask(f"/identities/{MACHINE}", sources=["imds", "app_service", "arc"])
            self.entra.ask(f"/identities/{ROBOT}", sources=["imds", "app_service"])

    def challenge(self, kind):
        self.settings(arc_challenge=kind)
        return self.arc()[1].get("WWW-Authenticate")

    def test_good_challenges_of_another_look(self):
        quoted = self.challenge("quoted")
        self.assertEqual((quoted[:13], quoted[-5:]), ('Basic realm="', '.key"'))
        self.assertEqual(self.arc({"Authorization": "Basic " + pathlib.Path(quoted[13:-1]).read_text()})[0], 200)
        largest = pathlib.Path(self.challenge("largest")[12:])
        self.assertEqual(largest.stat().st_size, 4096)
        self.assertEqual(self.arc({"Authorization": f"Basic {largest.read_text()}"})[0], 200)

    def test_bad_challenges(self):
        path = {kind: pathlib.Path((self.challenge(kind) or "=").partition("=")[2]) for kind in KINDS}
        self.assertEqual(path["too_large"].stat().st_size, 4097)
        self.assertNotIn(self.tokens, path["outside"].parents)
        self.assertEqual(path["subdirectory"].parent.parent, self.tokens)
        self.assertTrue(str(path["dot_dot"]).startswith(f"{self.tokens}/../"))
        self.assertNotEqual(path["dot_dot"].resolve().parent, self.tokens)
        self.assertEqual((path["relative"].name, path["relative"].parent), (str(path["relative"]), pathlib.Path(".")))
        self.assertEqual((path["not_key"].parent, path["not_key"].suffix), (self.tokens, ".txt"))
        self.assertTrue(path["symlink"].is_symlink() and path["symlink"].is_file())
        self.assertFalse(path["missing"].exists())
        self.assertEqual(path["empty"].read_text(), "")
        self.assertTrue(path["directory"].is_dir() and path["fifo"].is_fifo())
        self.assertEqual((self.challenge("no_header"), self.challenge("no_realm")), (None, "Basic"))
        self.assertEqual(self.challenge("other_scheme")[:13], "Bearer realm=")

    def test_clients_that_fall_for_them_are_counted(self):
        fell = 0
        for kind in ("too_large", "outside", "subdirectory", "dot_dot", "not_key", "symlink", "never"):
            content = pathlib.Path(self.challenge(kind).partition("=")[2]).read_text()
            for _ in range(2):
                self.assertEqual(self.arc({"Authorization": f"Basic {content}"})[0], 401, kind)
                fell += 1
            self.assertEqual(self.counters()["arc_fooled"], fell)

    def test_directory_that_cannot_be_made(self):
        (self.directory / "file").touch()
        self.settings(arc_tokens=str(self.directory / "file" / "tokens"))
        self.assert_no(self.arc(), 500, "unknown")

    def test_nothing_is_left_behind(self):
        entra = Entra(self.directory / "another")
        tokens = self.directory / "made" / "for" / "arc"
        entra.ask("/settings", arc_tokens=str(tokens))
        for kind in KINDS:
            entra.ask("/settings", arc_challenge=kind)
            self.get(entra.ready["arc"], METADATA, api_version="2020-06-01", resource=RESOURCE)
        self.assertGreater(len(os.listdir(tokens)), 10)
        self.assertEqual(entra.stop(), "")
        self.assertFalse((self.directory / "made").exists() or (self.directory / "another" / "arc-elsewhere").exists())


class Trouble(MachineTest):

    def fail(self, **members):
        self.settings(identity_fail=members)

    def test_each_status_has_its_words(self):
        for status in (400, 404, 410, 429, 500, 503, 502):
            self.fail(status=status, times=1, retry_after=3)
            got, headers, document = self.imds()
            self.assertEqual((got, headers["Retry-After"], set(document)), (status, "3", {"error", "error_description"}))
        self.assertEqual(self.imds()[0], 200)
        self.assertEqual(self.entra.control("/counters")[1]["failed"], 7)

    def test_shapes(self):
        self.fail(status=400)
        self.assertEqual(self.imds()[2], {"error": "invalid_request", "error_description": "Identity not found"})
        self.assertEqual(self.app_service()[2], {"statusCode": 400, "message": "Identity not found"})
        self.fail(status=400, shape="nested", error="e", message="m")
        self.assertEqual(self.imds()[2], {"error": {"code": "e", "message": "m"}})
        self.fail(status=400, shape="status")
        self.assertEqual(self.arc()[2], {"statusCode": 400, "message": "Identity not found"})

    def test_other_answers(self):
        self.fail(html=True)
        self.assertEqual((self.imds()[0], self.imds()[2][:9]), (200, b"<!DOCTYPE"))
        self.fail(status=302, location="http://127.0.0.1:1/", body="")
        status, headers, _ = self.imds()
        self.assertEqual((status, headers["Location"]), (302, "http://127.0.0.1:1/"))
        self.fail(body="{}", content_type="application/json", status=200)
        self.assertEqual(self.imds()[2], {})
        self.fail(drop=True)
        with self.assertRaises((http.client.RemoteDisconnected, ConnectionError)):
            self.imds()

    def test_one_source_and_some_times(self):
        self.fail(source="app_service", status=500, times=2)
        self.assertEqual([self.imds()[0]] + [self.app_service()[0] for _ in range(3)], [200, 500, 500, 200])
        counters = self.counters()
        self.assertEqual((counters["imds"], counters["app_service"], counters["arc"]), (1, 3, 0))

    def test_hang_lasts_until_the_client_goes(self):
        self.fail(hang=True)
        with socket.create_connection(("127.0.0.1", self.entra.ready["identity_port"])) as connection:
            connection.sendall(b"GET /metadata/identity/oauth2/token HTTP/1.1\r\nHost: x\r\n\r\n")
            self.wait_for(1)
            connection.settimeout(0.3)
            with self.assertRaises(socket.timeout):
                connection.recv(1)
        self.wait_for(0)

    def test_hold(self):
        self.settings(hold=True)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            answers = [pool.submit(self.imds) for _ in range(3)]
            try:
                self.wait_for(3)
            finally:
                self.settings(hold=False)
            self.assertEqual([answer.result(timeout=10)[0] for answer in answers], [200] * 3)

    def wait_for(self, waiting):
        deadline = time.monotonic() + 10
        while (now := self.entra.control("/counters")[1]["waiting"]) != waiting and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertEqual(now, waiting)

    def test_the_log_has_no_tokens_and_no_header(self):
        token = self.imds()[2]["access_token"]
        self.app_service(client_id=token)
        log = (self.directory / "requests.log").read_text()
        self.assertNotIn(token, log)
        self.assertNotIn(self.entra.secrets["identity_header"], log)
        self.assertIn('"endpoint": "imds", "scope": "https://outlook.office365.com", "outcome": "ok", "status": 200', log)

    def test_settings_and_calls_that_make_no_sense(self):
        for document in ({"identity_fail": {"shape": "round"}}, {"identity_fail": {"source": "vm"}},
                         {"identity_fail": {"aadsts": 90033}}, {"fail": {"hang": True}}, {"arc_challenge": "bad"},
                         {"identity_expires_on": "never"}, {"identity_reply": []}):
            self.assertEqual(self.entra.control("/settings", document)[0], 400, document)
        self.assertEqual(self.entra.control(f"/apps/{ROBOT}", {"enabled": False})[0], 400)
        self.assertEqual(self.entra.control(f"/identities/{ROBOT}", {"kind": "both"})[0], 400)


if __name__ == "__main__":
    unittest.main()
