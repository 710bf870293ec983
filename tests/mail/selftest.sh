#!/bin/sh
# selftest.sh - do the fixtures work?  Needs no plugin of ours: PLAIN goes through libsasl2's own, and bearer tokens
# are brought by xoauth2.py.  Prints "N passed, N failed"; exit status 77 if something it needs is not installed.
set -u
mail_dir=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=mail.sh
. "$mail_dir/mail.sh"

passed=0 failed=0

# check SENTENCE COMMAND [ARGUMENT...]
check() {
    sentence=$1
    shift
    if output=$("$@" 2>&1); then
        passed=$((passed + 1))
        echo "ok: $sentence"
    else
        failed=$((failed + 1))
        printf 'FAILED: %s\n%s\n' "$sentence" "$output"
    fi
}

equal() { [ "$1" = "$2" ] || { echo "'$1' is not '$2'"; return 1; }; }
contains() { case $1 in *"$2"*) ;; *) echo "'$2' is not in: $1"; return 1 ;; esac; }
fails() { ! "$@"; }
finish() { echo "$passed passed, $failed failed"; [ "$failed" -eq 0 ]; exit; }

need() {
    for program; do
        PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || { echo "skipped: no $program"; exit 77; }
    done
    [ "$(id -u)" -eq 0 ] || { echo "skipped: not root"; exit 77; }
}

# fingerprint: print names, owners, modes, sizes and times of everything the machine's own servers have.
fingerprint() {
    find /etc/postfix /etc/dovecot /var/spool/postfix /var/lib/postfix /var/lib/dovecot /run/dovecot \
        /var/log/mail.log /etc/passwd /etc/aliases -printf '%p %u %g %m %s %T@\n' 2>/dev/null | sort
}

make_certificates() {
    cd "$S" || exit 1
    {
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN=selftest CA' -keyout ca.key -out ca.pem \
            -addext basicConstraints=critical,CA:TRUE &&
            openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr &&
            echo 'subjectAltName=DNS:localhost' >server.ext &&
            openssl x509 -req -days 2 -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
                -extfile server.ext -out server.pem
    } 2>"$S/openssl.log" || { cat "$S/openssl.log"; exit 1; }
    cd "$mail_dir" || exit 1
}

# A stand-in for the emulator's script: good-token, padded with x to any length, opens every mailbox.
write_passdb() {
    cat >"$S/passdb.lua" <<'LUA'
function auth_password_verify(request, password)
  if password:match("^good%-tokenx*$") and entra_control == "http://127.0.0.1:12345" then
    return dovecot.auth.PASSDB_RESULT_OK, {}
  end
  return dovecot.auth.PASSDB_RESULT_PASSWORD_MISMATCH, {}
end
function auth_passdb_lookup(request)
  return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN, {}
end
LUA
}

bearer() { python3 "$mail_dir/xoauth2.py" "$@"; }

# refused STATUS TEXT COMMAND...: does it fail with STATUS, and say TEXT?  (It could fail for so many reasons.)
refused() {
    refusal_status=$1 refusal_text=$2
    shift 2
    said=$("$@" 2>&1) && said_status=0 || said_status=$?
    equal "$said_status" "$refusal_status" && contains "$said" "$refusal_text"
}

try_tools() {
    check "wait_for succeeds as soon as its command does" wait_for 5 true
    check "wait_for gives up" fails wait_for 0 false
    check "ports differ" fails equal "$(mail_port "$S/ports")" "$(mail_port "$S/ports")"
    mail_ports_release "$S/ports"
    check "a relative home is refused" fails mail_home relative
    mkdir -m 700 "$S/closed"
    check "a home that servers cannot walk to is refused" fails mail_home "$S/closed/home"
}

try_bearer() {
    long=$(printf 'good-token%03000d' 0 | tr 0 x)
    while read -r protocol port options; do
        # shellcheck disable=SC2086 # options may be none
        for mechanism in '' --oauthbearer; do
            check "$protocol $options takes a good token ${mechanism:---xoauth2}" \
                bearer "$protocol" "$port" alice@contoso.com good-token "$S/ca.pem" $options $mechanism
            check "$protocol $options takes a token of 3010 bytes ${mechanism:---xoauth2}" \
                bearer "$protocol" "$port" alice@contoso.com "$long" "$S/ca.pem" $options $mechanism
            check "$protocol $options refuses a bad token ${mechanism:---xoauth2}" \
                refused 3 '' bearer "$protocol" "$port" alice@contoso.com bad-token "$S/ca.pem" $options $mechanism
        done
    done <<END
imap $DOVECOT_IMAP_PORT
imap $DOVECOT_IMAPS_PORT --implicit
pop3 $DOVECOT_POP3_PORT
pop3 $DOVECOT_POP3S_PORT --implicit
smtp $SMTPD_PORT
smtp $SMTPS_PORT --implicit
END
    check "a refusal comes with an error challenge" contains \
        "$(bearer imap "$DOVECOT_IMAP_PORT" alice@contoso.com bad-token "$S/ca.pem")" '"status":'
    check "a user name may hold a comma and an equals sign" \
        bearer imap "$DOVECOT_IMAP_PORT" 'a,b=c@contoso.com' good-token "$S/ca.pem" --oauthbearer
}

