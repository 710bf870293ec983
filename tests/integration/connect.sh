#!/bin/sh
# Programs that cannot log in themselves get a pipe to a server where somebody is logged in: each protocol, large messages
# both ways, many at once, hours of silence, every way it can fail or end.  The programs are in tests/recipes/fetchmail.sh.
. "${0%/*}/lib.sh"

B=bob@fabrikam.com
A=box1@contoso.com
E=erin@fabrikam.com
CLIENT=$top_srcdir/tests/integration/connect_client.py
SECONDS_MAX=60

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

# far_server MANNER [ADDRESS [COMMAND...]]: sets FAR, its URL; its certificate is for localhost.  Started by that command,
# no function, whose shell would be ended in its place.
far_server() {
    far_manner=$1 far_address=${2:-127.0.0.1} far_name=${2:-localhost}
    far_home=$S/far.$(printf '%s' "$*" | tr -c '[:alnum:]' _)
    shift "$(($# < 2 ? $# : 2))"
    mkdir "$far_home"
    "$@" python3 "$CLIENT" server "$far_home" "$entra/localhost.pem" "$entra/localhost.key" "$far_manner" "$far_address" &
    far_pids="${far_pids:-} $!"
    fixture wait_for 20 test -f "$far_home/port"
    FAR_PORT=$(cat "$far_home/port")
    FAR=imaps://$far_name:$FAR_PORT
}

# ---- a network of our own: names are what world_names says, and some addresses lead nowhere, which are tried first

# world_start: sets in_world, a command that runs others there; false where no namespaces can be had.
world_start() {
    : >"$S/hosts"
    printf 'precedence %s\n' '::ffff:203.0.113.0/120 100' '::/0 40' '::ffff:0:0/96 10' >"$S/gai.conf"
    # shellcheck disable=SC2016 # for the other shell
    unshare -m -n sh -c 'mount --bind "$0/hosts" /etc/hosts && mount --bind "$0/gai.conf" /etc/gai.conf && ip link set lo up &&
        ip addr add 198.51.100.1/32 dev lo && ip addr add 2001:db8:1::1/128 dev lo nodad &&
        ip route add 203.0.113.0/24 dev lo && ip -6 route add 2001:db8:2::/64 dev lo && : >"$0/world" && exec sleep 300' "$S" 2>/dev/null &
    world_pid=$!
    in_world="nsenter -t $world_pid -m -n"
    far_pids="${far_pids:-} $world_pid"
    wait_for 20 world_is_settled && [ -f "$S/world" ]
}
world_is_settled() {
    [ -f "$S/world" ] || ! kill -0 "$world_pid" 2>/dev/null
}

# world_names ADDRESS...: what localhost is there.
world_names() {
    printf '%s localhost\n' "$@" >"$S/hosts"
}

# arrives_in SECONDS URL: the pipe is there, and so fast.
arrives_in() {
    arrives_begin=$(date +%s)
    # shellcheck disable=SC2086 # a list
    arrives_output=$($in_world timeout "$SECONDS_MAX" python3 "$CLIENT" hears "$bindir/sasl-bearer" connect "$2" $B 2>&1)
    says 'ended 0' "$arrives_output" && at_most "$1" "$(($(date +%s) - arrives_begin))"
}

# past TIME: for wait_for.
past() {
    [ "$(date +%s)" -gt "$1" ]
}

# figure NAME TEXT: the number behind that name.
figure() {
    printf '%s\n' "$2" | sed -n "s/.*$1 \([0-9]*\).*/\1/p"
}

unstored() {
    printf 'a LOGOUT\r\n' | bearer_connect "$@" --conf "$S/unstored/sasl.conf"
}

