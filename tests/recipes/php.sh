#!/bin/sh
# PHP: PHPMailer with a message from the command, IMAP through the pipe.
. "${0%/*}/../integration/lib.sh"
. "${0%/*}/programs.sh"

needs 'php-cli and libphp-phpmailer' php -r 'require "libphp-phpmailer/autoload.php";'
programs_begin
check "a server that takes long lines" long_lines
check "PHPMailer sends" sends 'hello from PHP' phpmailer php
check "a session is open" recipe_says 'MESSAGES 1' connect php

SSL_CERT_FILE=$S/secret
check "a certificate that nobody vouches for is not trusted" recipe_fails 'certificate verify failed' phpmailer php
SSL_CERT_FILE=$CA
sasl_bearer logout "$B" >"$S/logout.out"
check "who has not signed in is told so by PHPMailer" recipe_fails "$NOT_SIGNED_IN" phpmailer php
check "and through the pipe" recipe_fails "$NOT_SIGNED_IN" connect php
integration_end
