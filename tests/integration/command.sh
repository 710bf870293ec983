#!/bin/sh
# The command: what it prints where, how it exits, what it keeps.
. "${0%/*}/lib.sh"

B=bob@fabrikam.com

# decoded PATTERN TEXT: the base64 text, separators shown as ^A, matches the whole pattern.
decoded() {
    decoded_text=$(printf '%s' "$2" | base64 -d | tr '\001' '^')
    printf '%s\n' "$decoded_text" | grep -Eqx -e "$1" || { echo "found: $(printf '%s' "$decoded_text" | cut -c1-80)"; return 1; }
}

# opens_mailbox TOKEN: Exchange would let it in.
opens_mailbox() {
    equals True "$(control may-open "{\"token\":\"$1\",\"mailbox\":\"${2:-$B}\",\"protocol\":\"imap\"}" | json_member allow)"
}

# adopt USER: signs in with a refresh token from standard input; for run.
adopt() {
    sasl_bearer login --with-refresh-token "$@"
}

full() {
    sasl_bearer "$@" >/dev/full
}
closed() {
    sasl_bearer "$@" >&-
}

integration_begin
entra_start
closed_port=$(mail_port "$S/closed")
{
    section_delegated '*@fabrikam.com' fabrikam.com
    section_app_only '*@contoso.com'
    section_app_only down@example.com | sed "s|token_endpoint:.*|token_endpoint: https://localhost:$closed_port/token|"
    section_app_only wrong@example.com | sed "s|client_secret_file:.*|client_secret_file: $S/secret-wrong|"
    section_app_only broken@example.com
    echo 'oauth2_timeout: never'
} | sasl_conf
echo 'not-the-secret' >"$S/secret-wrong"
chmod 600 "$S/secret-wrong"
settings '{"device_interval": 1, "device_outcome": "approve"}'

# ---- help and usage

for name in login logout token status renew; do
    run sasl_bearer $name --help
    check "$name --help tells its usage" says "usage: sasl-bearer $name" "$STATUS $OUT"
    check "$name --help goes to standard output and ends well" equals "0 " "$STATUS $ERR"
done
run sasl_bearer --help
check "--help lists the commands" says "  token " "$STATUS $OUT"
run sasl_bearer --version
check "--version ends well" equals 0 "$STATUS"
run sasl_bearer
check "without a command it tells its usage and exits with 64" equals "64 " "$STATUS $OUT"
run sasl_bearer tokn $B
check "an unknown command is a usage error" remark 64 "unknown command: tokn"
run sasl_bearer token --fromat raw $B
check "an unknown option is a usage error" remark 64 "unknown option: --fromat"
run sasl_bearer token --format
check "an option without its value is a usage error" remark 64 "wants a value"
run sasl_bearer token
check "a missing user is a usage error" remark 64 "wants a user name"
run sasl_bearer token $B erin@fabrikam.com
check "two users are a usage error" remark 64 "one user at a time"
run sasl_bearer token --device $B
check "an option of another command is a usage error" remark 64 "does not take the option"
run sasl_bearer token --system --user $B
check "--system and --user together are a usage error" remark 64 "exclude each other"
run sasl_bearer token --format yaml $B
check "an unknown format is a usage error that lists the formats" remark 64 "raw, json, xoauth2 or oauthbearer"
run sasl_bearer renew
check "renew wants a user or --all" remark 64 "either a user name or --all"
run sasl_bearer login --device relay@contoso.com
check "nobody signs in for an application" remark 64 "its provider is app_only"

# ---- nobody has signed in

run sasl_bearer token $B
check "token of somebody who has not signed in exits with 77 and the command to run" remark 77 "run sasl-bearer login $B"
run sasl_bearer status $B
check "status says not_signed_in" says not_signed_in "$OUT"
check "and exits with 77" equals 77 "$STATUS"

# ---- signing in by device code

