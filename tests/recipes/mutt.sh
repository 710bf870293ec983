#!/bin/sh
# Debian's mutt and neomutt as doc/desktop.md has them: reading and sending with a token, reading through the pipe.
. "${0%/*}/../integration/lib.sh"
# shellcheck source=/dev/null
. "${0%/*}/desktop.sh"

# configured NAME: that block, with what GnuTLS is to trust; Debian's own configuration names that.
configured() {
    block "$1"
    echo "set ssl_ca_certificates_file = $CA certificate_file = ''"
}

# neomutt_cannot_send: for it says AUTH and token in one line, of which Postfix takes 2048 bytes.
neomutt_cannot_send() {
    configured token >"$S/token"
    neomutt_output=$(echo Hello. | bounded neomutt -n -F "$S/token" -s 'by neomutt' $A 2>&1) && return 1
    says 'Invalid base64 data in initial response' "$neomutt_output"
}

desktop_begin
for name in token pop pipe; do
    configured $name >"$S/$name"
done
sign_in $B
for program in mutt neomutt; do
    check "$program reads by IMAP with a token" mutt_copies $program token
done
check "mutt sends with a token" mutt_sends mutt token
check "neomutt cannot: the server takes no line so long" neomutt_cannot_send
check "mutt reads by POP3 with a token" mutt_copies mutt pop
check "neomutt reads through the pipe" mutt_copies neomutt pipe
integration_end
