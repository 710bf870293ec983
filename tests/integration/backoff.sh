#!/bin/sh
# A failure is remembered, for everybody: what ten thousand logins cost the provider while it refuses, while it is down and when
# it asks to be left alone; what ends the pause at once; and what refusals by the mail server cost.
. "${0%/*}/lib.sh"
# shellcheck source=/dev/null
. "$top_srcdir/tests/load/herd.sh"

CHALLENGE='{"status":"401","schemes":"bearer","scope":"https://outlook.office.com/SMTP.Send"}'

# configure [SCOPE]: the sections; with a scope of its own the application is another binding.
configure() {
    {
        section_app_only '*@contoso.com'
        [ $# -eq 0 ] || echo "oauth2_scope: $1"
        section_delegated '*@fabrikam.com' fabrikam.com
    } | sasl_conf
}

# forget: no token, no failure, nothing counted.
forget() {
    settings '{"fail": null, "access_token_lifetime": 3600}'
    rm -f "$STORE"/app_only-*
    counters_reset
}

# ten_thousand NAME [OPTION...] MECHANISM USER
ten_thousand() {
    ten_name=$1
    shift
    herd "$ten_name" --processes 20 --logins 500 "$@"
    echo "# $ten_name: $(requests) requests"
}

# one USER [OPTION...]: one login, and it succeeds.
one() {
    one_user=$1
    shift
    herd one "$@" XOAUTH2 "$one_user" >/dev/null
    all_ok one 1
}

wrong_secret() {
    echo 'not-the-secret-at-all' >"$S/secret"
}

right_secret() {
    secret_file app_only_client_secret >"$S/secret"
}

# refuse: the provider has just refused the secret, and everybody knows.
refuse() {
    forget
    wrong_secret
    herd refuse XOAUTH2 relay@contoso.com >/dev/null
    fixture test "$(figure refuse failed) $(requests)" = "1 1"
}

integration_begin
entra_start
configure

# ---- a refused secret

wrong_secret
ten_thousand refused XOAUTH2 relay@contoso.com
check "a wrong secret: each of ten thousand logins has the reason" all_failed refused 10000 AADSTS7000215
check "one request" equals 1 "$(requests)"
ten_thousand again --threads 1 OAUTHBEARER box1@contoso.com
check "the same for other processes, mechanisms and mailboxes" all_failed again 10000 AADSTS7000215
check "still one request" equals 1 "$(requests)"
herd later --processes 50 --later 61 XOAUTH2 relay@contoso.com
check "after a minute it is tried again, by one" equals "2 50" "$(requests) $(figure later failed)"

refuse
right_secret
check "the secret mended: the next login succeeds" one relay@contoso.com
refuse
run sasl_bearer renew relay@contoso.com
check "renew asks at once" says AADSTS7000215 "$ERR"
check "itself" equals 2 "$(requests)"
refuse
configure https://outlook.office.com/.default
herd rebound XOAUTH2 relay@contoso.com
check "another binding asks at once" equals 2 "$(requests)"
configure
right_secret
sign_in bob@fabrikam.com
control grants/revoke '{"user": "bob@fabrikam.com"}' >/dev/null
counters_reset
herd revoked --later 3700 --processes 50 --logins 20 XOAUTH2 bob@fabrikam.com
check "a revoked grant: each login has the reason" all_failed revoked 1000 'sign in again'
check "one or two requests" within 1 2 "$(requests)"
sign_in bob@fabrikam.com
check "a new sign-in: the next login succeeds" one bob@fabrikam.com

# ---- outages

# outage NAME FAILURE: for six seconds the provider fails so; then it is well.
outage() {
    forget
    settings "{\"fail\": $2}"
    herd_start outage --processes 20 --rate 200 --seconds 6 XOAUTH2 relay@contoso.com
    herd_end outage
    echo "# outage: $1: $(requests) requests"
    check "$1: each login of six seconds says so" equals 0 "$(figure outage ok)"
    check "$1: an outage, not a refusal" says_not "AADSTS" "$(errors outage)"
    check "$1: a handful of requests" within 2 10 "$(requests)"
    settings '{"fail": null}'
    ended=$(date +%s)
    check "$1: over, logins succeed" wait_for 10 one relay@contoso.com
    check "$1: within seconds" at_most 20 $(($(date +%s) - ended))
}
outage "status 503" '{"status": 503}'
outage "no answer" '{"drop": true}'

# asked_to_wait NAME SECONDS FAILURE: nobody asks before that time is over.
asked_to_wait() {
    forget
    settings "{\"fail\": $3}"
    herd waiting XOAUTH2 relay@contoso.com
    settings '{"fail": null}'
    asked=$(requests)
    herd waiting --processes 20 --logins 5 --later $(($2 - 3)) XOAUTH2 relay@contoso.com
    check "$1: left alone for $2 s" equals "$asked 100" "$(requests) $(figure waiting failed)"
    check "$1: and no longer" one relay@contoso.com --later $(($2 + 3))
}
asked_to_wait "429 and Retry-After" 30 '{"status": 429, "retry_after": 30}'
asked_to_wait "503 and Retry-After" 90 '{"status": 503, "retry_after": 90}'

# ---- the mail server refuses the token

forget
one relay@contoso.com >/dev/null
ten_thousand young --challenge "$CHALLENGE" XOAUTH2 relay@contoso.com
check "a token refused that is new is kept" equals 1 "$(requests)"
ten_thousand old --challenge "$CHALLENGE" --later 100 XOAUTH2 relay@contoso.com
check "one that is old is replaced once" equals 2 "$(requests)"
ten_thousand older --challenge "$CHALLENGE" --later 300 XOAUTH2 relay@contoso.com
check "and not again for minutes" equals 2 "$(requests)"
ten_thousand oldest --challenge "$CHALLENGE" --later 500 OAUTHBEARER relay@contoso.com
check "then once more" equals 3 "$(requests)"

integration_end