without_standard_output() {
    printf 'a NOOP\r\nb LOGOUT\r\n' | bearer_connect "$@" >&-
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
sign_in $B
sign_in $E

# ---- many

check "100 pipes at once" heard 0 'ended [0]' client together 100 "$bindir/sasl-bearer" connect "$IMAPS" $A
check "make one token request" equals 1 "$(counter token.client_credentials)"
check "each has few descriptors" at_most 12 "$(figure descriptors "$heard_output")"
if [ -z "${SANITIZER:-}" ]; then
    check "and little memory: kB" at_most 8000 "$(figure memory "$heard_output")"
fi

# ---- each protocol, each kind of TLS

check "a mail goes out by SMTP without a login of the program's own" \
    heard 0 'ended 0' client smtp $B alice@contoso.com "$bindir/sasl-bearer" connect "$SMTP" $B
check "and arrives" wait_for 20 mailbox_has "$DOVECOT_STORE" alice@contoso.com 1

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

# ---- much, and long

check "50 MB each way at once, read slowly, arrive as they were" \
    heard 0 'same ended 0' client duplex "$bindir/sasl-bearer" connect "$IMAPS" $E
settings '{"access_token_lifetime": 4}'
sasl_bearer token --renew $B >/dev/null
token_end=$(($(date +%s) + 4))
client idles "$bindir/sasl-bearer" connect "$IMAPS" $B >"$S/idle" &
idle_pid=$!
check "IDLE is waited in" wait_for 20 grep -q waiting "$S/idle"
settings '{"access_token_lifetime": 3600}'
wait_for 20 past "$token_end" # it may have been renewed since
requests=$(counter token.refresh_token)
mailbox_deliver "$DOVECOT_STORE" $B 'of bob, later'
wait "$idle_pid"
check "and hears of new mail, though the token is over" says EXISTS "$(cat "$S/idle")"
check "who connects then gets in" heard 0 '* PREAUTH' converse "$IMAPS" $B 'a LOGOUT'
check "with a new token" equals "$((requests + 1))" "$(counter token.refresh_token)"
requests=$(counter token.client_credentials)
mkdir "$S/unstored"
sed 's/^oauth2_token_store: .*/oauth2_token_store: none/' "$SASL_CONF_PATH/sasl.conf" >"$S/unstored/sasl.conf"
check "without a token store" heard 0 '* PREAUTH' unstored "$IMAPS" $A
check "a pipe makes one token request" equals "$((requests + 1))" "$(counter token.client_credentials)"

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
far_server reset
check "a server that breaks the connection is told of" \
    heard 0 'the server hung up in the middle' client hears "$bindir/sasl-bearer" connect "$FAR" $B
check "with that status too" says 'ended 75' "$heard_output"
check "SIGTERM ends it, and the program hears nothing more" \
    heard 0 "ended -15 b''" client signalled SIGTERM "$bindir/sasl-bearer" connect "$IMAPS" $B
check "so does SIGHUP" heard 0 "ended -1 b''" client signalled SIGHUP "$bindir/sasl-bearer" connect "$IMAPS" $B
check "standard output may be closed" without_standard_output "$IMAPS" $B

# ---- the way there

# shellcheck disable=SC2086 # a list
if command -v ip >/dev/null && world_start; then
    far_server polite 127.0.0.1 $in_world
    world_names ::1 127.0.0.1
    check "a name of both families, and only IPv4 is there" arrives_in 20 "imaps://localhost:$FAR_PORT"
    far_server polite 198.51.100.1 $in_world
    world_names 2001:db8:2::1 2001:db8:2::2 203.0.113.1 198.51.100.1
    check "addresses that lead nowhere do not hold it up" arrives_in 20 "imaps://localhost:$FAR_PORT"
    world_names 203.0.113.1 203.0.113.2 203.0.113.3 198.51.100.1
    check "nor do three of the same family" arrives_in 20 "imaps://localhost:$FAR_PORT"
    far_server polite ::1 $in_world
    world_names 127.0.0.1 ::1
    check "only IPv6 is there" arrives_in 20 "imaps://localhost:$FAR_PORT"
    $in_world ip addr del 2001:db8:1::1/128 dev lo
    check "the same where IPv6 leads nowhere else" arrives_in 20 "imaps://localhost:$FAR_PORT"
    sed -i 's/^oauth2_servers: .*/oauth2_servers: localhost ::1/' "$SASL_CONF_PATH/sasl.conf"
    check "an address in place of a name" arrives_in 20 "imaps://[::1]:$FAR_PORT"
    sed -i 's/^oauth2_servers: .*/oauth2_servers: localhost/' "$SASL_CONF_PATH/sasl.conf"
    world_names 127.0.0.1
    far_server silent 127.0.0.1 $in_world
    check "a server that is gone without a word is noticed" \
        heard 0 'ended 75' $in_world timeout "$SECONDS_MAX" python3 "$CLIENT" vanishes \
            "$bindir/sasl-bearer" connect "imaps://localhost:$FAR_PORT" $B
    check "and told of" says 'the server hung up in the middle' "$heard_output"
else
    echo "skipped: the way there (no namespaces, or no ip(8), here)"
fi

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

# A user's own file: the plugin must take it for that, too, and look for the token where login has put it.
user_begin <<END
oauth2_ca_file: $S/ca.pem
$(section_delegated '*@fabrikam.com' fabrikam.com)
oauth2_servers: localhost
END
mkdir -p "$USER_HOME/other/sasl2"
mv "$USER_HOME/.config/sasl2/sasl.conf" "$USER_HOME/other/sasl2/sasl.conf"
cp "$USER_HOME/other/sasl2/sasl.conf" "$USER_HOME/other/"
refresh_token $B >"$S/secret-refresh"
check "a user signs in with a file of their own" as_user "$bindir/sasl-bearer" login --conf "$USER_HOME/other/sasl2/sasl.conf" \
    --with-refresh-token $B <"$S/secret-refresh"
user_converses() {
    printf 'a STATUS INBOX (MESSAGES)\r\nb LOGOUT\r\n' | as_user env ${SANITIZER:+"ASAN_OPTIONS=detect_leaks=0"} \
        "$bindir/sasl-bearer" connect --conf "$1" "$IMAPS" $B
}
check "and connects with it" heard 0 'STATUS INBOX' user_converses "$USER_HOME/other/sasl2/sasl.conf"
check "the plugin would take another file for the system's" heard 64 'in a directory called sasl2' \
    user_converses "$USER_HOME/other/sasl.conf"
run bearer_connect imapx://localhost $B
check "a URL that is none" remark 64 'is not a mail server'
run bearer_connect "$IMAPS"
check "no user" remark 64 'wants a user name'
run bearer_connect
check "no URL" remark 64 'wants a URL'
integration_end
