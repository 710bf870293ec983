#!/bin/sh
# imtest, pop3test and smtptest by the page's lines.  More of them: tests/integration/cyrus_clients.sh.
. "${0%/*}/../integration/lib.sh"
. "${0%/*}/programs.sh"

# logs_in NAME GOODBYE: what the program shows of its own side, the token among it, is left out.
logs_in() {
    block "$1" >"$S/recipe.$1" || return
    tool_output=$(echo "$2" | with_plugin timeout "$SECONDS_MAX" sh "$S/recipe.$1" 2>&1 | grep -v '^C: ')
    says 'Authenticated.' "$tool_output"
}

needs cyrus-clients cyrus_program imtest
programs_begin
PATH=$PATH:$(dirname "$(cyrus_program imtest)")
check "imtest logs in" logs_in imtest 'a LOGOUT'
check "pop3test logs in" logs_in pop3test QUIT
check "smtptest logs in" logs_in smtptest QUIT
sasl_bearer logout "$B" >"$S/logout.out"
check "who has not signed in is told why" turned_away 'passphrase expired' logs_in imtest 'a LOGOUT'
integration_end
