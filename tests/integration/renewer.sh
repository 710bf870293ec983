#!/bin/sh
# The renewer and what watches it: renew --all and --watch, status --json, the check for Nagios, the units.
. "${0%/*}/lib.sh"

watcher_ends() {
    kill -TERM "$watcher" && wait "$watcher"
}

# json MEMBER: of the first account that status --json tells of.
json() {
    sasl_bearer status --json "$@" | python3 -c 'import json, sys
account = json.load(sys.stdin)["accounts"][0]
print(" ".join(sorted(account)), account["state"], account["failure"] and account["failure"]["cause"])'
}

nagios() {
    PATH=$bindir:$PATH sh "$top_srcdir/contrib/monitoring/check_sasl_bearer" "$@"
}

requests() {
    counter token.client_credentials
}

integration_begin
entra_start
{ section_app_only '*@contoso.com'; section_delegated '*@fabrikam.com' fabrikam.com; } | sasl_conf
sign_in bob@fabrikam.com >"$S/sign_in.out"
control counters/reset '{}' >/dev/null

# ---- renew --all

run sasl_bearer renew --all
check "what has no token yet gets one" equals "0 1" "$STATUS $(requests)"
run sasl_bearer renew --all
check "what has a good one is left alone" equals "0 1" "$STATUS $(requests)"
settings '{"access_token_lifetime": 600}'
run sasl_bearer renew relay@contoso.com
run sasl_bearer renew --all
check "what ends within 15 minutes is renewed" equals "0 3" "$STATUS $(requests)"

# ---- --watch

settings '{"access_token_lifetime": 3600}'
"$bindir/sasl-bearer" renew --all --watch >"$S/watch.out" 2>&1 &
watcher=$!
check "--watch begins with a round" wait_for 10 grep -q renewed "$S/watch.out"
check "and ends well on SIGTERM" watcher_ends

# ---- status --json

check "status --json has the members that the manual names, and no more" equals \
    "account credential_expires expires failure issued provider signed_in state store text ok None" "$(json relay@contoso.com)"
check "nagios: all is well" says "OK - all accounts are well" "$(nagios)"

# ---- trouble

settings '{"fail": {"status": 503}}'
run sasl_bearer renew relay@contoso.com
check "an outage exits with 75" equals 75 "$STATUS"
check "status says retrying, with a cause" says "retrying later" "$(json relay@contoso.com)"
check "nagios: a warning" fails 1 nagios
settings '{"fail": null, "access_token_lifetime": 600}'
run sasl_bearer renew relay@contoso.com
check "renew does not wait for the pause" equals 0 "$STATUS"
printf 'wrong-secret-of-nobody' >"$S/secret"
run sasl_bearer renew relay@contoso.com
check "a refusal exits with 77 and says what to do" remark 77 "use the client secret's Value"
check "status says refused" says "refused AADSTS7000215" "$(json relay@contoso.com)"
check "nagios: a person is needed" fails 2 nagios
check "nagios: says which account" says "CRITICAL - *@contoso.com" "$(nagios)"
run sasl_bearer renew --all
check "renew --all tells the worst" equals 77 "$STATUS"
echo 'oauth2_tenent: x' >>"$SASL_CONF_PATH/sasl.conf"
run sasl_bearer renew --all
check "a mistake in sasl.conf exits with 78" equals 78 "$STATUS"
check "and is named" says "nearest is 'oauth2_tenant'" "$ERR"

# ---- units

if command -v systemd-analyze >/dev/null; then
    mkdir "$S/units"
    sed "s|@bindir@|$bindir|" "$top_srcdir/contrib/systemd/sasl-bearer-renew.service.in" >"$S/units/sasl-bearer-renew.service"
    cp "$top_srcdir/contrib/systemd/sasl-bearer-renew.timer" "$S/units/"
    check "systemd understands the units" systemd-analyze verify --man=no "$S/units/sasl-bearer-renew.service" \
        "$S/units/sasl-bearer-renew.timer"
fi
integration_end
