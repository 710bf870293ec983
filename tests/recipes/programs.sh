# programs.sh - what the recipes of doc/programs.md share.  To be sourced after lib.sh.

B=bob@fabrikam.com
A=alice@contoso.com
SECONDS_MAX=60

# needs PACKAGES COMMAND...: without them the command fails, and there is no test.
needs() {
    needs_packages=$1
    shift
    "$@" >/dev/null 2>&1 || {
        echo "skipped: needs $needs_packages"
        exit 77
    }
}

# programs_begin [PROGRAM...]: servers, and bob, who has signed in and has a mail; a home for his programs.
programs_begin() {
    integration_begin
    PATH=$bindir:$PATH
    entra_start
    servers_start
    section_delegated '*@fabrikam.com' fabrikam.com | sasl_conf
    mailbox_deliver "$DOVECOT_STORE" $B 'of bob'
    sign_in $B
    # What TLS libraries trust: OpenSSL's own variable, and curl's.
    HOME=$S/home SSL_CERT_FILE=$CA CURL_CA_BUNDLE=$CA
    export HOME SSL_CERT_FILE CURL_CA_BUNDLE
    mkdir "$HOME" "$S/witness"
    for program in sasl-bearer "$@"; do
        witness "$program"
    done
    PATH=$S/witness:$PATH
}

# witness PROGRAM: what it is started with is written down, for secrets_check to see.
witness() {
    cat >"$S/witness/$1" <<END
#!/bin/sh
cat /proc/\$\$/cmdline /proc/\$\$/environ >>$S/witnessed
exec $(command -v "$1") "\$@"
END
    chmod 755 "$S/witness/$1"
}

# bounded COMMAND...: nothing to type, no waiting for ever, all it says on standard output.
bounded() {
    timeout "$SECONDS_MAX" "$@" </dev/null 2>&1
}

# arrived SUBJECT: alice gets a mail with that subject.
arrived() {
    wait_for 20 has_arrived "$1"
}
has_arrived() {
    mailbox_files "$DOVECOT_STORE" $A | xargs -r cat | grep -qFx "Subject: $1"
}

# block NAME: that block of the page, for our servers and our CA.  In scripts the port stands apart from the host.
block() {
    page_block programs.md "$1" |
        sed "s|imaps://outlook.office365.com|imaps://localhost:$DOVECOT_IMAPS_PORT|
            s|pop3s://outlook.office365.com|pop3s://localhost:$DOVECOT_POP3S_PORT|
            s|smtp.office365.com:587|localhost:$SMTPD_PORT|
            s|smtp.office365.com|localhost|; s|outlook.office365.com|localhost|
            s|/etc/ssl/certs/ca-certificates.crt|$CA|
            s|\<587\>|$SMTPD_PORT|; s|\<993\>|$DOVECOT_IMAPS_PORT|; s|\<995\>|$DOVECOT_POP3S_PORT|"
}

# told_to_fail TEXT COMMAND...: the command fails and says so.
told_to_fail() {
    told_text=$1
    shift
    if told_output=$("$@"); then
        printf 'it succeeded:\n%s\n' "$told_output"
        return 1
    fi
    says "$told_text" "$told_output"
}

# recipe NAME INTERPRETER...: runs that block as a script; what it says goes to standard output.
recipe() {
    recipe_file=$S/recipe.$1
    block "$1" >"$recipe_file" || return
    shift
    bounded "$@" "$recipe_file"
}

# recipe_says TEXT NAME INTERPRETER...: it succeeds and says so.
recipe_says() {
    recipe_text=$1
    shift
    recipe_output=$(recipe "$@") || { printf '%s\n' "$recipe_output"; return 1; }
    says "$recipe_text" "$recipe_output"
}

# recipe_fails TEXT NAME INTERPRETER...: it fails and says so.
recipe_fails() {
    recipe_text=$1
    shift
    told_to_fail "$recipe_text" recipe "$@"
}

# sends SUBJECT NAME INTERPRETER...: it succeeds, and alice gets a mail with that subject.
sends() {
    sends_subject=$1
    shift
    recipe "$@" && arrived "$sends_subject"
}

# long_lines: our SMTP server, like others but unlike SMTP, takes a token in the line of the command AUTH.
long_lines() {
    postfix_set "$SMTPD_HOME" line_length_limit=8192 && postfix_reload "$SMTPD_HOME"
}

NOT_SIGNED_IN="$B has not signed in: run sasl-bearer login $B"
