"""wire.py - what cases say on the wire: answers well-formed enough to be wrong in one respect only.

An answer is a function of a connection and a Question.  It may block: each connection has a thread of its own.
"""

import json
import socket
import struct
import time

ABSENT = object()  # a member that is left out


def http(body, status="200 OK", kind="application/json", extra=()):
    """A whole response."""
    if isinstance(body, str):
        body = body.encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close"]
    if kind is not None:
        lines.append(f"Content-Type: {kind}")
    return "\r\n".join(lines + list(extra)).encode("latin-1") + b"\r\n\r\n" + body


def members(question, rotate=False, **changes):
    """What a good answer holds, with changes; rotate: the refresh token in hand is used up by it."""
    good = {"token_type": "Bearer", "expires_in": 3600, "access_token": question.slot.new_access_token()}
    if rotate and question.is_refresh:
        good["refresh_token"] = question.slot.rotate()
    good.update(changes)
    return {name: value for name, value in good.items() if value is not ABSENT}


def grant(status="200 OK", extra=(), **changes):
    """Answers a good grant, changed."""
    def answer(connection, question):
        connection.sendall(http(json.dumps(members(question, **changes)), status, extra=extra))
    return answer


def edited(edit, **changes):
    """Answers the text of a good grant as edit makes it: str or bytes."""
    def answer(connection, question):
        connection.sendall(http(edit(json.dumps(members(question, **changes)))))
    return answer


def refusal(error, description="nothing that matters", status="400 Bad Request", **more):
    """Answers an OAuth error."""
    return plain(json.dumps({"error": error, "error_description": description, **more}), status)


def plain(body, status="200 OK", kind="application/json", extra=()):
    """Answers this body, whatever was asked."""
    return lambda connection, question: connection.sendall(http(body, status, kind, extra))


def raw(data):
    """Answers these bytes and ends."""
    return lambda connection, question: connection.sendall(data)


def silence(connection, question):
    """Answers nothing, until the other side has had enough."""
    del question
    connection.settimeout(60)
    while connection.recv(4096):
        pass


def then_silence(data):
    def answer(connection, question):
        connection.sendall(data)
        silence(connection, question)
    return answer


def drip(head, body=b" "):
    """One byte a second."""
    def answer(connection, question):
        del question
        connection.sendall(head)
        for _ in range(60):
            connection.sendall(body)
            time.sleep(1)
    return answer


def endless(head, body):
    """The same again and again, as fast as it is taken."""
    def answer(connection, question):
        del question
        connection.sendall(head)
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            connection.sendall(body)
    return answer


def reset(connection):
    """Ends with RST: linger for no time."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def reset_after(data):
    def answer(connection, question):
        del question
        connection.sendall(data)
        reset(connection)
    return answer


def redirect(status):
    def answer(connection, question):
        connection.sendall(http("", status, None, [f"Location: {question.elsewhere}/stolen/token"]))
    return answer


def echo(status, wrap=str, kind="application/json"):
    """Answers the body of the request, or what wrap makes of its text."""
    return lambda connection, question: connection.sendall(http(wrap(question.body), status, kind))


def echo_secret(status, wrap):
    """Answers the request's secret, decoded, in what wrap makes of it."""
    return lambda connection, question: connection.sendall(http(json.dumps(wrap(question.secret)), status))
