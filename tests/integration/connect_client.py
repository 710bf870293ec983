#!/usr/bin/python3
"""connect_client.py - a program at the near end of `sasl-bearer connect`, and a server at its far end that hangs up.

    connect_client.py duplex COMMAND...         a large message each way at once, read slowly
    connect_client.py hears COMMAND...          asks for a message; prints the first line, how much else, "ended STATUS"
    connect_client.py together COUNT COMMAND... that many pipes at once, each with a command in it; prints what one needs
    connect_client.py signalled SIGNAL COMMAND... ends the command by a signal
    connect_client.py vanishes COMMAND...       takes the network away, with the connection's clocks a hundred times faster
    connect_client.py leaves COMMAND...         closes both ends behind the greeting
    connect_client.py idles COMMAND...          IDLE until a mail comes; prints "waiting", then what came
    connect_client.py smtp FROM TO COMMAND...   sends a mail
    connect_client.py server DIRECTORY CERT KEY MANNER [ADDRESS]
                                                IMAP over TLS; DIRECTORY/port has the port when it is there

The server's manners: reset, abrupt and polite hang up in the middle of a large message, by TCP's reset, without and with
TLS's close_notify; silent says nothing more there; busy greets with BYE.
"""

import ctypes
import hashlib
import os
import pathlib
import re
import signal
import smtplib
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

SIZE = 50_000_000
PART = 65536


def start(command, **options):
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)


