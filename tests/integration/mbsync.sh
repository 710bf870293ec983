#!/bin/sh
# mbsync fetches mail: everybody's desktop case, its tokens, what it says when something is wrong.
. "${0%/*}/lib.sh"

B=bob@fabrikam.com
PULLS=0

# pull USER MECHANISM [OPTION...]: mbsync fetches USER's INBOX into a directory of its own; the first and the last pull of a
# mailbox may share it.
pull() {
    pull_user=$1 pull_mechanism=$2
    shift 2
    pull_port=$DOVECOT_IMAP_PORT
    case " $* " in
    *' --implicit '*) pull_port=$DOVECOT_IMAPS_PORT ;;
    esac
    PULLS=$((PULLS + 1))
    mkdir -p "$S/pull$PULLS"
    PULLED=$S/pull$PULLS/mail/INBOX
    pull_status=0
    pull_output=$(with_plugin run_mbsync "$S/pull$PULLS" localhost "${PULL_PORT:-$pull_port}" "$pull_user" "$pull_mechanism" \
        "$CA" "$@") || pull_status=$?
    printf '%s\n' "$pull_output" | without_command
    return "$pull_status"
}

# When the server refuses a command, mbsync shows it, the token included.
without_command() {
    sed "s/'AUTHENTICATE [^']*'/'AUTHENTICATE'/"
}

# pulled SUBJECT COMMAND...: it succeeds and a mail with that subject came.
pulled() {
    pulled_subject=$1
    shift
    "$@" && grep -rq "^Subject: $pulled_subject\$" "$PULLED" || { echo "no such mail in $PULLED"; return 1; }
}

# user_pull: the same as an unprivileged user, repeatedly into the same directory.
user_pull() {
    if [ -n "${SANITIZER:-}" ]; then
        set -- "LD_PRELOAD=$SANITIZER" ASAN_OPTIONS=detect_leaks=0
    fi
    as_user "$@" timeout 60 mbsync -V -c "$USER_HOME/mbsyncrc" -a </dev/null 2>&1
}

integration_begin
entra_start
imap_start
{
    section_app_only '*@contoso.com'
    section_delegated '*@fabrikam.com' fabrikam.com
} | sasl_conf
mailbox_deliver "$DOVECOT_STORE" $B 'of bob'
mailbox_deliver "$DOVECOT_STORE" box1@contoso.com 'of box'

# ---- before the sign-in

check "mbsync says what to do before it can log in" turned_away "run sasl-bearer login $B" pull $B XOAUTH2
sign_in $B

# ---- every way

for mechanism in XOAUTH2 OAUTHBEARER; do
    check "mbsync fetches mail by $mechanism and STARTTLS" pulled 'of bob' pull $B $mechanism
    check "mbsync fetches mail by $mechanism and implicit TLS" pulled 'of bob' pull $B $mechanism --implicit
    check "mbsync fetches mail by $mechanism with an application's token" pulled 'of box' pull box1@contoso.com $mechanism
done
check "as many requests as accounts" equals "1 1" "$(counter token.refresh_token) $(counter token.client_credentials)"
check "having the choice, mbsync takes ours" pulled 'of bob' pull $B '*'

# ---- tokens that end

settings '{"refresh_rotation": "single_use", "reuse_detection": true}'
sign_in $B
control counters/reset '{}' >/dev/null
for turn in 1 2 3 4; do
    expire
    run sasl_bearer renew $B
    check "after renewal $turn with a refresh token that is good for one use, mbsync goes on" pulled 'of bob' pull $B XOAUTH2
done
check "each of them took one request" equals 4 "$(counter token.refresh_token)"
settings '{"access_token_lifetime": 2}'
run sasl_bearer renew $B
settings '{"access_token_lifetime": 3600}'
has_expired() {
    [ "$(date +%s)" -ge "$expires" ]
}
expires=$(($(date +%s) + 3))
wait_for 10 has_expired
check "a token that has ended is renewed by mbsync itself" pulled 'of bob' pull $B XOAUTH2
check "with one more request" equals 6 "$(counter token.refresh_token)"

