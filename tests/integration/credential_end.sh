#!/bin/sh
# An application's secret or certificate comes to its end: who is told, from when on, how often.
. "${0%/*}/lib.sh"

WEB_CLIENT=4f5a9f88-1111-4111-8111-000000000007
A='*@contoso.com'
U=box1@contoso.com
D=bob@fabrikam.com
WHAT_TO_DO='make a new one, add it to the registration, then put it in place of the old'
WHEN_ENDED='make a new one and add it to the registration'

# in_days NUMBER COMMAND...: with a clock that many days and a minute ahead.
in_days() {
    in_days_seconds=$(($1 * 86400 + 60))
    shift
    ahead "$in_days_seconds" "$@"
}

# day NUMBER: the date that many days from now; epoch DATE: when it begins.
day() {
    date -u -d "$1 days" +%Y-%m-%d
}
epoch() {
    date -u -d "$1" +%s
}

# secret_ends DATE: sasl.conf of an application whose secret ends on that day.
secret_ends() {
    ends=$1
    {
        section_app_only "$A"
        echo "oauth2_client_secret_expires: $ends"
    } | sasl_conf
}

# certificate DAYS [LINE]: a new certificate, known to the identity provider, for the same application; the line stands in
# the section, too.
certificate() {
    openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=relay -days "$1" -keyout "$S/relay.key" -out "$S/relay.crt" \
        2>>"$S/openssl.out"
    cat "$S/relay.crt" "$S/relay.key" >"$S/relay.pem"
    chmod 600 "$S/relay.pem" "$S/relay.key"
    python3 -c 'import json, sys; print(json.dumps({"certificates": [sys.stdin.read()]}))' <"$S/relay.crt" >"$S/known.json"
    curl -sS --fail-with-body -H 'Content-Type: application/json' --data-binary "@$S/known.json" \
        "$CONTROL/apps/$APP_ONLY_CLIENT" >"$S/known.out"
    ends=$(date -u -d "$(openssl x509 -noout -enddate -in "$S/relay.crt" | cut -d= -f2)" +%Y-%m-%d)
    {
        section_app_only "$A" | grep -v '^oauth2_client_secret'
        echo "oauth2_client_certificate: $S/relay.pem"
        [ $# -eq 1 ] || echo "$2"
    } | sasl_conf
}

# status_says STATE TEXT STATUS [USER]
status_says() {
    run sasl_bearer status "${4:-$U}"
    says " $1: $2" "$OUT" && equals "$3" "$STATUS"
}

# json_says NUMBER STATE: of an account.
json_says() {
    json_told=$(sasl_bearer status --json $U)
    equals "$1 $2" "$(printf '%s' "$json_told" | sed -n 's/.*"credential_expires": \([0-9a-z]*\).*/\1/p') $(
        printf '%s' "$json_told" | sed -n 's/.*"state": "\([a-z_]*\)".*/\1/p')"
}

# warns TEXT COMMAND...: a round of the renewer that says so, in one line, and ends well.
# warns_not COMMAND...: one that says nothing.
warns() {
    warns_text=$1
    shift
    run "$@"
    equals 0 "$STATUS" && equals "sasl-bearer: $A: $warns_text account=$A provider=app_only cause=credential_end" "$ERR"
}
warns_not() {
    run "$@"
    equals "0 " "$STATUS $ERR"
}

integration_begin
entra_start
clock_begin

# ---- a secret, whose end sasl.conf tells

secret_ends "$(day 31)"
check "31 days before nobody is told" warns_not sasl_bearer renew --all
check "and status is content" status_says ok 'good for' 0
check "though it knows when it will be" json_says "$(epoch "$ends")" ok

secret_ends "$(day 30)"
check "30 days before status says so" status_says expiring "the client secret ends in 29 days, on $ends: $WHAT_TO_DO" 75
check "for programs as well" json_says "$(epoch "$ends")" expiring
check "the renewer says so once" warns "the client secret ends in 29 days, on $ends: $WHAT_TO_DO" sasl_bearer renew --all
check "not in the next round" warns_not sasl_bearer renew --all
run sasl_bearer renew $U
check "a renewal keeps in mind that it was told" warns_not sasl_bearer renew --all
check "on the next day it says so again" warns "the client secret ends in 28 days, on $ends: $WHAT_TO_DO" \
    in_days 1 sasl_bearer renew --all