# try_relay WHERE OPTION...: PLAIN from Postfix to Postfix to Maildir.
try_relay() {
    where=$1
    shift
    postfix_client_start "$S/relay-$where" "$SMTPD_PORT" "$S/ca.pem" --mechanisms plain \
        --login alice@contoso.com:good-token --env 'FIXTURE_WORD=two words' "$@" || { failed=$((failed + 1)); return; }
    before=$(mailbox_count "$DOVECOT_STORE" bob@fabrikam.com)
    id=$(postfix_send "$RELAY_HOME" alice@contoso.com bob@fabrikam.com "from $where")
    check "$where: the mail is sent" equal "$(postfix_outcome "$RELAY_HOME" "$id")" sent
    check "$where: the queue runs empty" wait_for 10 postfix_queue_empty "$RELAY_HOME"
    check "$where: it arrives" wait_for 10 mailbox_has "$DOVECOT_STORE" bob@fabrikam.com $((before + 1))
    check "$where: it is that mail" contains "$(mailbox_read "$DOVECOT_STORE" bob@fabrikam.com)" "from $where"
    pid=$(postfix_pids "$RELAY_HOME" | head -n 1)
    check "$where: smtp(8) is in its jail, or not" equal "$(readlink "/proc/$pid/root")" "${RELAY_JAIL:-/}"
    environment=$(tr '\0' '\n' <"/proc/$pid/environ")
    check "$where: smtp(8) got the environment" contains "$environment" 'FIXTURE_WORD=two words'
    check "$where: nothing to complain about" fails postfix_complaints "$RELAY_HOME"
    check "$where: a reload ends smtp(8)" postfix_reload "$RELAY_HOME"
    check "$where: none is left" equal "$(postfix_pids "$RELAY_HOME")" ''
}

try_jail() {
    for file in etc/resolv.conf etc/hosts etc/services etc/nsswitch.conf; do
        check "the jail has $file" cmp "$RELAY_JAIL/$file" "/$file"
    done
}

# try_wrapper: after try_relay, with what it saw of smtp(8).
try_wrapper() {
    check "--smtp-env reaches smtp(8)" contains "$environment" "ONLY_SMTP=it's here"
    pid=$(postfix_pids "$RELAY_HOME" qmgr)
    check "and no other daemon" fails grep -q ONLY_SMTP "/proc/$pid/environ"
}

# try_deferral: expects the client to be up.
try_deferral() {
    printf '[localhost]:%s alice@contoso.com:bad-token\n' "$SMTPD_PORT" >"$RELAY_HOME/sasl_passwd"
    check "restart" postfix_restart "$RELAY_HOME"
    id=$(postfix_send "$RELAY_HOME" alice@contoso.com bob@fabrikam.com refused)
    check "a refused login defers" equal "$(postfix_outcome "$RELAY_HOME" "$id")" deferred
    check "the reason is the server's" contains "$(postfix_reason "$RELAY_HOME" "$id")" '535 5.7.8'
    check "postqueue shows it" contains "$(postfix_queue "$RELAY_HOME")" '535 5.7.8'

    postfix_set "$RELAY_HOME" smtp_sasl_mechanism_filter=xoauth2
    check "reload with another filter" postfix_reload "$RELAY_HOME"
    check "without a plugin the filter defers" equal "$(postfix_retry "$RELAY_HOME" "$id")" deferred
    check "and says why" contains "$(postfix_reason "$RELAY_HOME" "$id" 2)" 'SASL authentication failed'

    printf '[localhost]:%s alice@contoso.com:good-token\n' "$SMTPD_PORT" >"$RELAY_HOME/sasl_passwd"
    postfix_set "$RELAY_HOME" smtp_sasl_mechanism_filter=plain
    check "reload with the right password" postfix_reload "$RELAY_HOME"
    check "a retry sends it" equal "$(postfix_retry "$RELAY_HOME" "$id")" sent
}

