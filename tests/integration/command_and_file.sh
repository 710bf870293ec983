#!/bin/sh
# Tokens that other programs have: printed by a command, kept in a file; also for a jailed Postfix, which can reach neither.
. "${0%/*}/lib.sh"

USER_NAME=bob@fabrikam.com

# program NAME: makes an executable in S/bin from standard input and notes each of its runs.
program() {
    { printf '#!/bin/sh\necho run >>"%s/runs"\n' "$S"; cat; } >"$S/bin/$1"
    chmod 755 "$S/bin/$1"
}

runs() {
    grep -c run "$S/runs"
}

# fresh [SECONDS]: a new token, to be found by the programs.  Only builtin commands see it.
fresh() {
    (umask 077 && access_token "$USER_NAME" "${1:-3600}" >"$S/secret-token")
}

# by_command LINE... / by_file LINE...: the account's provider, and what else it says.
by_command() {
    { printf '[%s]\noauth2_provider: command\n' "$USER_NAME"; printf '%s\n' "$@"; } | sasl_conf
}
by_file() {
    { printf '[%s]\noauth2_provider: file\noauth2_token_file: %s\n' "$USER_NAME" "$S/secret-file"; } | sasl_conf
}

# file_holds: replaces the token file, by rename, with standard input.
file_holds() {
    (umask 077 && cat >"$S/secret-new")
    mv "$S/secret-new" "$S/secret-file"
}

logs_in() {
    cyrus_login imtest "$DOVECOT_IMAP_PORT" "$USER_NAME" "${1:-XOAUTH2}"
}

renew() {
    run sasl_bearer renew "$USER_NAME"
}

# is_gone PID: no such process, or nothing but its exit status.
is_gone() {
    ! grep -q '^State:[[:space:]]*[^ZX]' "/proc/$1/status" 2>/dev/null
}

is_past() {
    [ "$(date +%s)" -gt "$1" ]
}

integration_begin
entra_start
imap_start
mkdir "$S/bin"
: >"$S/runs"
fresh

# ---- what commands print

program raw <<END_RAW
cat "$S/secret-token"
END_RAW
by_command "oauth2_token_command: $S/bin/raw access $USER_NAME"
check "a command that prints the token alone opens the mailbox (XOAUTH2)" logs_in XOAUTH2
check "and again (OAUTHBEARER)" logs_in OAUTHBEARER
check "it was run once: the token is kept" equals 1 "$(runs)"

program json <<END_JSON
printf '{"token_type": "Bearer", "expires_in": 3599, "access_token": "%s"}\n' "\$(cat "$S/secret-token")"
END_JSON
by_command "oauth2_token_command: $S/bin/json"
check "one that prints an endpoint's answer opens it" logs_in

# As az does it: expiresOn in local time, expires_on beside it.
program az <<END_AZ
[ "\$*" = "account get-access-token --resource https://outlook.office365.com" ] || exit 2
[ -f "$S/signed-in" ] || { echo "ERROR: Please run 'az login' to setup account." >&2; exit 1; }
printf '{\n  "accessToken": "%s",\n  "expiresOn": "2001-01-01 00:00:00.000000",\n' "\$(cat "$S/secret-token")"
printf '  "expires_on": %s,\n  "tenant": "contoso",\n  "tokenType": "Bearer"\n}\n' \$((\$(date +%s) + 3000))
END_AZ
by_command "oauth2_token_command: $S/bin/az account get-access-token --resource https://outlook.office365.com"
renew
check "az says that nobody has signed in, and so do we" remark 75 \
    "the command '$S/bin/az' failed with exit status 1: ERROR: Please run 'az login' to setup account"
check "a login fails for now" turned_away 'remote authentication server unavailable' logs_in
: >"$S/signed-in"
renew
check "az signed in, the token comes" equals 0 "$STATUS"
check "and opens the mailbox" logs_in

# ---- commands in trouble

