#!/bin/sh
# libetpan: the command that Claws Mail is given in place of a server, and a login through libsasl2.
. "${0%/*}/../integration/lib.sh"
. "${0%/*}/programs.sh"

etpan() {
    with_plugin bounded python3 "$top_srcdir/tests/recipes/libetpan.py" "$@"
}

needs libetpan20 python3 -c 'import ctypes; ctypes.CDLL("libetpan.so.20")'
programs_begin
check "the command serves libetpan" equals '1 messages' "$(etpan command "$(block command)")"
check "libetpan logs in through libsasl2" equals 'logged in' "$(etpan sasl "$DOVECOT_IMAP_PORT" "$B")"
check "another user's login fails" fails 1 etpan sasl "$DOVECOT_IMAP_PORT" erin@fabrikam.com
integration_end
