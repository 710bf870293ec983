#!/usr/bin/env python3
"""port.py - what a shell cannot ask of a socket.

candidate            print a port on which nothing is bound, on 127.0.0.1 and for outsiders
greets PORT TEXT     succeed if the first line the server sends contains TEXT
auth-ready SOCKET    succeed if Dovecot's authentication server there has announced its mechanisms
"""
import random
import socket
import sys


def candidate():
    while True:
        port = random.randint(20000, 29999)
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
        print(port)
        return True


def read_until(connection, *ends):
    data = b""
    while not any(end in data for end in ends):
        more = connection.recv(4096)
        if not more:
            break
        data += more
    return data


def greets(port, text):
    with socket.create_connection(("127.0.0.1", int(port)), timeout=2) as connection:
        return text.encode() in read_until(connection, b"\n")


def auth_ready(path):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        connection.connect(path)
        return b"MECH\t" in read_until(connection, b"DONE\n")


def main(command, *arguments):
    commands = {"candidate": candidate, "greets": greets, "auth-ready": auth_ready}
    try:
        return 0 if commands[command](*arguments) else 1
    except OSError:     # not listening yet, or silent
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
