#!/bin/sh
# The recipes of doc/postfix.md, each as it stands there: a stock, chrooted Postfix sends to a server that is called
# smtp.office365.com in its jail, and to one that is called smtp.example.net and knows passwords only.
. "${0%/*}/../integration/lib.sh"

# ---- the page

# block NAME: that block of the page; only ports and paths are ours.
block() {
    page_block postfix.md "$1" |
        sed "s|\(smtp\.office365\.com\]\):587|\1:$MICROSOFT_PORT|g; s|\(smtp\.example\.net\]\):587|\1:$OTHER_PORT|g
            s|/etc/postfix/|$RELAY_HOME/etc/|g; s|/etc/ssl/certs/ca-certificates.crt|$CA|g; s|/var/log/|$RELAY_HOME/|g"
}

# part FILE NAME: what that block has for this file of Postfix': a comment there begins a file's lines.
part() {
    block "$2" | awk -v file="$1" '
        /^# / { path = $2; sub(/:$/, "", path); sub(/.*\//, "", path) }
        /^# / && path ~ /^(main\.cf|master\.cf|sasl_passwd)$/ { on = path == file; next }
        on && /[^ ]/'
}

# follow NAME...: an administrator who has the stock files follows these blocks, one after the other.
follow() {
    cp "$S/stock/main.cf" "$S/stock/master.cf" "$RELAY_HOME/etc/"
    for name; do
        follow_block "$name" || return
    done
    has_a_past
    postfix_reload "$RELAY_HOME"
}

follow_block() {
    # A line that begins with blanks goes on from the one before.
    part main.cf "$1" |
        awk '{ gsub(/^ +/, " "); printf "%s%s", /^ / || NR == 1 ? "" : "\n", $0 } END { if (NR > 0) print "" }' |
        tr '\n' '\0' | xargs -0 -r postconf -c "$RELAY_HOME/etc" -e || return
    part master.cf "$1" >>"$RELAY_HOME/etc/master.cf"
    part sasl_passwd "$1" >"$S/sasl_passwd"
    if [ -s "$S/sasl_passwd" ]; then
        cat "$S/sasl_passwd" >"$RELAY_HOME/etc/sasl_passwd"
        has_a_past
        postmap -c "$RELAY_HOME/etc" "hash:$RELAY_HOME/etc/sasl_passwd"
    fi
}

# Postfix pauses before it reads a file that was written just now.
has_a_past() {
    touch -d '1 minute ago' "$RELAY_HOME/etc/main.cf" "$RELAY_HOME/etc/master.cf" "$RELAY_HOME/etc/sasl_passwd"
}

# ---- the two servers

# The mailboxes of the page; each may send as itself only.
contoso_start() {
    control "apps/$APP_ONLY_CLIENT" '{"mailboxes": ["*@contoso.com"]}' >/dev/null
    for mailbox in sales info; do
        control "users/$mailbox@contoso.com" '{}' >/dev/null
    done
    for mailbox in relay sales info; do
        echo "$mailbox@contoso.com $mailbox@contoso.com"
    done >"$S/owners"
    imap_start
    certificate smtp.office365.com
    fixture postfix_server_start "$S/smtpd" "$entra/smtp.office365.com.pem" "$entra/smtp.office365.com.key" \
        "$DOVECOT_AUTH_SOCKET" "$DOVECOT_STORE" "smtpd_sender_login_maps=texthash:$S/owners" \
        smtpd_sender_restrictions=reject_authenticated_sender_login_mismatch
    MICROSOFT_PORT=$SMTPD_PORT
}

certificate() {
    python3 "$top_srcdir/tests/entra/entra.py" --issue "$entra" "$1"
}

# other_start MECHANISM...: the server that has never heard of tokens, or offers them without knowing ours.
other_start() {
    other_stop
    rm -rf "$S/other"
    mkdir "$S/other"
    python3 "$top_srcdir/tests/recipes/password_relay.py" "$S/other" "$entra/smtp.example.net.pem" \
        "$entra/smtp.example.net.key" contoso PASSWORD "$@" &
    other_pid=$!
    fixture wait_for 20 test -f "$S/other/port"
    OTHER_PORT=$(cat "$S/other/port")
}

other_stop() {
    if [ -n "${other_pid:-}" ]; then
        kill "$other_pid" 2>/dev/null
        wait "$other_pid" 2>/dev/null
        other_pid=
    fi
}