run sasl_bearer login --device $B
check "a sign-in that is approved ends well" equals "0 " "$STATUS $ERR"
check "it shows where to go" says "microsoft" "$OUT"
check "it says where the sign-in is kept" says "$B is signed in. The sign-in is kept in $(token_file $B)." "$OUT"
check "it speaks of postfix reload" says "postfix reload" "$OUT"
check "the token file is for its owner alone" equals 600 "$(stat -c %a "$(token_file $B)")"
run sasl_bearer token $B
check "its token opens the mailbox" opens_mailbox "$OUT"
check "which took no other request" equals 0 "$(counter token.refresh_token)"
run sasl_bearer logout $B
check "logout says so" says "forgotten" "$STATUS $OUT"
run sasl_bearer token $B
check "after logout token exits with 77" remark 77 "has not signed in"
check "nothing of the sign-in is left in the file" fails 1 grep -q eyJ "$(token_file $B)"
run sasl_bearer logout $B
check "a second logout says that there was nothing" says "There were no tokens" "$STATUS $OUT"

settings '{"device_after_polls": 2}'
run sasl_bearer login --device $B
check "a person who takes a while is waited for" equals "0 " "$STATUS $ERR"
settings '{"device_after_polls": 0, "device_slow_down": 1, "device_enforce_interval": true}'
began=$(date +%s)
run sasl_bearer login --device $B
check "slow_down is not the end" equals "0 " "$STATUS $ERR"
check "after slow_down it waits five seconds more" test $(($(date +%s) - began)) -ge 6
settings '{"device_slow_down": 0, "device_enforce_interval": false, "device_outcome": "decline"}'
cksum "$(token_file $B)" >"$S/before"
run sasl_bearer login --device $B
check "a sign-in that is declined exits with 77" equals 77 "$STATUS"
check "and says so" says "sasl-bearer: the sign-in was declined" "$ERR"
settings '{"device_outcome": "wait", "device_lifetime": 2}'
run sasl_bearer login --device $B
check "a code that nobody uses expires" equals 77 "$STATUS"
check "and one is told to start again" says "expired before anybody used it: start again" "$ERR"
settings '{"device_outcome": "approve", "device_lifetime": 900, "device_user": "erin@fabrikam.com"}'
run sasl_bearer login --device $B
check "somebody else's sign-in is refused" equals 77 "$STATUS"
check "and both names are told" says "erin@fabrikam.com signed in, but $B was asked for" "$ERR"
settings '{"device_refuse": 700016}'
run sasl_bearer login --device $B
check "an error of the device endpoint with HTTP 200 is an error" equals 77 "$STATUS"
check "and is told with its number" says "AADSTS700016" "$ERR"
check "it ends in one line with a remedy" remark 77 "check oauth2_client_id"
settings '{"device_refuse": null, "fail": {"html": true, "endpoint": "devicecode"}}'
run sasl_bearer login --device $B
check "a login page in the way is something that passes" remark 75 "is a proxy or a login page in between?"
settings '{"fail": null}'
cksum "$(token_file $B)" >"$S/after"
check "no failure changed the sign-in that was there" cmp "$S/before" "$S/after"
run sasl_bearer login --device --any-user $B
check "--any-user accepts somebody else" equals "0 " "$STATUS $ERR"
settings '{"device_user": "bob@fabrikam.com"}'

# ---- signing in with a refresh token

refresh_token $B >"$S/secret-refresh"
run adopt $B <"$S/secret-refresh"
check "a refresh token is taken from standard input" equals "0 " "$STATUS $ERR"
run sasl_bearer token $B
check "its token opens the mailbox" opens_mailbox "$OUT"
cksum "$(token_file $B)" >"$S/before"
refresh_token erin@fabrikam.com >"$S/secret-refresh-erin"
run adopt $B <"$S/secret-refresh-erin"
check "somebody else's refresh token is refused" remark 77 'erin@fabrikam.com signed in, but bob@fabrikam.com was asked for'
echo 'this-is-none' >"$S/secret-garbage"
run adopt $B <"$S/secret-garbage"
check "one that the identity provider refuses exits with 77" remark 77 "the identity provider says invalid_grant"
run adopt $B </dev/null
check "an empty one is a usage error" remark 64 "must hold the refresh token"
cksum "$(token_file $B)" >"$S/after"
check "neither changed the sign-in that was there" cmp "$S/before" "$S/after"

