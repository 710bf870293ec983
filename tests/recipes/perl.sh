#!/bin/sh
# Perl's Authen::SASL::Cyrus loads the plugin, for Net::SMTP and Mail::IMAPClient.
. "${0%/*}/../integration/lib.sh"
. "${0%/*}/programs.sh"

needs 'libauthen-sasl-cyrus-perl, libmail-imapclient-perl and libio-socket-ssl-perl' \
    perl -MAuthen::SASL::Cyrus -MMail::IMAPClient -MIO::Socket::SSL -e 1
programs_begin
check "Net::SMTP sends" with_plugin sends 'hello from Perl' smtp perl
check "Mail::IMAPClient reads" with_plugin recipe_says 'of bob' imap perl

SSL_CERT_FILE=$S/secret
check "Net::SMTP trusts no certificate that nobody vouches for" with_plugin recipe_fails 'verify failed' smtp perl
check "nor does Mail::IMAPClient" with_plugin recipe_fails 'verify failed' imap perl
SSL_CERT_FILE=$CA
expire
check "a token that the server refuses is no success by SMTP" with_plugin recipe_fails '5.7.8' smtp perl
check "nor by IMAP" with_plugin recipe_fails 'NO ' imap perl
sasl_bearer logout "$B" >"$S/logout.out"
check "who has not signed in is told so by SMTP" with_plugin recipe_fails "$NOT_SIGNED_IN" smtp perl
check "and by IMAP" with_plugin recipe_fails "$NOT_SIGNED_IN" imap perl
integration_end