# silent_start: a server that takes connections and never says a word; $S/silent/connections has a line for each.
silent_start() {
    silent_stop
    rm -rf "$S/silent"
    mkdir "$S/silent"
    python3 -c 'import socket, sys
server = socket.create_server(("127.0.0.1", 0))
open(sys.argv[1] + "/port", "w").write("%d\n" % server.getsockname()[1])
held = []
while True:
    held.append(server.accept())
    with open(sys.argv[1] + "/connections", "a") as out: out.write("one\n")' "$S/silent" &
    silent_pid=$!
    fixture wait_for 20 test -s "$S/silent/port"
    MICROSOFT_PORT=$(cat "$S/silent/port")
}

silent_stop() {
    if [ -n "${silent_pid:-}" ]; then
        kill "$silent_pid" 2>/dev/null
        wait "$silent_pid" 2>/dev/null
        silent_pid=
    fi
}

# ---- what came of it

# sends FROM MAILBOX: mail from there is taken by Microsoft's server, which knows who logged in, and by what.
sends() {
    relay_send "$1" alice@contoso.com
    equals "sent" "$OUTCOME" && equals "XOAUTH2 $2" "$(last_login)" || { printf '%s\n' "$REASON"; return 1; }
}

# last_login: by which mechanism, and as whom, somebody was let in last.
last_login() {
    sed -n 's/.* sasl_method=\([A-Z0-9]*\), sasl_username=\([^ ,]*\).*/\1 \2/p' "$SMTPD_HOME/mail.log" | tail -n 1
}

# sends_elsewhere FROM: mail from there is taken by the other server, after a login with its password.
sends_elsewhere() {
    relay_send "$1" bob@fabrikam.com
    equals sent "$OUTCOME" && equals "PLAIN contoso right" "$(tail -n 1 "$S/other/said")" &&
        equals "<${1#<>}>" "$(tail -n 1 "$S/other/mail")" || { printf '%s\n' "$REASON"; return 1; }
}

# kept_apart: no token came to the other server, no password to Microsoft's, which would have taken one.
kept_apart() {
    ! grep -v -x 'PLAIN contoso right' "$S/other/said" && ! grep -E 'sasl_method=(PLAIN|LOGIN)|SASL (PLAIN|LOGIN)' \
        "$SMTPD_HOME/mail.log"
}

# connections NUMBER: six mails are tried, and by so many connections at once.
connections() {
    for mail in 1 2 3 4 5 6; do
        postfix_send "$RELAY_HOME" relay@contoso.com alice@contoso.com "number $mail" >>"$S/waiting"
    done
    wait_for 20 all_active && wait_for 20 connected "$1" && equals "$1" "$(wc -l <"$S/silent/connections")"
}
all_active() {
    [ "$(postfix_queue "$RELAY_HOME" | grep -c '^[0-9A-Za-z]*\*')" -ge 6 ]
}
connected() {
    [ -f "$S/silent/connections" ] && [ "$(wc -l <"$S/silent/connections")" -ge "$1" ]
}
# What waits is of no use to anybody; who tries to deliver it would keep us waiting.
forget_mail() {
    silent_stop
    postsuper -c "$RELAY_HOME/etc" -d ALL >>"$S/postsuper.out" 2>&1
}

# ---- looking after it

# cron_runs NAME: each line of that block has five fields that cron understands, a user, and a command, which runs as cron
# runs it and says nothing.
cron_runs() {
    block "$1" | grep -v '^#' >"$S/crontab"
    grep -Eq '^([0-9*/,-]+ ){5}root [^ ]' "$S/crontab" || { cat "$S/crontab"; return 1; }
    said=$(sed 's/^\([^ ]* \)\{6\}//' "$S/crontab" |
        env -i PATH="$bindir:/usr/bin:/bin" SASL_CONF_PATH="$SASL_CONF_PATH" /bin/sh -e 2>&1) || return
    equals "" "$said"
}

# timer_exists: what the page enables is what we install, and systemd understands it.
timer_exists() {
    unit=$(block timer | sed -n 's/^systemctl enable --now //p')
    test -n "$unit" -a -f "$top_srcdir/contrib/systemd/$unit" || return
    ! command -v systemd-analyze >/dev/null || {
        mkdir "$S/units" && cp "$top_srcdir/contrib/systemd/$unit" "$S/units/" &&
            sed "s|@bindir@|$bindir|" "$top_srcdir/contrib/systemd/${unit%.timer}.service.in" \
                >"$S/units/${unit%.timer}.service" &&
            systemd-analyze verify --man=no "$S/units/$unit"
    }
}

