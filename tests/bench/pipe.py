#!/usr/bin/python3
"""pipe.py - how fast `sasl-bearer connect` carries bytes, beside any other pipe to a server with TLS.

    pipe.py server DIRECTORY CERT KEY       IMAP over TLS that lets anybody in; DIRECTORY/port has the port when it is there
    pipe.py carry MEGABYTES COMMAND...      so much each way at once through the command; prints "time MS" and "cpu MS"
    pipe.py carry-socket MEGABYTES COMMAND...
                                            the same, where the command has one socket for both directions

To the command's server "x CARRY BYTES" means that so many bytes come, and as many are to be sent meanwhile.  "cpu" is what
the command used: what others do on the machine counts less in it than in "time".
"""

import os
import pathlib
import resource
import select
import socket
import ssl
import subprocess
import sys
import threading
import time

PART = b"0123456789ABCDE\n" * 16384  # no line of it is a command of s_client


# ------------------------------------------------------------------ the server


def carry_both_ways(connection, size):
    """One thread, for OpenSSL's connections are for one at a time."""
    connection.setblocking(False)
    to_send = to_read = size
    part = memoryview(PART)
    while to_send or to_read:
        wanted = 0
        if to_read:
            try:
                to_read -= len(connection.recv(min(to_read, len(PART))))
            except ssl.SSLWantReadError:
                wanted |= select.POLLIN
        if to_send:
            try:
                to_send -= connection.send(part[:min(to_send, len(PART))])
            except ssl.SSLWantWriteError:
                wanted |= select.POLLOUT
        left = (select.POLLIN if to_read else 0) | (select.POLLOUT if to_send else 0)
        if left and wanted == left:
            poller = select.poll()
            poller.register(connection, wanted)
            poller.poll()
    connection.setblocking(True)


def read_line(connection):
    line = b""
    while not line.endswith(b"\n"):
        line += connection.recv(1) or b"x LOGOUT\r\n"
    return line.decode()


def serve(connection):
    connection.sendall(b"* OK here\r\n")
    while True:
        tag, command, *words = read_line(connection).split()
        if command == "CAPABILITY":
            connection.sendall(f"* CAPABILITY IMAP4rev1 AUTH=XOAUTH2\r\n{tag} OK\r\n".encode())
        elif command == "AUTHENTICATE":
            connection.sendall(b"+ \r\n")
            read_line(connection)
            connection.sendall(f"{tag} OK in\r\n".encode())
        elif command == "CARRY":
            carry_both_ways(connection, int(words[0]))
        else:
            connection.unwrap()
            return


def server(directory, certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))
    path = pathlib.Path(directory)
    (path / "new").write_text(f"{listener.getsockname()[1]}\n")
    os.rename(path / "new", path / "port")
    while True:
        plain, _ = listener.accept()
        try:
            with context.wrap_socket(plain, server_side=True) as connection:
                serve(connection)
        except OSError as error:
            print(error, file=sys.stderr)


# ------------------------------------------------------------------ the program


def start(command, one_socket):
    """The command, with the descriptors to write to and to read from."""
    if one_socket:
        ours, theirs = socket.socketpair()
        pipe = subprocess.Popen(command, stdin=theirs, stdout=theirs)
        theirs.close()
        return pipe, ours.fileno(), ours.detach()
    pipe = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    return pipe, pipe.stdin.fileno(), pipe.stdout.fileno()


def write_all(to, size):
    part = memoryview(PART)
    while size:
        size -= os.write(to, part[:min(size, len(PART))])


def carry(megabytes, command, one_socket):
    size = megabytes * 1_000_000
    pipe, to, back = start(command, one_socket)
    while not os.read(back, 4096).endswith(b"\n"):
        pass
    os.write(to, b"x CARRY %d\r\n" % size)
    begin = time.monotonic()
    writer = threading.Thread(target=write_all, args=(to, size))
    writer.start()
    while size:
        part = os.read(back, len(PART))
        if not part:
            sys.exit("the pipe ended in the middle")
        size -= len(part)
    writer.join()
    print(f"time {(time.monotonic() - begin) * 1000:.1f}")
    os.write(to, b"x LOGOUT\r\n")
    pipe.wait(20)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"cpu {(used.ru_utime + used.ru_stime) * 1000:.1f}")


def main(arguments):
    name, *rest = arguments
    if name == "server":
        server(*rest)
    else:
        carry(int(rest[0]), rest[1:], name == "carry-socket")


main(sys.argv[1:])