check "once" warns_not in_days 1 sasl_bearer renew --all
rm -f "$STORE"/*

secret_ends "$(day 1)"
run sasl_bearer renew --all
check "on the last day no day is left" says \
    ", on $ends: $WHAT_TO_DO account=$A provider=app_only cause=credential_end" "$ERR"
check "but hours" says_not days "$ERR"
rm -f "$STORE"/*

secret_ends "$(day -1)"
check "when it is over, that is said" status_says expiring "the client secret ended on $ends: $WHEN_ENDED" 75
check "for programs as well" json_says "$(epoch "$ends")" expiring
check "by the renewer too" warns "the client secret ended on $ends: $WHEN_ENDED" sasl_bearer renew --all
run sasl_bearer token $U
check "which does not keep anybody from trying: the date may be old" equals "0 " "$STATUS $ERR"
secret_ends "$(day 700)"
check "with a new date all is well again" status_says ok 'good for' 0
check "at once" warns_not sasl_bearer renew --all

secret_ends 2027-02-30
run sasl_bearer status $U
check "a date that is none is a mistake" equals 78 "$STATUS"
check "and it is named" says \
    "oauth2_client_secret_expires is '2027-02-30'; it must be a date in the form 2027-01-31" "$ERR$OUT"

# ---- a certificate, which tells itself

rm -f "$STORE"/*
certificate 32
check "a certificate that has 32 days to go" warns_not sasl_bearer renew --all
check "is known to end" json_says "$(date -u -d "$(openssl x509 -noout -enddate -in "$S/relay.crt" | cut -d= -f2)" +%s)" ok
check "but status is content" status_says ok 'good for' 0
check "three days later it says so" says " expiring: the certificate ends in 28 days, on $ends: $WHAT_TO_DO" \
    "$(in_days 3 sasl_bearer status $U)"
check "on its last day as well" says " expiring: the certificate ended on $ends: $WHEN_ENDED" \
    "$(in_days 32 sasl_bearer status $U)"

rm -f "$STORE"/*
certificate 20 "oauth2_client_secret_expires: $(day 700)"
run sasl_bearer renew $U
check "a certificate's own date counts, whatever sasl.conf says of the secret" warns \
    "the certificate ends in 19 days, on $ends: $WHAT_TO_DO" in_days 0 sasl_bearer renew --all
check "it is said once" warns_not in_days 0 sasl_bearer renew --all
check "status says the same" says " expiring: the certificate ends in 19 days, on $ends: $WHAT_TO_DO" \
    "$(in_days 0 sasl_bearer status $U)"
check "the next day the renewer says it again" says "the certificate ends in 18 days, on $ends" \
    "$(in_days 1 sasl_bearer renew --all 2>&1)"
rm -f "$STORE"/* # whose times are a day ahead
certificate 400
run sasl_bearer renew $U
check "with a new certificate all is well" status_says ok 'good for' 0
check "and nobody is told anything" warns_not sasl_bearer renew --all

# ---- people's tokens, too, can need an application's secret

secret_file web_client_secret >"$S/secret-web"
chmod 600 "$S/secret-web"
{
    section_delegated $D organizations | sed "s/^oauth2_client_id:.*/oauth2_client_id: $WEB_CLIENT/"
    echo "oauth2_client_secret_file: $S/secret-web"
    echo "oauth2_client_secret_expires: $(day 7)"
} | sasl_conf
rm -f "$STORE"/*
check "without a sign-in, that is what status says" status_says not_signed_in 'run sasl-bearer login' 77 $D
control grants "{\"user\": \"$D\", \"client_id\": \"$WEB_CLIENT\", \"scope\": \"$DELEGATED_SCOPE\"}" |
    json_member refresh_token | sasl_bearer login --with-refresh-token $D >"$S/sign_in.out"
check "with one, that the secret is about to end" status_says expiring \
    "the client secret ends in 6 days, on $(day 7): $WHAT_TO_DO" 75 $D
run sasl_bearer renew --all
check "and so does the renewer" says "sasl-bearer: $D: the client secret ends in 6 days, on $(day 7): $WHAT_TO_DO" "$ERR"
check "with its keys" says " account=$D provider=delegated cause=credential_end" "$ERR"
integration_end
