"""form.py - reading application/x-www-form-urlencoded as strictly as a careful server would.

Lenient parsers hide client bugs: a secret with '%' or '+' sent as it is, a token file's newline, a
parameter sent twice.  Here all of these are refused.
"""

import re

from refusals import Refusal

RAW = re.compile(rb"[!-~]*")                       # what may stand in a body at all: no blank, no CR, LF, no 8-bit
ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})?")


def decode(raw):
    """One percent-encoded name or value, to text.  Raises Refusal 9002313."""
    def octet(match):
        if match[1] is None:
            raise Refusal(9002313)
        return bytes([int(match[1], 16)])
    try:
        return ESCAPE.sub(octet, raw.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal(9002313) from None


def parse(body):
    """A request body, to a dict.  A parameter with an empty value is absent (RFC 6749, section 3.2)."""
    if not RAW.fullmatch(body):
        raise Refusal(9002313)
    seen, present = set(), {}
    for pair in body.split(b"&"):
        if not pair:
            continue
        name, _, value = pair.partition(b"=")
        name, value = decode(name), decode(value)
        if name in seen:
            raise Refusal(9002313)
        seen.add(name)
        if value:
            present[name] = value
    return present


def required(form, name):
    """The value of a parameter without which there is no request."""
    try:
        return form[name]
    except KeyError:
        raise Refusal(900144, parameter=name) from None
