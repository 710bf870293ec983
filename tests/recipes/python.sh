#!/bin/sh
# Python's imaplib and smtplib, through the pipe and with a token.
. "${0%/*}/../integration/lib.sh"
. "${0%/*}/programs.sh"

programs_begin
check "imaplib reads through the pipe" recipe_says 'Subject: of bob' stream python3
check "smtplib sends, imaplib logs in, with a token" recipe_says "('OK', [b'1'])" token python3
check "what it sent arrives" arrived 'hello from Python'

SSL_CERT_FILE=$S/secret
check "a certificate that nobody vouches for is not trusted" recipe_fails 'CERTIFICATE_VERIFY_FAILED' token python3
SSL_CERT_FILE=$CA
expire
check "a token that the server refuses is no success" recipe_fails 'SMTPAuthenticationError' token python3
sasl_bearer logout "$B" >"$S/logout.out"
check "who has not signed in is told so through the pipe" recipe_fails "$NOT_SIGNED_IN" stream python3
check "and for a token" recipe_fails "$NOT_SIGNED_IN" token python3
integration_end