# ---- tokens

run sasl_bearer token $B
raw=$OUT
check "token prints the token alone" decoded '\{.*"typ".*' "$(printf '%s' "$raw" | cut -d. -f1 | tr '_-' '/+')=="
check "on one line" equals 1 "$(printf '%s\n' "$raw" | wc -l)"
run sasl_bearer token --format json $B
check "json has the same token" equals "$raw" "$(printf '%s' "$OUT" | json_member access_token)"
check "json has the user" equals "$B Bearer" "$(printf '%s' "$OUT" | json_member user) $(printf '%s' "$OUT" | json_member token_type)"
check "json has the seconds it is good for" test "$(printf '%s' "$OUT" | json_member expires_in)" -gt 3500
run sasl_bearer token --format xoauth2 $B
check "xoauth2 is the message of that mechanism" decoded "user=$B\^auth=Bearer $raw\^\^" "$OUT"
run sasl_bearer token --format=oauthbearer $B
check "oauthbearer is the message of that mechanism" decoded "n,a=$B,\^(host=[^^]*\^)?(port=[0-9]*\^)?auth=Bearer $raw\^\^" "$OUT"
run sasl_bearer token $B
check "the token in hand is used again" equals "$raw" "$OUT"
run sasl_bearer token --renew $B
check "--renew brings another" test "$OUT" != "$raw"
check "which opens the mailbox" opens_mailbox "$OUT"
run sasl_bearer token box1@contoso.com
check "an application's token opens its mailboxes" opens_mailbox "$OUT" box1@contoso.com
run sasl_bearer token BOX2@Contoso.COM
check "names are compared without regard to case" opens_mailbox "$OUT" box2@contoso.com
check "two mailboxes of an application, one request" equals 1 "$(counter token.client_credentials)"

# ---- exit codes

run sasl_bearer token down@example.com
check "an identity provider out of reach exits with 75" remark 75 "cannot reach https://localhost:$closed_port"
run sasl_bearer status down@example.com
check "status says retrying" says retrying "$OUT"
check "and exits with 75" equals 75 "$STATUS"
run sasl_bearer token wrong@example.com
check "a refusal of the application exits with 77" remark 77 "AADSTS7000215"
run sasl_bearer status wrong@example.com
check "status says refused" says refused "$OUT"
run sasl_bearer token broken@example.com
check "a mistake in the configuration exits with 78, file and line" remark 78 "$SASL_CONF_PATH/sasl.conf:$(
    grep -n never "$SASL_CONF_PATH/sasl.conf" | cut -d: -f1): oauth2_timeout is 'never'"
run sasl_bearer token nobody@example.com
check "a user whom no section covers exits with 78" remark 78 "no section of sasl.conf covers 'nobody@example.com'"
run full token $B
check "a full disk below standard output is an error" equals 74 "$STATUS"
run closed token $B
check "a closed standard output is an error" equals 74 "$STATUS"
run full status
check "so it is for status" test "$STATUS" -ne 0
run sasl_bearer token $B
check "neither did the sign-in any harm" opens_mailbox "$OUT"

# ---- status

run sasl_bearer status $B
check "status says ok" says " ok:" "$OUT"
check "and exits with 0" equals 0 "$STATUS"
before=$(counter total)
run sasl_bearer status
check "status of all exits with the worst" equals 78 "$STATUS"
for line in "$B *delegated *ok" '\*@contoso.com *app_only *ok' 'down@example.com *app_only *retrying' \
    'wrong@example.com *app_only *refused' 'broken@example.com .*config_error'; do
    check "it has a line '$line'" grep -q -e "$line" <<END
