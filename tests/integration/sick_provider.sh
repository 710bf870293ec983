#!/bin/sh
# A sick or hostile identity provider: whatever it does, a login ends in time with one line that says what is wrong, nothing
# that was stored is lost, no secret is told, and when it is well again so are logins.  The cases are tests/sick/cases.py.
. "${0%/*}/lib.sh"

SICK_DIR=$top_srcdir/tests/sick

sick_stop() {
    if [ -n "${sick_pid:-}" ]; then
        kill "$sick_pid" 2>/dev/null
        wait "$sick_pid" 2>/dev/null
        sick_pid=
    fi
}

# verdict CASE: nothing was wrong with it.
verdict() {
    [ -f "$sick/verdicts/$1" ] || { echo "it was not played"; return 1; }
    cat "$sick/verdicts/$1"
    [ ! -s "$sick/verdicts/$1" ]
}

integration_begin
trap 'sick_stop; integration_clean' EXIT
entra_start
imap_start
sick=$S/sick
/usr/bin/python3 "$SICK_DIR/sick.py" "$sick" "$entra" >"$S/sick.out" 2>&1 &
sick_pid=$!
fixture wait_for 20 test -f "$sick/ready.json"
sick_control=$(json_member control <"$sick/ready.json")
sick_url=https://localhost:$(json_member ports.answer_none <"$sick/ready.json")
{
    echo 'oauth2_timeout: 5'
    /usr/bin/python3 "$SICK_DIR/drive.py" conf "$sick" "$S/secret"
    section_delegated bob@fabrikam.com fabrikam.com | sed "s|token_endpoint:.*|token_endpoint: $sick_url/imtest/user/token|"
} | sasl_conf

# The table takes its time; what goes through libsasl2 goes on meanwhile.
/usr/bin/python3 "$SICK_DIR/drive.py" play "$sick" "$bindir/sasl-bearer" >"$S/drive.out" 2>&1 &
drive_pid=$!

# ---- a few cases through libsasl2

sick_post() {
    curl -sS --fail-with-body --data-binary "${2-}" "$sick_control/$1" >/dev/null
}

# expired: all is well, the pause of the last failure is over, and the token that is stored ends within a second.
expired() {
    sick_post play/imtest/well
    sick_post short/imtest/user
    run sasl_bearer renew bob@fabrikam.com
    equals 0 "$STATUS"
}

# logs_in_not WORD TEXT: imtest is turned away in time, in libsasl2's words for it; the reason that was kept has the text.
logs_in_not() {
    case $1 in
    later) logs_words='remote authentication server unavailable' ;;
    refused) logs_words='authentication failure' ;;
    esac
    logs_began=$(date +%s)
    turned_away "$logs_words" cyrus_login imtest "$DOVECOT_IMAP_PORT" bob@fabrikam.com XOAUTH2 &&
        at_most 6 $(($(date +%s) - logs_began)) || return 1
    run sasl_bearer status bob@fabrikam.com
    says "$2" "$OUT$ERR"
}

run sh -c 'printf %s rt.as.it.came.from.elsewhere | "$1" login --with-refresh-token bob@fabrikam.com' sh "$bindir/sasl-bearer"
check "somebody signs in with the provider that will be sick" equals "0 " "$STATUS $ERR"
while read -r name word said; do
    expired >"$S/expired.out" || { check "all is well before $name" cat "$S/expired.out"; continue; }
    sleep 2
    sick_post "play/imtest/$name"
    check "imtest and $name" logs_in_not "$word" "$said"
done <<'END'
answer_none later no answer from
login_page later is a proxy or a login page in between
500_html later has trouble of its own
json_truncated later something else than a token
error_known refused says invalid_scope
error_description_control later says frobnicated
echo_400 later instead of an OAuth error
redirect_302 later which is never followed
expires_zero later no time to live
END
sick_post play/imtest/well
sick_post token/imtest/user "$(access_token bob@fabrikam.com)"
run sasl_bearer renew bob@fabrikam.com
check "renew ends the pause" equals 0 "$STATUS"
check "imtest logs in when the provider is well again" cyrus_login imtest "$DOVECOT_IMAP_PORT" bob@fabrikam.com XOAUTH2

# ---- the table

drive_status=0
wait "$drive_pid" || drive_status=$?
check "all cases could be played" equals "0 " "$drive_status $(cat "$S/drive.out")"
for name in $(cd "$SICK_DIR" && /usr/bin/python3 -c 'import cases
print("\n".join(case.name for case in cases.TABLE))'); do
    check "$name" verdict "$name"
done
check "nobody followed a redirect" equals 0 "$(cat "$sick/elsewhere")"

check "no secret of the sick provider in any log, error text, command line or environment" \
    python3 "$integration_dir/find_secrets.py" "$sick/secret-issued" "$S"
integration_end
