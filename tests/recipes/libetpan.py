#!/usr/bin/python3
"""libetpan.py - IMAP by libetpan, as Claws Mail and other programs use it.

    libetpan.py command COMMAND     the server is a command, as in Claws Mail's preferences
    libetpan.py sasl PORT USER      STARTTLS on localhost, then XOAUTH2 through libsasl2

Prints how many mails the INBOX has; the first step that fails is told, and ends it with 1.
"""

import ctypes
import sys

ETPAN = ctypes.CDLL("libetpan.so.20")
COMMAND = 4             # CONNECTION_TYPE_COMMAND, mailstorage_types.h
FINE = (0, 1, 2)        # MAILIMAP_NO_ERROR, .._AUTHENTICATED, .._NON_AUTHENTICATED


def step(name, *arguments):
    """Calls a function that returns a code."""
    if (code := getattr(ETPAN, name)(*arguments)) not in FINE:
        sys.exit(f"{name}: error {code}")


def new(name, *arguments):
    """Calls a function that returns a pointer."""
    function = getattr(ETPAN, name)
    function.restype = ctypes.c_void_p
    return ctypes.c_void_p(function(*arguments))


def by_command(command):
    storage = new("mailstorage_new", b"server")
    step("imap_mailstorage_init", storage, b"localhost", ctypes.c_uint16(0), command.encode(), COMMAND, 0,
         b"any", b"any", 0, None)
    step("mailstorage_connect", storage)
    folder = new("mailfolder_new", storage, b"INBOX", b"INBOX")
    step("mailfolder_connect", folder)
    messages, recent, unseen = ctypes.c_uint32(), ctypes.c_uint32(), ctypes.c_uint32()
    step("mailfolder_status", folder, ctypes.byref(messages), ctypes.byref(recent), ctypes.byref(unseen))
    print(messages.value, "messages")


def by_sasl(port, user):
    session, name = new("mailimap_new", ctypes.c_size_t(0), None), user.encode()
    step("mailimap_socket_connect", session, b"localhost", ctypes.c_uint16(int(port)))
    step("mailimap_socket_starttls", session)
    step("mailimap_authenticate", session, b"XOAUTH2", b"localhost", None, None, name, name, b"", None)
    step("mailimap_select", session, b"INBOX")
    step("mailimap_logout", session)
    print("logged in")


{"command": by_command, "sasl": by_sasl}[sys.argv[1]](*sys.argv[2:])