# ---- refusals

# The reason goes to the system's log, for mbsync does not take log lines; it prints what ended the login itself.
run sasl_bearer renew box1@contoso.com
control counters/reset '{}' >/dev/null
for mechanism in XOAUTH2 OAUTHBEARER; do
    check "a mailbox that the token may not open stays closed ($mechanism)" turned_away 'Authentication failed' \
        pull ceo@contoso.com $mechanism
done
check "the application's token stays in use for the others" pulled 'of box' pull box1@contoso.com XOAUTH2
check "without another request" equals 0 "$(counter total)"
check "a user whom no section covers is told so" turned_away "no section of sasl.conf covers 'nobody@example.com'" \
    pull nobody@example.com XOAUTH2
check "with keys for whoever searches" turned_away 'account=nobody@example.com provider=none cause=no_account' \
    pull nobody@example.com XOAUTH2

exchange_start
PULL_PORT=$EXCHANGE_IMAP_PORT
check "Exchange's IMAP opens the mailbox" pull box1@contoso.com XOAUTH2
check "Exchange turns a mailbox away without a reason: mbsync shows its words" turned_away 'AUTHENTICATE failed' \
    pull ceo@contoso.com XOAUTH2
settings '{"refusal_style": "challenge"}'
check "a challenge before that changes nothing" turned_away 'AUTHENTICATE failed' pull ceo@contoso.com XOAUTH2
settings '{"refusal_style": "late"}'
check "a mailbox that is closed after the login" turned_away 'not connected' pull ceo@contoso.com XOAUTH2
settings '{"refusal_style": "exchange"}'
PULL_PORT=

control grants/revoke "{\"user\":\"$B\"}" >/dev/null
expire
sasl_bearer renew $B >"$S/renew.out" 2>&1
sasl_bearer logout $B >"$S/logout.out"
check "signed out: mbsync says what to do" turned_away "run sasl-bearer login $B" pull $B XOAUTH2

# ---- a desktop

user_begin <<END
# What a user writes who has no administrator.
oauth2_ca_file: $S/ca.pem
[$B]
oauth2_servers: localhost
$(section_delegated x fabrikam.com | tail -n +2)
END
user_rc() {
    mail_render "$mail_dir/mbsyncrc.template" "HOME=$USER_HOME" HOST=localhost "PORT=$DOVECOT_IMAPS_PORT" "USER=$B" \
        "MECHANISM=$1" "CAFILE=$S/ca.pem" SSLTYPE=IMAPS PASS= >"$USER_HOME/mbsyncrc"
}
as_user mkdir "$USER_HOME/mail"
user_rc XOAUTH2
PULLED=$USER_HOME/mail/INBOX
check "a user who has not signed in is told what to do" turned_away "run sasl-bearer login $B" user_pull
check "and has no store yet" test ! -e "$USER_HOME/.local"
refresh_token $B >"$S/secret-refresh"
run as_user "$bindir/sasl-bearer" login --with-refresh-token $B <"$S/secret-refresh"
check "the user signs in" equals "0 " "$STATUS $ERR"
check "the user's mbsync fetches mail" pulled 'of bob' user_pull
check "the store is the user's alone" equals "700:$USER_ID 600:$USER_ID" \
    "$(cd "$USER_HOME/.local/state" && echo $(stat -c %a:%u sasl-bearer sasl-bearer/*))"
expire
run as_user "$bindir/sasl-bearer" renew $B
user_rc OAUTHBEARER
mailbox_deliver "$DOVECOT_STORE" $B 'later'
check "after a renewal it goes on, by the other mechanism" pulled 'later' user_pull
chmod 777 "$USER_HOME/.config/sasl2/sasl.conf"
check "a sasl.conf that anyone may write is not followed, and mbsync says which" turned_away \
    "run chmod go-w '$USER_HOME/.config/sasl2/sasl.conf'" user_pull
integration_end
