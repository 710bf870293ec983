"""listening.py - what every server program here does: find a port, say "ready", end on SIGTERM."""

import contextlib
import errno
import json
import os
import signal
import socket
import threading


def bind_both(make, address, port):
    """Servers made by make((address, port)).  For 127.0.0.1 that is ::1 as well, because "localhost" may
    mean either; a free port of the one need not be free on the other, so try until both are."""
    for _ in range(100):
        first = make((address, port))
        if address != "127.0.0.1":
            return [first]
        try:
            return [first, make(("::1", first.server_address[1]))]
        except OSError as error:
            if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                return [first]                          # no IPv6 here
            first.server_close()
            if port != 0 or error.errno != errno.EADDRINUSE:
                raise
    raise OSError(errno.EADDRINUSE, "no port is free on both 127.0.0.1 and ::1")


def start(make, stack, address, port=0, both=True):
    """Bind and serve in threads; `stack` (an ExitStack) ends it.  Returns the port."""
    servers = bind_both(make, address, port) if both else [make((address, port))]
    for server in servers:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        stack.callback(end, server)
    return servers[0].server_address[1]


def end(server):
    """Without waiting until its poll interval has passed: a connection wakes it."""
    ending = threading.Thread(target=server.shutdown)
    ending.start()
    with contextlib.suppress(OSError):
        socket.create_connection(server.server_address[:2], timeout=1).close()
    ending.join()
    server.server_close()


def stop_on_signals(stopping):
    """SIGTERM and SIGINT set the event and do nothing else."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())


def write_private(path, document):
    """A JSON file that appears whole or not at all, 0600."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2)
        file.write("\n")
    scratch.rename(path)
