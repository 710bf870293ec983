#!/bin/sh
# imtest, smtptest and pop3test, which hold to libsasl2's interface as its authors meant it; one sign-in for several mailboxes,
# and one application for many.
. "${0%/*}/lib.sh"

# opens MARK COMMAND...: the login succeeds and the mail with that subject is there.
opens() {
    opens_mark=$1
    shift
    opens_output=$("$@" --say 'a SELECT INBOX' --say 'b FETCH 1 BODY[HEADER.FIELDS (SUBJECT)]') &&
        says "$opens_mark" "$opens_output"
}

integration_begin
entra_start
servers_start
{
    section_app_only '*@contoso.com'
    section_delegated '*@fabrikam.com' fabrikam.com
    echo '[info@fabrikam.com]'
    echo 'oauth2_identity: bob@fabrikam.com'
} | sasl_conf
sign_in bob@fabrikam.com

for mechanism in XOAUTH2 OAUTHBEARER; do
    for how in '' --implicit; do
        tls=${how:-STARTTLS}
        port=$DOVECOT_IMAP_PORT pop_port=$DOVECOT_POP3_PORT smtp_port=$SMTPD_PORT
        [ -z "$how" ] || port=$DOVECOT_IMAPS_PORT pop_port=$DOVECOT_POP3S_PORT smtp_port=$SMTPS_PORT
        check "imtest logs in with $mechanism ($tls)" cyrus_login imtest "$port" bob@fabrikam.com $mechanism $how
        check "pop3test logs in with $mechanism ($tls)" cyrus_login pop3test "$pop_port" bob@fabrikam.com $mechanism $how
        check "smtptest logs in with $mechanism ($tls)" cyrus_login smtptest "$smtp_port" bob@fabrikam.com $mechanism $how
    done
done
check "all of them used the token that the sign-in brought" equals 1 "$(counter token.refresh_token)"

mailbox_deliver "$DOVECOT_STORE" bob@fabrikam.com 'of bob'
mailbox_deliver "$DOVECOT_STORE" info@fabrikam.com 'of all'
for mechanism in XOAUTH2 OAUTHBEARER; do
    check "an authorization id opens the shared mailbox with bob's sign-in ($mechanism)" opens 'of all' \
        cyrus_login imtest "$DOVECOT_IMAP_PORT" bob@fabrikam.com $mechanism --authzid info@fabrikam.com
    check "oauth2_identity does so without ($mechanism)" opens 'of all' \
        cyrus_login imtest "$DOVECOT_IMAP_PORT" info@fabrikam.com $mechanism
    check "bob's own mailbox stays his ($mechanism)" opens 'of bob' \
        cyrus_login imtest "$DOVECOT_IMAP_PORT" bob@fabrikam.com $mechanism
done
check "the name is taken in upper case too" opens 'of bob' cyrus_login imtest "$DOVECOT_IMAP_PORT" Bob@Fabrikam.COM XOAUTH2
check "nobody asked for another token" equals 1 "$(counter token.refresh_token)"

control counters/reset '{}' >/dev/null
for number in 1 2 3 4 5 6 7 8 9 10; do
    mechanism=XOAUTH2
    [ $((number % 2)) -eq 0 ] || mechanism=OAUTHBEARER
    check "the application opens mailbox $number" cyrus_login imtest "$DOVECOT_IMAP_PORT" "box$number@contoso.com" $mechanism
done
check "ten mailboxes, one token request" equals 1 "$(counter token.client_credentials)"

check "a mailbox that the application may not open stays closed" turned_away 'Authentication failed' \
    cyrus_login imtest "$DOVECOT_IMAP_PORT" ceo@contoso.com XOAUTH2
check "imtest says that nobody covers a user" turned_away 'user not found' \
    cyrus_login imtest "$DOVECOT_IMAP_PORT" nobody@example.com XOAUTH2
check "imtest says that erin has not signed in" turned_away 'passphrase expired' \
    cyrus_login imtest "$DOVECOT_IMAP_PORT" erin@fabrikam.com XOAUTH2
integration_end
