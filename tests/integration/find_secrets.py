#!/usr/bin/env python3
"""Search everything a test run left, and every running process, for the secrets it used.

    find_secrets.py ISSUED DIRECTORY...

ISSUED has a secret on each line.  Below the directories every file is searched, but those that are meant to hold secrets;
of every process the command line and the environment.  Prints where one was found (never the secret); exits 1 then.
"""
import base64
import os
import re
import sys
import urllib.parse

# Files whose job it is to hold secrets: the emulator's own, token stores, client secrets, the programs' password files.
MEANT_FOR_SECRETS = re.compile(r"/(entra/[^/]*|[^/]*\.token|[^/]*\.secret|secret[^/]*|[^/]*\.key|sasl_passwd|mbsyncrc)$")
SHORTEST = 12  # shorter strings occur by chance


def forms(secret):
    """How a secret may look in a log: as it is, url-encoded, or in base64 within a SASL message."""
    yield secret.encode()
    yield urllib.parse.quote(secret, safe="").encode()
    for shift in range(3):
        # The part of the base64 text that does not depend on the neighbours.
        encoded = base64.b64encode(b"x" * shift + secret.encode())
        yield encoded[4:-4]


def needles(path):
    with open(path, encoding="utf-8") as lines:
        secrets = {line.rstrip("\n") for line in lines}
    found = {form for secret in secrets if len(secret) >= SHORTEST for form in forms(secret)}
    # A token may be cut: its first part is enough to tell.  Every token of one issuer begins alike, so look behind that.
    found |= {s.encode()[200:240] for s in secrets if len(s) > 400}
    return sorted(found)


def read(path):
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return b""  # gone, or a socket


def files(directory):
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path) and not MEANT_FOR_SECRETS.search(path):
                yield path


def processes():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        yield f"/proc/{pid}/cmdline"
        yield f"/proc/{pid}/environ"


def main(issued, *directories):
    wanted = needles(issued)
    if not wanted:
        sys.exit("no secrets were issued: nothing was tested")
    guilty = 0
    places = [path for directory in directories for path in files(directory)] + list(processes())
    for path in places:
        content = read(path)
        if any(needle in content for needle in wanted):
            print(f"a secret stands in {path}")
            guilty += 1
    print(f"{len(wanted)} forms of secrets searched in {len(places)} places")
    sys.exit(1 if guilty else 0)


main(*sys.argv[1:])
