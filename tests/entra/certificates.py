"""certificates.py - a test CA and the certificates it signs, made with the openssl command.

The CA is made once per directory and then reused, so that a client configured with ca.pem keeps
trusting an emulator that was restarted.  Mail servers of the tests get theirs by `--issue`.
"""

import fcntl
import os
import pathlib
import re
import secrets
import subprocess
import tempfile

DAYS = "30"
LOCAL_NAMES = ("DNS:localhost", "IP:127.0.0.1", "IP:::1")
LOGIN_NAMES = ("DNS:login.microsoftonline.com", "DNS:login.microsoftonline.us",
               "DNS:login.partner.microsoftonline.cn")


def openssl(*arguments):
    """Run one openssl command; its error text becomes ours."""
    done = subprocess.run(("openssl",) + tuple(map(str, arguments)), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]} failed: {done.stdout.decode(errors='replace').strip()}")


def make_key(path):
    """A fresh P-256 key, never readable by others, not even for a moment."""
    previous = os.umask(0o077)
    try:
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)
    finally:
        os.umask(previous)


def make_ca(directory):
    certificate, key = directory / "ca.pem", directory / "ca.key"
    if certificate.exists() and key.exists():
        return
    make_key(key)
    openssl("req", "-new", "-x509", "-key", key, "-out", certificate, "-days", DAYS,
            "-subj", "/CN=Test CA of the Entra emulator", "-sha256",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")


def sign(directory, name, alternative_names):
    """NAME.key and NAME.pem (the certificate, then the CA's)."""
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    make_key(key)
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        request, extensions, leaf = (pathlib.Path(scratch) / part for part in ("csr", "ext", "crt"))
        openssl("req", "-new", "-key", key, "-out", request, "-subj", f"/CN={name}")
        extensions.write_text(f"subjectAltName={','.join(alternative_names)}\n"
                              "basicConstraints=critical,CA:FALSE\n"
                              "keyUsage=critical,digitalSignature\n"
                              "extendedKeyUsage=serverAuth\n")
        openssl("x509", "-req", "-in", request, "-out", leaf, "-days", DAYS, "-sha256",
                "-CA", directory / "ca.pem", "-CAkey", directory / "ca.key",
                "-set_serial", "0x" + secrets.token_hex(15), "-extfile", extensions)
        certificate.write_bytes(leaf.read_bytes() + (directory / "ca.pem").read_bytes())


def issue(directory, name, extra_names=()):
    """Make sure DIRECTORY has its CA, and a certificate for NAME and for this machine.

    Returns the paths of certificate and key.  Safe to run several times at once."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", name):
        raise ValueError(f"'{name}' is not a host name")
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    own = () if name == "localhost" else (f"DNS:{name}",)
    with open(directory / ".certificates.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        make_ca(directory)
        sign(directory, name, own + LOCAL_NAMES + tuple(extra_names))
    return directory / f"{name}.pem", directory / f"{name}.key"
