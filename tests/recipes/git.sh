#!/bin/sh
# git send-email through msmtp, git imap-send through the pipe.
. "${0%/*}/../integration/lib.sh"
. "${0%/*}/programs.sh"

# repository: one with a change in it.
repository() {
    git init -q "$S/repository" && cd "$S/repository" &&
        git config user.name Bob && git config user.email "$B" &&
        git commit -q --allow-empty -m 'first' && echo change >file && git add file && git commit -q -m 'second change'
}

# configured NAME: git has that block of the page and no other.
configured() {
    block "$1" >"$HOME/.gitconfig"
    git config user.email >"$S/config.out" # it can be read
}

send_email() {
    configured send-email && bounded git send-email --to="$A" --suppress-cc=all --confirm=never --no-thread -1
}

# its_own_login: git send-email as somebody would try it first.
its_own_login() {
    : >"$HOME/.gitconfig"
    bounded git -c sendemail.smtpServer=localhost -c sendemail.smtpServerPort="$SMTPD_PORT" -c sendemail.smtpEncryption=tls \
        -c sendemail.smtpSslCertPath="$CA" -c sendemail.smtpDomain=localhost \
        -c sendemail.smtpUser="$B" -c sendemail.smtpAuth=XOAUTH2 -c credential.helper='!echo password=any; :' \
        send-email --to="$A" --suppress-cc=all --confirm=never -1
}

imap_send() {
    configured imap-send && git format-patch --stdout -1 >"$S/patch" && timeout "$SECONDS_MAX" git imap-send <"$S/patch" 2>&1
}

in_drafts() {
    grep -rqs '^Subject: \[PATCH\] second change' "$(mailbox_path "$DOVECOT_STORE" "$B")/.Drafts"
}

needs git-email test -x "$(git --exec-path)/git-send-email"
needs libmailtools-perl perl -MMail::Address -e 1
needs msmtp command -v msmtp
programs_begin msmtp
check "a repository" repository
cd "$S/repository" || exit 99
check "git send-email runs msmtp" send_email
check "the patch arrives" arrived '[PATCH] second change'
check "git imap-send goes through" imap_send
check "the patch is among the drafts" in_drafts
check "git send-email cannot log in itself, as the page says" told_to_fail 'No SASL mechanism found' its_own_login

sasl_bearer logout "$B" >"$S/logout.out"
check "who has not signed in is told so by git send-email" told_to_fail "$NOT_SIGNED_IN" send_email
check "and by git imap-send" told_to_fail "$NOT_SIGNED_IN" imap_send
integration_end
