#!/bin/sh
# Programs that cannot log in themselves get a pipe to a server where somebody is logged in: fetchmail, mutt and mbsync with
# the very configurations of doc/fetchmail.md; large messages both ways; every way it can fail or end.
. "${0%/*}/lib.sh"

B=bob@fabrikam.com
A=box1@contoso.com
E=erin@fabrikam.com
CLIENT=$top_srcdir/tests/integration/connect_client.py
SECONDS_MAX=60

# block NAME: that block of the page, for our servers.
block() {
    page_block fetchmail.md "$1" |
        sed "s|imaps://%h|imaps://%h:$DOVECOT_IMAPS_PORT|; s|pop3s://%h|pop3s://%h:$DOVECOT_POP3S_PORT|
            s|imaps://outlook.office365.com|imaps://localhost:$DOVECOT_IMAPS_PORT|; s|outlook.office365.com|localhost|"
}

# bearer_connect URL USER: the bare pipe.  With ALONE set, servers of the world are this machine.
bearer_connect() {
    if [ -n "${ALONE:-}" ]; then
        echo '127.0.0.1 localhost outlook.office365.com smtp.office365.com' >"$S/hosts"
        set -- unshare -m sh -c 'mount --bind "$0" /etc/hosts && exec "$@"' "$S/hosts" "$bindir/sasl-bearer" connect "$@"
        timeout "$SECONDS_MAX" "$@"
        return
    fi
    timeout "$SECONDS_MAX" "$bindir/sasl-bearer" connect "$@"
}

client() {
    client_what=$1
    shift
    timeout "$SECONDS_MAX" python3 "$CLIENT" "$client_what" "$@"
}

# ---- the programs

# fetch NAME: fetchmail with that block of the page; what it fetches is in FETCHED.
fetch() {
    FETCHED=$S/fetched.$1
    mkdir -p "$S/fetchmail"
    (umask 077; block "$1" >"$S/fetchmail/$1") || return
    HOME=$S/fetchmail timeout "$SECONDS_MAX" fetchmail -v -v --nosyslog --fetchall --pidfile "$S/fetchmail/pid" -f "$S/fetchmail/$1" \
        --mda "cat >>$FETCHED" </dev/null 2>&1
}

fetched() {
    fetch "$1" && grep -q '^Subject: of bob' "$FETCHED" || { echo "no such mail in $FETCHED"; return 1; }
}

# mutt_copies: mutt opens the mailbox through the pipe and copies its first message to a file.
mutt_copies() {
    { block mutt; echo "set quit = yes delete = no copy = no confirmappend = no confirmcreate = no resolve = no sleep_time = 0"
        echo "set mbox_type = mbox header_cache = '' certificate_file = '' wait_key = no"; } >"$S/muttrc"
    HOME=$S/fetchmail TERM=vt100 timeout "$SECONDS_MAX" script -qec \
        "mutt -n -F $S/muttrc -e 'push <first-entry><copy-message>$S/mutt.mbox<enter><exit>'" "$S/mutt.screen" </dev/null >/dev/null
    grep -q '^Subject: of bob' "$S/mutt.mbox" || { cat "$S/mutt.screen"; return 1; }
}

mbsync_pulls() {
    mkdir -p "$S/pull/mail"
    {
        block mbsync
        printf 'SSLType None\n\n'
        sed -n '/^IMAPStore/,$p' "$mail_dir/mbsyncrc.template" | sed "s|@HOME@|$S/pull|; s|^Account server|Account fabrikam|"
    } >"$S/pull/mbsyncrc"
    HOME=$S/pull timeout "$SECONDS_MAX" mbsync -V -c "$S/pull/mbsyncrc" -a </dev/null 2>&1 &&
        grep -rq '^Subject: of bob' "$S/pull/mail"
}

section_custom() {
    cat <<END
[$1]
oauth2_service: custom
oauth2_client_id: $DELEGATED_CLIENT
oauth2_token_endpoint: $AUTHORITY/fabrikam.com/oauth2/v2.0/token
oauth2_scope: mail
oauth2_servers: localhost
END
}

# ---- by hand

# converse URL USER LINE...: says these lines, prints what comes back.
converse() {
    converse_url=$1 converse_user=$2
    shift 2
    printf '%s\r\n' "$@" | bearer_connect "$converse_url" "$converse_user"
}

# heard STATUS TEXT COMMAND...: the command ends so, and what it printed holds the text.
heard() {
    heard_text=$2
    heard_output=$(fails "$1" shift_2 "$@" 2>&1) || { printf '%s\n' "$heard_output"; return 1; }
    says "$heard_text" "$heard_output"
}
shift_2() {
    shift 2
    "$@"
}

