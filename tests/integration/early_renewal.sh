#!/bin/sh
# Tokens are renewed while they are still good: nobody but the one that renews waits for the provider, and nobody notices when
# it is down.  Tokens that live less than anybody would wish for cause no storm.
#
#   SPAN=120    seconds for which logins go on (15)
. "${0%/*}/lib.sh"
# shellcheck source=/dev/null
. "$top_srcdir/tests/load/herd.sh"

SPAN=${SPAN:-15}
RATE=50
LIFE=20
# What a login may take that does not ask the provider: milliseconds, on a machine that is busy with other tests.
QUICK=400

# configure [LINE...]: sasl.conf, and a store that holds nothing.
configure() {
    {
        printf '%s\n' "$@"
        section_app_only '*@contoso.com'
    } | sasl_conf
    rm -f "$STORE"/*
    settings '{"delay_seconds": 0, "fail": null, "refresh_in": null}'
    counters_reset
}

# begin_with LIFE: a token that was fetched just now, and is not counted.
begin_with() {
    settings "{\"access_token_lifetime\": $1}"
    sasl_bearer renew relay@contoso.com >/dev/null
    counters_reset
}

# told TEXT NAME: a line of the plugin's in that herd has the text.
told() {
    grep -qF -e "$1" "$S/$2.errors"
}

# steady NAME SECONDS [OPTION...]: logins at RATE, from twenty processes.
steady() {
    steady_name=$1 steady_seconds=$2
    shift 2
    herd "$steady_name" --processes 20 --rate $RATE --seconds "$steady_seconds" --slow $QUICK "$@" XOAUTH2 relay@contoso.com
}

# bounded NAME REQUESTS SECONDS: all logins succeed, with at most so many requests.
bounded() {
    steady "$1" "$3"
    check "$1: all succeed" equals 0 "$(figure "$1" failed)"
    check "$1: about as many logins as there should be" at_most "$(figure "$1" ok)" $((RATE * $3 * 7 / 10))
    check "$1: at most $2 requests" within 1 "$2" "$(requests)"
    echo "# $1: $(requests) requests in $3 s"
}

integration_begin
entra_start

# ---- the provider takes a second for each token

configure
begin_with $LIFE
settings '{"delay_seconds": 1}'
steady early "$SPAN" --later 8 --log # as if 8 s had passed
requests=$(requests)
echo "# early: $requests requests in $SPAN s"
check "tokens that live $LIFE s: all logins succeed" equals 0 "$(figure early failed)"
check "they are renewed at four fifths of their life" within $(((SPAN + 8) / LIFE)) $(((SPAN + 8) / (LIFE * 3 / 4))) "$requests"
check "nobody waits but the one that renews" equals "$requests" "$(figure early slow)"
check "who renews waits for the provider and no longer" within 1000 6000 "$(figure early max)"

# ---- the provider is down when it is time to renew

# The token is 14 s old when logins begin.  At 16 s it is to be renewed, at 18 s it is not much good any more, at 20 s it ends.
configure
began=$(date +%s)
begin_with $LIFE
settings '{"fail": {"status": 503}}'
left=$(date +%s.%N | awk -v end=$((began + 6)) '{ printf "%.1f", end - $1 - 0.3 }')
steady down "$left" --later 14 --log
echo "# down: $(requests) requests in $left s"
check "the provider is down while a token ends: no login fails" equals 0 "$(figure down failed)"
check "nobody waits but those that try" at_most "$(requests)" "$(figure down slow)"
check "the log says so" told "could not be renewed early" down
check "it was asked now and then" within 1 6 "$(requests)"

configure
begin_with $LIFE
settings '{"fail": {"status": 503}}'
herd_start back --processes 20 --rate $RATE --seconds 7 --later 14 XOAUTH2 relay@contoso.com
fixture wait_for 30 requests_are 2
settings '{"fail": null}'
herd_end back
check "it comes back in time: no login fails" equals 0 "$(figure back failed)"

# ---- lives shorter than anybody would wish for

configure 'oauth2_min_lifetime: 300'
settings '{"access_token_lifetime": 60}'
bounded "a life of 60 s where 300 are wanted" 1 2
configure 'oauth2_min_lifetime: 300'
settings '{"access_token_lifetime": 2}'
bounded "a life of 2 s" 4 3
configure
settings '{"access_token_lifetime": 1}'
bounded "a life of 1 s" 4 3
configure
settings '{"access_token_lifetime": 20, "refresh_in": 1}'
bounded "a life of 20 s, to be renewed after 1 s" 4 3
configure
settings '{"access_token_lifetime": 3600, "refresh_in": 0}'
bounded "a life of an hour, to be renewed at once" 1 2

# The same token again and again, each time with what is left of its life.
configure
settings "{\"fail\": {\"status\": 200, \"content_type\": \"application/json\",
    \"body\": \"{\\\"token_type\\\": \\\"Bearer\\\", \\\"access_token\\\": \\\"the-same-again\\\", \\\"expires_in\\\": 2}\"}}"
bounded "the same token again" 4 3
configure
settings '{"access_token_lifetime": 0}'
steady dead 2
check "a token that is dead on arrival: logins fail" equals 0 "$(figure dead ok)"
check "with few requests" within 1 3 "$(requests)"

integration_end