$OUT
END
done
check "it asked nobody" equals "$before" "$(counter total)"
expire
control grants/revoke "{\"user\":\"$B\"}" >/dev/null
run sasl_bearer renew $B
check "a sign-in that was revoked exits with 77 and the remedy" remark 77 "sign in again"
run sasl_bearer status $B
check "status says sign_in_needed" says sign_in_needed "$OUT"
check "and exits with 77" equals 77 "$STATUS"
sign_in $B

# ---- renew

control counters/reset '{}' >/dev/null
run sasl_bearer renew $B
check "renew says what it did" says "$B: renewed, good for " "$STATUS $OUT"
check "with one request" equals 1 "$(counter token.refresh_token)"
run sasl_bearer renew erin@fabrikam.com
check "renew of somebody who has not signed in exits with 77" remark 77 "run sasl-bearer login"
sed -i '/^\[down/,$d' "$SASL_CONF_PATH/sasl.conf"
settings '{"access_token_lifetime": 600}'
sign_in erin@fabrikam.com
settings '{"access_token_lifetime": 3600}'
control counters/reset '{}' >/dev/null
run sasl_bearer renew --all
check "renew --all renews what ends soon" says "erin@fabrikam.com: renewed" "$OUT"
check "and nothing else" equals "1 0" "$(counter token.refresh_token) $(counter token.client_credentials)"
check "and ends well" equals "0 " "$STATUS $ERR"
run sasl_bearer renew --all
check "a second time it has nothing to do" equals "0  1" "$STATUS $OUT $(counter token.refresh_token)"

run sasl_bearer renew --quiet $B
check "--quiet says nothing where all is well" equals "0  " "$STATUS $OUT $ERR"
run sasl_bearer renew --verbose $B
check "--verbose shows the request" says "/fabrikam.com/oauth2/v2.0/token grant_type=refresh_token client_id=$DELEGATED_CLIENT" "$ERR"
check "with its secrets masked" says "refresh_token=***" "$ERR"
check "and how it ended" says " -> HTTP 200 in " "$ERR"

# ---- which configuration

sed 's/fabrikam/nobodys/' "$SASL_CONF_PATH/sasl.conf" >"$S/other.conf"
run sasl_bearer token --conf "$S/other.conf" $B
check "--conf reads that file and no other" remark 78 "no section of sasl.conf covers"
run sasl_bearer token --conf "$S/nothing.conf" $B
check "a file that is not there is a mistake that is named" remark 78 "cannot open '$S/nothing.conf'"
chmod 666 "$S/other.conf"
run sasl_bearer token --conf "$S/other.conf" $B
check "a file that anyone can write is not trusted" remark 78 "run chmod go-w '$S/other.conf'"

user_begin <<END
oauth2_ca_file: $S/ca.pem
oauth2_servers: localhost
$(section_delegated '*@fabrikam.com' fabrikam.com)
END
refresh_token $B >"$S/secret-refresh"
run as_user "$bindir/sasl-bearer" login --with-refresh-token $B <"$S/secret-refresh"
check "a user without rights signs in" equals "0 " "$STATUS $ERR"
check "into a store of their own" says "$USER_HOME/.local/state/sasl-bearer/delegated-$B.token" "$OUT"
check "Postfix is none of their business" says_not postfix "$OUT"
check "the store is theirs alone" equals "700 600:$USER_ID" "$(cd "$USER_HOME/.local/state" && echo $(stat -c %a sasl-bearer;
    stat -c %a:%u sasl-bearer/*))"
run as_user "$bindir/sasl-bearer" token $B
check "their token opens the mailbox" opens_mailbox "$OUT"
run as_user "$bindir/sasl-bearer" token --system $B
check "--system leaves their own sasl.conf out" remark 78 "no section of sasl.conf covers"
run as_user "$bindir/sasl-bearer" token --user $B
check "--user is what they get anyway" opens_mailbox "$OUT"

mail_ports_release "$S/closed"
integration_end
