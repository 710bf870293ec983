#!/bin/sh
# curl gets the token through a pipe, and never shows it to others.
. "${0%/*}/../integration/lib.sh"
. "${0%/*}/programs.sh"

programs_begin curl sed
cd "$S" || exit 99
mail_message "$B" "$A" 'hello from curl' curl@fabrikam.com >mail.eml

check "curl reads by IMAP" recipe_says 'Subject: of bob' imap sh
check "curl reads by POP3" recipe_says 'Subject: of bob' pop3 sh
check "curl sends" sends 'hello from curl' smtp sh

sasl_bearer logout "$B" >"$S/logout.out"
check "who has not signed in is told so by IMAP" recipe_fails "$NOT_SIGNED_IN" imap sh
check "and by SMTP" recipe_fails "$NOT_SIGNED_IN" smtp sh
integration_end
