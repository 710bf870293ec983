#!/usr/bin/python3
"""syslog.py - writes what is sent to a socket, as by syslog(3), to a file: syslog.py SOCKET FILE"""
import os
import socket
import sys

with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server, open(sys.argv[2], "ab", buffering=0) as log:
    server.bind(sys.argv[1])
    os.chmod(sys.argv[1], 0o666)
    while True:
        log.write(server.recv(65536).rstrip(b"\0\n") + b"\n")