# refused STATUS BEGINNING TEXT URL USER: the program hears a line that begins so and holds the text; so does the user.
refused() {
    refused_status=$1 refused_beginning=$2 refused_text=$3
    shift 3
    run bearer_connect "$@" </dev/null
    refused_line=$(printf '%s' "$OUT" | tr -d '\r')
    equals "$refused_status" "$STATUS" && says "$refused_text" "$refused_line" && says "$refused_text" "$ERR" ||
        { printf '%s\n%s\n' "$OUT" "$ERR"; return 1; }
    case $refused_line in
    "$refused_beginning sasl-bearer: "*) ;;
    *) echo "not in the program's protocol: $refused_line"; return 1 ;;
    esac
    equals 1 "$(printf '%s\n' "$OUT" | wc -l)"
}

# far_server MANNER [ADDRESS]: sets FAR, its URL; its certificate is for localhost.
far_server() {
    mkdir "$S/far.$1"
    python3 "$CLIENT" server "$S/far.$1" "$entra/localhost.pem" "$entra/localhost.key" "$1" "${2:-127.0.0.1}" &
    far_pids="${far_pids:-} $!"
    fixture wait_for 20 test -f "$S/far.$1/port"
    FAR=imaps://${2:-localhost}:$(cat "$S/far.$1/port")
}

integration_begin
trap 'kill ${far_pids:-} 2>/dev/null; integration_clean' EXIT
PATH=$bindir:$PATH
entra_start
servers_start
{
    section_app_only "$A"
    section_app_only late@contoso.com
    section_custom own@custom.example
    printf '[sales@fabrikam.com]\noauth2_identity: %s\n' $B
    section_delegated '*@fabrikam.com' fabrikam.com
} | sasl_conf
mailbox_deliver "$DOVECOT_STORE" $B 'of bob'
mailbox_deliver "$DOVECOT_STORE" $A 'of box'
mailbox_deliver "$DOVECOT_STORE" $A 'of box, too'
IMAPS=imaps://localhost:$DOVECOT_IMAPS_PORT
IMAP=imap://localhost:$DOVECOT_IMAP_PORT
POP3S=pop3s://localhost:$DOVECOT_POP3S_PORT
POP3=pop3://localhost:$DOVECOT_POP3_PORT
SMTP=smtp://localhost:$SMTPD_PORT

# ---- before there is anybody to log in

check "IMAP: who has not signed in is told so" refused 77 '* BYE' "run sasl-bearer login $B" "$IMAPS" $B
check "POP3: the same" refused 77 '-ERR' "run sasl-bearer login $B" "$POP3S" $B
check "SMTP: the same" refused 77 '421 localhost' "run sasl-bearer login $B" "$SMTP" $B
check "fetchmail shows it" heard 2 "run sasl-bearer login $B" fetch imap
sign_in $B
sign_in $E

# ---- programs, as the page has them

check "fetchmail fetches by IMAP" fetched imap
check "fetchmail fetches by POP3" fetched pop3
check "mutt reads through the pipe" mutt_copies
check "mbsync pulls through the pipe" mbsync_pulls
check "a mail goes out by SMTP without a login of the program's own" \
    heard 0 'ended 0' client smtp $B alice@contoso.com "$bindir/sasl-bearer" connect "$SMTP" $B
check "and arrives" wait_for 20 mailbox_has "$DOVECOT_STORE" alice@contoso.com 1

# ---- each protocol, each kind of TLS

for url in "$IMAPS" "$IMAP"; do
    check "$url: greets one who is logged in, without a word of logging in" \
        heard 0 '* PREAUTH [CAPABILITY IMAP4rev1' converse "$url" $A 'a STATUS INBOX (MESSAGES)' 'b LOGOUT'
    check "$url: the mailbox is open" says 'MESSAGES 2' "$heard_output"
    check "$url: nothing to log in with is offered" says_not 'AUTH=' "$heard_output"
done
for url in "$POP3S" "$POP3"; do
    check "$url: any name and password will do" heard 0 '+OK 2 ' converse "$url" $A CAPA 'USER x' 'PASS y' STAT QUIT
    check "$url: CAPA has what the server can do" says UIDL "$heard_output"
    check "$url: AUTH PLAIN will do" heard 0 '+OK 2 ' converse "$url" $A 'AUTH PLAIN' AHgAeQ== STAT QUIT
    check "$url: AUTH LOGIN will do" heard 0 '+OK 2 ' converse "$url" $A 'AUTH LOGIN' eA== eQ== STAT QUIT
    check "$url: so will nothing at all" heard 0 '+OK 2 ' converse "$url" $A STAT QUIT
done
check "POP3: another mechanism is none" heard 0 '-ERR there are PLAIN and LOGIN' converse "$POP3S" $A 'AUTH CRAM-MD5' QUIT

