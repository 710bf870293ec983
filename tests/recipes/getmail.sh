#!/bin/sh
# getmail as doc/desktop.md has it, by a user without rights: getmail delivers nothing as root.
. "${0%/*}/../integration/lib.sh"
# shellcheck source=/dev/null
. "${0%/*}/desktop.sh"

fetched() {
    as_user timeout "$SECONDS_MAX" getmail </dev/null 2>&1 && holds 'of bob' "$USER_HOME/mail"
}

desktop_begin
USER_ID=$(id -u nobody) # getmail wants somebody with a name
user_begin <<END
oauth2_servers: localhost
oauth2_ca_file: $SSL_CERT_FILE
$(section_delegated $B fabrikam.com)
END
as_user mkdir -p "$USER_HOME/.getmail" "$USER_HOME/mail/cur" "$USER_HOME/mail/new" "$USER_HOME/mail/tmp"
block getmail | sed "s|^server = localhost|&\nport = $DOVECOT_IMAPS_PORT|
    s|/etc/ssl/certs/ca-certificates.crt|$SSL_CERT_FILE|" >"$USER_HOME/.getmail/getmailrc"
check "before the sign-in it fetches nothing" turned_away "sasl-bearer exited with 77" fetched
refresh_token $B >"$S/secret-refresh"
run as_user "$bindir/sasl-bearer" login --with-refresh-token $B <"$S/secret-refresh"
check "bob signs in" equals "0 " "$STATUS $ERR"
check "getmail fetches" fetched
integration_end
