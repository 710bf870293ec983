#!/bin/sh
# Where the plugin is installed but nothing is configured, programs with passwords must not notice it, even on a server that
# offers XOAUTH2 first.
. "${0%/*}/lib.sh"

P=plain@contoso.com

# Logins with the given mechanism and the password.
imtest_with_password() {
    cyrus_login imtest "$DOVECOT_IMAP_PORT" $P "$1" --password "$password"
}
mbsync_with_password() {
    with_plugin run_mbsync "$S/mbsync" localhost "$DOVECOT_IMAP_PORT" $P "$1" "$CA" --password "$password"
}

# imtest_choosing: without -m it takes what libsasl2 likes best, from the server's list.
imtest_choosing() {
    printf 'a1 LOGOUT\n' | with_plugin timeout 60 "$(cyrus_program imtest)" -t '' -p "$DOVECOT_IMAP_PORT" -a $P -u $P \
        -w "$password" localhost 2>&1
}

# sends: the relay's mail arrives, as number $1.
sends() {
    relay_send $P alice@contoso.com
    equals sent "$OUTCOME" && wait_for 10 mailbox_has "$DOVECOT_STORE" alice@contoso.com "$1"
}

# chosen: the mechanism of the last login that the receiving Postfix saw.
chosen() {
    sed -n 's/.*sasl_method=\([A-Z0-9]*\),.*/\1/p' "$SMTPD_HOME/mail.log" | tail -n 1
}

quiet() {
    ! postfix_complaints "$RELAY_HOME" && ! grep -iE 'oauth2|bearer|sasl\.conf' "$RELAY_HOME/mail.log"
}

# all_as_before WHERE NUMBER: every program logs in with its password; its mail is number NUMBER in the mailbox.
all_as_before() {
    check "Postfix sends with its password ($1)" sends "$2"
    check "Postfix took PLAIN or LOGIN ($1)" says "$(chosen)" 'PLAIN LOGIN'
    check "the log has nothing of ours ($1)" quiet
    # With a sanitizer preloaded, imtest may hang at its exit, in a destructor of p11-kit, if a plugin only fails to load.
    if [ -z "${SANITIZER:-}" ]; then
        check "imtest logs in by PLAIN ($1)" imtest_with_password PLAIN
        check "imtest logs in by LOGIN ($1)" imtest_with_password LOGIN
        run imtest_choosing
        check "imtest, having the choice, logs in ($1)" says Authenticated. "$OUT"
        check "and finds no XOAUTH2 to take ($1)" says_not 'AUTHENTICATE XOAUTH2' "$OUT"
    fi
    check "mbsync logs in by PLAIN ($1)" mbsync_with_password PLAIN
    check "mbsync, having the choice, logs in ($1)" mbsync_with_password '*'
    run sasl_bearer status
    check "status says that nothing is configured ($1)" equals "0 No account is configured: see sasl.conf(5)." "$STATUS $OUT"
    run sasl_bearer token $P
    check "token exits with 78 ($1)" remark 78 "no section of sasl.conf covers '$P'"
}

integration_begin
# The installed program looks there too.
for place in /etc/sasl2 /usr/lib/sasl2 /etc/sasl; do
    if [ -e "$place/sasl.conf" ]; then
        echo "this machine has a sasl.conf in $place"
        exit 77
    fi
done
entra_start
servers_start
password=$(secret_file plain_password)
relay_start --mechanisms '' --login "$P:$password"

all_as_before "no sasl.conf" 1
: >"$SASL_CONF_PATH/sasl.conf"
postfix_reload "$RELAY_HOME"
all_as_before "an empty sasl.conf" 2
printf '# [*@contoso.com]\n# oauth2_provider: app_only\n\n' >"$SASL_CONF_PATH/sasl.conf"
postfix_reload "$RELAY_HOME"
all_as_before "nothing but comments" 3
check "nothing was asked of the identity provider" equals 0 "$(counter total)"
check "nothing was stored" test -z "$(ls -A "$STORE")"

# Once somebody is covered, libsasl2 prefers us for everybody: the filter is what keeps passwords going, as the guide says.
section_app_only 'box1@contoso.com' | sasl_conf
postfix_reload "$RELAY_HOME"
relay_send $P alice@contoso.com
check "with an account for others configured, a password login needs the mechanism filter" equals deferred "$OUTCOME"
check "the log says whom no section covers" relay_told "no section of sasl.conf covers '$P'" $P none no_account
postfix_set "$RELAY_HOME" smtp_sasl_mechanism_filter=plain,login
postfix_reload "$RELAY_HOME"
check "with the filter it goes out" equals sent "$(postfix_retry "$RELAY_HOME" "$QUEUE_ID")"
check "so does mbsync with AuthMechs PLAIN" mbsync_with_password PLAIN
integration_end
