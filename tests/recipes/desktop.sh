# desktop.sh - what the recipes of doc/desktop.md share.  To be sourced after lib.sh.

B=bob@fabrikam.com
A=alice@contoso.com
SECONDS_MAX=60

# desktop_begin: servers, and bob, who has a mail; a home directory for his programs.
desktop_begin() {
    integration_begin
    PATH=$bindir:$PATH
    HOME=$S/home
    # What OpenSSL trusts where the page names nothing.
    SSL_CERT_FILE=$S/ca.pem
    export HOME SSL_CERT_FILE
    mkdir "$HOME" "$HOME/Mail" # else mutt asks whether to
    entra_start
    cp "$CA" "$SSL_CERT_FILE" # the emulator's own directory is closed
    servers_start
    section_delegated '*@fabrikam.com' fabrikam.com | sasl_conf
    mailbox_deliver "$DOVECOT_STORE" $B 'of bob'
}

# block NAME: that block of the page, for our servers.  A host with its port beside it, in lines of their own, is for the
# caller.
block() {
    page_block desktop.md "$1" |
        sed "s|\(imaps://[^ \"]*\)outlook.office365.com|\1localhost:$DOVECOT_IMAPS_PORT|
            s|\(pop3*s://[^ \"]*\)outlook.office365.com|\1localhost:$DOVECOT_POP3S_PORT|
            s|smtp.office365.com:587|localhost:$SMTPD_PORT|; s|smtp://smtp.office365.com|smtp://localhost:$SMTPD_PORT|
            s|smtp.office365.com|localhost|; s|outlook.office365.com|localhost|"
}

# bounded COMMAND...: not for ever.
bounded() {
    timeout "$SECONDS_MAX" "$@"
}

# holds SUBJECT PLACE: a file there, or below, has a mail with that subject.
holds() {
    grep -rqs "^Subject: $1\$" "$2" || { echo "no mail '$1' in $2"; return 1; }
}

# arrived SUBJECT: alice gets a mail with that subject.
arrived() {
    wait_for 20 holds "$1" "$(mailbox_path "$DOVECOT_STORE" $A)" >"$S/arrived.out" || {
        tail -n 1 "$S/arrived.out"
        return 1
    }
}

# mail_of_bob SUBJECT: prints a mail of bob to alice.
mail_of_bob() {
    mail_message $B $A "$1" "$(date +%s.%N)@fabrikam.com"
}

# ---- mutt and its kin

# mutt_copies PROGRAM NAME: with the configuration $S/NAME it opens the mailbox and copies bob's mail to a file.
mutt_copies() {
    mutt_name=${1##*/}.${2##*/}
    {
        cat "$S/$2"
        echo "set quit = yes delete = no pop_delete = no copy = no confirmappend = no confirmcreate = no mbox_type = mbox"
        echo "set resolve = no sleep_time = 0 wait_key = no"
    } >"$S/$mutt_name.read"
    rm -f "$S/$mutt_name.mbox"
    TERM=vt100 bounded script -qec \
        "$1 -n -F $S/$mutt_name.read -e 'push <first-entry><copy-message>$S/$mutt_name.mbox<enter><exit>'" \
        "$S/$mutt_name.screen" </dev/null >/dev/null 2>&1
    holds 'of bob' "$S/$mutt_name.mbox" || { cat "$S/$mutt_name.screen"; return 1; }
}

# mutt_shows TEXT PROGRAM NAME: when it opens the mailbox it comes to show that text.  It may then wait for somebody to type.
mutt_shows() {
    # No function: the process killed below is to be timeout, which passes that on.
    TERM=vt100 timeout "$SECONDS_MAX" script -qefc "$2 -n -F $S/$3" "$S/$3.screen" </dev/null >/dev/null 2>&1 &
    mutt_pid=$!
    mutt_status=0
    wait_for 30 grep -qs "$1" "$S/$3.screen" || mutt_status=$?
    kill $mutt_pid
    wait $mutt_pid
    [ $mutt_status -eq 0 ] || cat "$S/$3.screen"
    return $mutt_status
}

# mutt_sends PROGRAM NAME: with that configuration it sends a mail to alice, who gets it.
mutt_sends() {
    mutt_subject="by ${1##*/} with ${2##*/}"
    echo Hello. | bounded "$1" -n -F "$S/$2" -s "$mutt_subject" $A 2>&1 && arrived "$mutt_subject"
}