def body(seed):
    """A message of SIZE bytes that does not repeat itself; every line ends as IMAP's do."""
    header = f"From: a@fixture.test\r\nSubject: {seed}\r\n\r\n".encode()
    block = b"".join(hashlib.sha256(f"{seed}{n}".encode()).hexdigest().encode() + b"\r\n" for n in range(1000))
    text = header + block * (SIZE // len(block) + 1)
    return text[:SIZE - 2] + b"\r\n"


def expect(stream, start_of_line):
    while not (line := stream.readline()).startswith(start_of_line):
        if not line:
            sys.exit(f"the pipe ended before {start_of_line!r}")
    return line


def append(stream, tag, message):
    stream.write(b"%s APPEND INBOX {%d+}\r\n" % (tag, len(message)))
    for begin in range(0, len(message), PART):
        stream.write(message[begin:begin + PART])
    stream.write(b"\r\n")
    stream.flush()


def duplex(command):
    first, second = body("first"), body("second")
    pipe = start(command)
    expect(pipe.stdout, b"* PREAUTH")
    append(pipe.stdin, b"a", first)
    expect(pipe.stdout, b"a OK")
    pipe.stdin.write(b"b SELECT INBOX\r\n")
    pipe.stdin.flush()
    expect(pipe.stdout, b"b OK")
    # From now on both directions at once: the server cannot take the second while the first waits to be read.
    pipe.stdin.write(b"c FETCH 1 BODY.PEEK[]\r\n")
    writer = threading.Thread(target=append, args=(pipe.stdin, b"d", second))
    writer.start()
    size = int(re.search(rb"\{(\d+)\}", expect(pipe.stdout, b"* 1 FETCH"))[1])
    digest = hashlib.sha256()
    while size > 0:
        part = pipe.stdout.read(min(size, PART))
        if not part:
            sys.exit("the pipe ended in the message")
        digest.update(part)
        size -= len(part)
        time.sleep(0.001)
    expect(pipe.stdout, b"c OK")
    expect(pipe.stdout, b"d OK")
    writer.join()
    pipe.stdin.write(b"e FETCH 2 BODY.PEEK[]\r\n")
    pipe.stdin.flush()
    size = int(re.search(rb"\{(\d+)\}", expect(pipe.stdout, b"* 2 FETCH"))[1])
    copy = pipe.stdout.read(size)
    pipe.stdin.write(b"f LOGOUT\r\n")
    pipe.stdin.close()
    expect(pipe.stdout, b"f OK")
    rest = pipe.stdout.read()
    same = digest.digest() == hashlib.sha256(first).digest() and copy == second
    print("same" if same else "different", "ended", pipe.wait(60), rest)


def hears(command):
    pipe = start(command)
    pipe.stdin.write(b"x FETCH 1 BODY[]\r\n")
    pipe.stdin.flush()
    heard = pipe.stdout.read()
    first, _, rest = heard.partition(b"\n")
    print(first.decode(errors="replace").strip(), f"and {len(rest)} bytes, ended {pipe.wait(60)}")


def private_memory(pid):
    """Kilobytes that a process shares with nobody."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as lines:
        return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def together(count, command):
    pipes = [start(command) for _ in range(count)]
    for pipe in pipes:
        expect(pipe.stdout, b"* PREAUTH")
    descriptors = max(len(os.listdir(f"/proc/{pipe.pid}/fd")) for pipe in pipes)
    print(f"descriptors {descriptors} memory {max(private_memory(pipe.pid) for pipe in pipes)}")
    for number, pipe in enumerate(pipes):
        pipe.stdin.write(b"t%d NOOP\r\nz LOGOUT\r\n" % number)
        pipe.stdin.flush()
    for number, pipe in enumerate(pipes):
        expect(pipe.stdout, b"t%d OK" % number)
        expect(pipe.stdout, b"z OK")
        pipe.stdin.close()
    print("ended", sorted({pipe.wait(60) for pipe in pipes}))


def leaves(command):
    """As a program that shares one socket for both directions, and then is no more."""
    ours, theirs = socket.socketpair()
    pipe = subprocess.Popen(command, stdin=theirs, stdout=theirs)
    theirs.close()
    expect(ours.makefile("rb"), b"* PREAUTH")
    ours.shutdown(socket.SHUT_RDWR)
    ours.close()
    print("ended", pipe.wait(60))


def signalled(name, command):
    pipe = start(command)
    expect(pipe.stdout, b"* PREAUTH")
    pipe.send_signal(signal.Signals[name])
    rest = pipe.stdout.read()
    print("ended", pipe.wait(60), rest)


def borrow_socket(pid):
    """The process' TCP connection, by pidfd_getfd(2), which Python has no name for."""
    pidfd = os.pidfd_open(pid)
    for number in os.listdir(f"/proc/{pid}/fd"):
        if os.readlink(f"/proc/{pid}/fd/{number}").startswith("socket:"):
            borrowed = socket.socket(fileno=ctypes.CDLL(None, use_errno=True).syscall(438, pidfd, int(number), 0))
            if borrowed.family in (socket.AF_INET, socket.AF_INET6):
                return borrowed
    sys.exit("it has no connection")


def vanishes(command):
    pipe = start(command)
    expect(pipe.stdout, b"* PREAUTH")
    pipe.stdin.write(b"x FETCH 1 BODY[]\r\n")
    pipe.stdin.flush()
    expect(pipe.stdout, b"* 1 FETCH")
    connection = borrow_socket(pipe.pid)
    for option, faster in (socket.TCP_KEEPIDLE, 100), (socket.TCP_KEEPINTVL, 30), (socket.TCP_USER_TIMEOUT, 100):
        value = connection.getsockopt(socket.IPPROTO_TCP, option)
        connection.setsockopt(socket.IPPROTO_TCP, option, max(1, value // faster))
    connection.close()
    subprocess.run(["ip", "link", "set", "lo", "down"], check=True)
    begin = time.monotonic()
    pipe.stdout.read()
    print("ended", pipe.wait(60), "noticed", time.monotonic() - begin, "s later")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def idles(command):
    pipe = start(command)
    expect(pipe.stdout, b"* PREAUTH")
    pipe.stdin.write(b"a SELECT INBOX\r\nb IDLE\r\n")
    pipe.stdin.flush()
    expect(pipe.stdout, b"+")
    print("waiting", flush=True)
    print(expect(pipe.stdout, b"*").decode().strip())
    pipe.stdin.write(b"DONE\r\nc LOGOUT\r\n")
    pipe.stdin.close()
    expect(pipe.stdout, b"c OK")
    print("ended", pipe.wait(60))


def smtp(sender, recipient, command):
    ours, theirs = socket.socketpair()
    pipe = subprocess.Popen(command, stdin=theirs, stdout=theirs)
    theirs.close()

    class Pipe(smtplib.SMTP):
        def _get_socket(self, host, port, timeout):
            return ours

    with Pipe("pipe", timeout=60) as client:
        client.sendmail(sender, recipient, f"From: {sender}\r\nTo: {recipient}\r\nSubject: by pipe\r\n\r\nHello.\r\n")
    print("ended", pipe.wait(60))


def serve(connection, manner):
    stream = connection.makefile("rwb")

    def say(text):
        stream.write(text.encode() + b"\r\n")
        stream.flush()

    if manner == "busy":
        say("* BYE too busy")
        return
    say("* OK here")
    while line := stream.readline().decode().strip():
        tag, _, command = line.partition(" ")
        if command == "CAPABILITY":
            say(f"* CAPABILITY IMAP4rev1 IDLE AUTH=XOAUTH2\r\n{tag} OK")
        elif command.startswith("AUTHENTICATE"):
            say("+ ")
            stream.readline()
            say(f"{tag} OK in")
        else:
            stream.write(b"* 1 FETCH (BODY[] {50000000}\r\n" + b"0123456789abcde\n" * PART)
            stream.flush()
            break
    if manner == "silent":
        time.sleep(60)
    if manner == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return
    if manner == "polite":
        connection.unwrap()
    connection.shutdown(socket.SHUT_RDWR)


def server(directory, certificate, key, manner, address="127.0.0.1"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
    path = pathlib.Path(directory)
    (path / "new").write_text(f"{listener.getsockname()[1]}\n")
    os.rename(path / "new", path / "port")
    while True:
        plain, _ = listener.accept()
        try:
            with context.wrap_socket(plain, server_side=True, suppress_ragged_eofs=False) as connection:
                serve(connection, manner)
        except (OSError, ssl.SSLError):
            pass


def main(arguments):
    name, *rest = arguments
    if name == "together":
        together(int(rest[0]), rest[1:])
    elif name == "signalled":
        signalled(rest[0], rest[1:])
    elif name == "smtp":
        smtp(rest[0], rest[1], rest[2:])
    elif name == "server":
        server(*rest)
    else:
        {"duplex": duplex, "hears": hears, "leaves": leaves, "idles": idles, "vanishes": vanishes}[name](rest)


main(sys.argv[1:])