# ---- much, and many

check "50 MB each way at once, read slowly, arrive as they were" \
    heard 0 'same ended 0' client duplex "$bindir/sasl-bearer" connect "$IMAPS" $E
check "20 pipes at once" heard 0 'ended [0]' client together 20 "$bindir/sasl-bearer" connect "$IMAPS" $B
client idles "$bindir/sasl-bearer" connect "$IMAPS" $B >"$S/idle" &
idle_pid=$!
check "IDLE is waited in" wait_for 20 grep -q waiting "$S/idle"
mailbox_deliver "$DOVECOT_STORE" $B 'of bob, later'
wait "$idle_pid"
check "and hears of new mail" says EXISTS "$(cat "$S/idle")"

# ---- ends

check "a program that is gone ends it" heard 0 'ended 0' client leaves "$bindir/sasl-bearer" connect "$IMAPS" $B
far_server polite
check "a server that hangs up in due form ends it" heard 0 'ended 0' client hears "$bindir/sasl-bearer" connect "$FAR" $B
check "all it said was passed on" says 'and 1048606 bytes' "$heard_output"
check "but not what is for logging in" says '* PREAUTH [CAPABILITY IMAP4rev1 IDLE] ' "$heard_output"
far_server abrupt
check "a server that just hangs up is told of" \
    heard 0 'the server hung up in the middle' client hears "$bindir/sasl-bearer" connect "$FAR" $B
check "with a status that says to try again" says 'ended 75' "$heard_output"

# ---- failures

far_server busy
check "a server that will not have us: its words" refused 75 '* BYE' "the server says 'BYE too busy'" "$FAR" $B
check "nobody is there" refused 75 '* BYE' 'cannot connect to port' imaps://localhost:1 $B
check "an account that does not exist" refused 78 '* BYE' 'nobody@nowhere.example' "$IMAPS" nobody@nowhere.example
sed -i 's/^oauth2_servers: .*/oauth2_servers: localhost 127.0.0.2/' "$SASL_CONF_PATH/sasl.conf"
far_server unseen 127.0.0.2
check "the certificate is another host's" refused 75 '* BYE' 'its certificate cannot be trusted: IP address mismatch' "$FAR" $B
sed -i "s|^oauth2_ca_file: .*|oauth2_ca_file: $S/other.pem|" "$SASL_CONF_PATH/sasl.conf"
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=other -keyout "$S/other.key" -out "$S/other.pem" 2>"$S/openssl.out"
check "the certificate is nobody's that we know" refused 75 '-ERR' 'its certificate cannot be trusted' "$POP3S" $B
sed -i "s|^oauth2_ca_file: .*|oauth2_ca_file: $CA|" "$SASL_CONF_PATH/sasl.conf"
sed -i 's/^oauth2_servers: .*/oauth2_servers: elsewhere.example/' "$SASL_CONF_PATH/sasl.conf"
check "a server that is not to have the token" refused 78 '-ERR' "localhost" "$POP3S" $B
sed -i 's/^oauth2_servers: .*/oauth2_servers: localhost/' "$SASL_CONF_PATH/sasl.conf"
exchange_start
check "the server refuses the login" refused 77 '* BYE' 'what that means tells sasl-bearer check --server' \
    "imap://localhost:$EXCHANGE_IMAP_PORT" sales@fabrikam.com
settings '{"fail": {"aadsts": 7000215}}'
check "the identity provider refuses" refused 77 '* BYE' 'AADSTS7000215' "$IMAPS" late@contoso.com
settings '{"fail": null}'
if unshare -m true 2>/dev/null; then
    ALONE=yes
    check "without a host it is the service's" refused 75 '* BYE' 'imaps://outlook.office365.com: ' imaps:// $B
    check "for SMTP another one" refused 75 '421 smtp.office365.com' 'smtp://smtp.office365.com: ' smtp:// $B
    ALONE=
else
    echo "skipped: the service's servers (no mount namespaces here)"
fi
check "a service of one's own has none" refused 64 '-ERR' 'name one, pop3s://HOST' pop3s:// own@custom.example
mkdir "$S/elsewhere"
sed 's/^oauth2_servers: .*/oauth2_servers: other.example/' "$SASL_CONF_PATH/sasl.conf" >"$S/elsewhere/sasl.conf"
check "with --conf the plugin reads that file" refused 78 '* BYE' 'localhost' "$IMAPS" --conf "$S/elsewhere/sasl.conf" $B
run bearer_connect imapx://localhost $B
check "a URL that is none" remark 64 'is not a mail server'
run bearer_connect "$IMAPS"
check "no user" remark 64 'wants a user name'
run bearer_connect
check "no URL" remark 64 'wants a URL'
integration_end