# watched: the page's two commands find nothing amiss, then the line of a failure.
watched() {
    block watch | sed "s|^sasl-bearer |$bindir/sasl-bearer |" >"$S/watch.sh"
    sh "$S/watch.sh"
}

integration_begin
trap 'other_stop; silent_stop; integration_clean' EXIT
entra_start
contoso_start
certificate smtp.example.net
other_start PLAIN LOGIN
section_app_only '*@contoso.com' | sasl_conf
# The servers that Microsoft's tokens may go to are the service's own.
sed -i '/^oauth2_servers:/d' "$SASL_CONF_PATH/sasl.conf"
RELAY_TO=$MICROSOFT_PORT relay_start
echo '127.0.0.1 smtp.office365.com smtp.example.net' >>"$RELAY_JAIL/etc/hosts"
# As it was before anybody read the page.
for name in $(sed '1,/^# The recipe/d; s/ *=.*//' "$mail_dir/postfix-client.cf.template"); do
    fixture postconf -c "$RELAY_HOME/etc" -X "$name"
done
mkdir "$S/stock"
cp "$RELAY_HOME/etc/main.cf" "$RELAY_HOME/etc/master.cf" "$S/stock/"

# ---- the ten lines

check "the ten lines are ten" equals 10 "$(block relay | wc -l)"
fixture follow relay
check "the ten lines send mail" sends relay@contoso.com relay@contoso.com
check "it arrives" wait_for 10 mailbox_has "$DOVECOT_STORE" alice@contoso.com 1
check "as does a bounce" sends '<>' relay@contoso.com
check "nothing is wrong so far" fails 1 watched
rm "$SASL_PATH/libsaslbearer.so"
postfix_reload "$RELAY_HOME"
relay_send relay@contoso.com alice@contoso.com
check "without the plugin no login is tried" equals deferred "$OUTCOME"
check "and Postfix says what the page says" grep -q 'No worthy mechs found' "$RELAY_HOME/mail.log"
: >"$RELAY_HOME/mail.log" # that line is not ours, and has no keys
ln -s "$saslplugindir/libsaslbearer.so" "$SASL_PATH/"

# ---- several senders

fixture follow relay senders others
for mailbox in sales info relay; do
    check "$mailbox sends by its own mailbox" sends $mailbox@contoso.com $mailbox@contoso.com
done
check "a bounce goes by the relay's" sends '<>' relay@contoso.com
relay_send other@contoso.com alice@contoso.com
check "so does who is not listed" says relay@contoso.com "$(last_login) $REASON"
forget_mail
check "all with one token" equals 1 "$(counter token.client_credentials)"

# ---- passwords and tokens

for offered in 'PLAIN LOGIN' 'XOAUTH2 OAUTHBEARER PLAIN LOGIN'; do
    # shellcheck disable=SC2086 # a list
    other_start $offered
    fixture follow relay beside
    check "mail for Microsoft goes by token, beside a server with $offered" sends relay@contoso.com relay@contoso.com
    check "other mail by password" sends_elsewhere contoso@example.net
    check "so do bounces" sends_elsewhere '<>'
    check "no token came to where passwords are used, and no password to where tokens are" kept_apart
done
fixture follow relay beside bounces
check "with one more line bounces go by token" sends '<>' relay@contoso.com
check "other mail goes on" sends_elsewhere contoso@example.net
check "and nothing is mixed up" kept_apart

# ---- limits

silent_start
fixture follow relay limits
check "never more than three connections" connections 3
forget_mail
silent_start
fixture follow relay pace
check "at a slow pace, one" connections 1
forget_mail

# ---- looking after it

check "the line for cron is one" cron_runs cron
check "the timer is ours" timer_exists
MICROSOFT_PORT=$SMTPD_PORT
fixture follow relay
control "apps/$APP_ONLY_CLIENT" '{"mailboxes": []}' >/dev/null
relay_send relay@contoso.com alice@contoso.com
check "when something is wrong, the page's commands show it" says cause=mailbox_refused "$(watched)"
integration_end