# try_stranger: a server whose certificate is for another name.
try_stranger() {
    postfix_client_start "$S/stranger" "$SMTPD_PORT" "$S/ca.pem" --relay 127.0.0.1 --mechanisms plain \
        --login alice@contoso.com:good-token || { failed=$((failed + 1)); return; }
    id=$(postfix_send "$RELAY_HOME" alice@contoso.com bob@fabrikam.com)
    check "a certificate for another name defers" equal "$(postfix_outcome "$RELAY_HOME" "$id")" deferred
    check "the reason names the certificate" contains "$(postfix_reason "$RELAY_HOME" "$id")" 'certificate not verified'
}

try_clients() {
    mailbox_deliver "$DOVECOT_STORE" info@fabrikam.com "to be pulled"
    check "a sample is delivered" equal "$(mailbox_count "$DOVECOT_STORE" info@fabrikam.com)" 1
    check "mbsync pulls over STARTTLS" run_mbsync "$S/pull" localhost "$DOVECOT_IMAP_PORT" info@fabrikam.com PLAIN \
        "$S/ca.pem" --password good-token
    check "and has the mail" grep -rq 'to be pulled' "$S/pull/mail"
    check "mbsync pulls over implicit TLS" run_mbsync "$S/pull" localhost "$DOVECOT_IMAPS_PORT" info@fabrikam.com PLAIN \
        "$S/ca.pem" --password good-token --implicit
    check "mbsync fails with a bad token" refused 1 'Authentication failed' run_mbsync "$S/pull" localhost "$DOVECOT_IMAP_PORT" info@fabrikam.com PLAIN \
        "$S/ca.pem" --password bad-token
    for row in "imtest $DOVECOT_IMAP_PORT" "imtest $DOVECOT_IMAPS_PORT --implicit" \
        "pop3test $DOVECOT_POP3_PORT" "pop3test $DOVECOT_POP3S_PORT --implicit" \
        "smtptest $SMTPD_PORT" "smtptest $SMTPS_PORT --implicit"; do
        # shellcheck disable=SC2086 # a row is words
        set -- $row
        check "$1 ${3:-} logs in" "run_$1" localhost "$2" bob@fabrikam.com PLAIN --password good-token ${3:-}
        check "$1 ${3:-} is refused" refused 1 'Authentication failed' "run_$1" localhost "$2" bob@fabrikam.com PLAIN --password bad-token ${3:-}
    done
    check "imtest runs a command" contains \
        "$(run_imtest localhost "$DOVECOT_IMAP_PORT" info@fabrikam.com PLAIN --password good-token \
            --say 'a0 STATUS INBOX (MESSAGES)')" 'MESSAGES 1'
}

# try_neighbour: a second Dovecot beside the first; leaves the DOVECOT_ variables as they were.
try_neighbour() {
    (
        dovecot_start "$S/neighbour" "$S/server.pem" "$S/server.key" "$S/passdb.lua" 12345 || exit 1
        bearer imap "$DOVECOT_IMAP_PORT" alice@contoso.com good-token "$S/ca.pem"
        status=$?
        dovecot_stop "$S/neighbour"
        exit "$status"
    )
}

try_stopping() {
    masters="$(cat "$DOVECOT_HOME/run/master.pid")"
    for home in "$SMTPD_HOME" "$S/relay-chrooted" "$S/relay-unchrooted" "$S/relay-wrapped" "$S/stranger"; do
        masters="$masters $(postfix_master "$home")"
    done
    # shellcheck disable=SC2086 # a list
    everyone="$masters $(for pid in $masters; do pgrep -P "$pid"; done | tr '\n' ' ')"
    mail_stop_all
    # shellcheck disable=SC2086
    check "everything has ended" processes_gone $everyone
    check "the scratch directory is gone" fails test -e "$S"
    check "the ports are given back" fails find_claims
    check "the machine's own servers were not touched" equal "$untouched" "$(fingerprint)"
}

find_claims() { find "$mail_ports_dir" -lname "$S/*" 2>/dev/null | grep .; }

need dovecot postfix doveadm mbsync openssl python3 pgrep
cyrus_program imtest >/dev/null || { echo "skipped: no imtest"; exit 77; }
untouched=$(fingerprint)
mail_begin || exit 1
S=$MAIL_SCRATCH
make_certificates
write_passdb

try_tools
dovecot_start "$S/dovecot" "$S/server.pem" "$S/server.key" "$S/passdb.lua" 12345 || exit 1
postfix_server_start "$S/smtpd" "$S/server.pem" "$S/server.key" "$DOVECOT_AUTH_SOCKET" "$DOVECOT_STORE" || exit 1
try_bearer
try_relay chrooted
try_jail
try_relay unchrooted --unchrooted
try_relay wrapped --smtp-env "ONLY_SMTP=it's here"
try_wrapper
try_deferral
try_stranger
try_clients
check "a second Dovecot runs beside the first" try_neighbour
try_stopping
finish