program hang <<END_HANG
cat "$S/secret-token"
sleep 1000 &
echo \$! >"$S/sleeper"
wait
END_HANG
by_command "oauth2_token_command: $S/bin/hang --private" 'oauth2_timeout: 2'
renew
check "a command that hangs is ended" remark 75 "the command '$S/bin/hang' took too long and was ended"
check "with all that it started" wait_for 10 is_gone "$(cat "$S/sleeper")"

program babble <<END_BABBLE
echo "To sign in, use a web browser:"
cat "$S/secret-token"
END_BABBLE
by_command "oauth2_token_command: $S/bin/babble"
renew
check "what is no token is not sent, nor shown" remark 78 "the text printed by '$S/bin/babble' is no token"

program leak <<END_LEAK
cat "$S/secret-token" >&2
exit 1
END_LEAK
by_command "oauth2_token_command: $S/bin/leak"
renew
check "a token among the complaints is not repeated" remark 75 "the command '$S/bin/leak' failed with exit status 1"

by_command "oauth2_token_command: $S/bin/missing --private"
renew
check "a command that is not there is for the administrator" remark 78 \
    "cannot run '$S/bin/missing': No such file or directory"
check "arguments are not shown" says_not private "$ERR"

# ---- files

by_file
renew
check "a file that is not there is for the administrator" remark 78 "cannot open '$S/secret-file': No such file or directory"
file_holds <"$S/secret-token"
renew
check "a token alone in a file" equals 0 "$STATUS"
check "opens the mailbox" logs_in

expire
check "the server expires it" turned_away 'Authentication failed' logs_in
fresh
printf '{"access_token": "%s", "expiry": "%s", "refresh_token": "never-looked-at"}' "$(cat "$S/secret-token")" \
    $(($(date +%s) + 3600)) | file_holds
renew
check "replaced by rename, in JSON, it is read anew" equals 0 "$STATUS"
check "and opens the mailbox" logs_in

printf '{"access_token": "%s", "expiry": "2021-01-01T00:00:00Z"}' "$(cat "$S/secret-token")" | file_holds
renew
check "an expired one says when, and what is amiss" remark 75 \
    "the token in '$S/secret-file' expired at 2021-01-01 00:00:00 UTC: whatever keeps it fresh is not running"
check "until its end the token in store goes on" logs_in
chmod 644 "$S/secret-file"
renew
check "a file that anyone can read is refused, with the remedy" remark 78 "run chmod o= '$S/secret-file'"

# ---- the jail

fixture postfix_server_start "$S/smtpd" "$entra/localhost.pem" "$entra/localhost.key" "$DOVECOT_AUTH_SOCKET" "$DOVECOT_STORE"
fresh
by_command "oauth2_token_command: $S/bin/raw relay"
run sasl_bearer renew --all
check "the renewer asks the command" equals 0 "$STATUS"
: >"$S/runs"
relay_start --set "smtp_sasl_password_maps=inline:{localhost=$USER_NAME:}"
relay_send "$USER_NAME" alice@contoso.com
check "a jailed Postfix sends with the token that the renewer left" equals sent "$OUTCOME"
check "without running the command" equals 0 "$(runs)"

fresh 2
run sasl_bearer renew "$USER_NAME"
check "a token that ends soon" equals 0 "$STATUS"
wait_for 30 is_past "$(($(date +%s) + 2))"
: >"$S/runs"
relay_send "$USER_NAME" alice@contoso.com
check "has ended and Postfix cannot renew it: the mail waits" equals deferred "$OUTCOME"
check "the log says so" relay_told "cannot be renewed inside" "$USER_NAME" command local
check "and asks for the renewer" relay_told "is sasl-bearer-renew.timer running?" "$USER_NAME" command local
check "the command was not run" equals 0 "$(runs)"
fresh
run sasl_bearer renew --all
check "the renewer runs" equals 0 "$STATUS"
check "and the mail goes out" equals sent "$(postfix_retry "$RELAY_HOME" "$QUEUE_ID")"
integration_end
