#!/bin/sh
# An application proves itself with a certificate, or with another party's word, instead of a secret; in a jail, too.
. "${0%/*}/lib.sh"

WEB_CLIENT=4f5a9f88-1111-4111-8111-000000000007
ENDPOINT=contoso.onmicrosoft.com/oauth2/v2.0/token

# make_certificate NAME: S/NAME.crt and S/NAME.key, self-signed.
make_certificate() {
    openssl req -x509 -newkey rsa:2048 -nodes -subj "/CN=$1" -days 30 -keyout "$S/$1.key" -out "$S/$1.crt" 2>>"$S/openssl.out"
}

# known CLIENT NAME...: the registration has these certificates and no others.
known() {
    known_client=$1
    shift
    for known_name; do
        cat "$S/$known_name.crt"
    done | python3 -c 'import json, re, sys
print(json.dumps({"certificates": re.findall("-----BEGIN.*?-----END CERTIFICATE-----\n", sys.stdin.read(), re.S)}))' >"$S/known.json"
    curl -sS --fail-with-body -H 'Content-Type: application/json' --data-binary "@$S/known.json" \
        "$CONTROL/apps/$known_client" >/dev/null
}

# configure LINE...: sasl.conf for one application, whose credential these lines are; nothing in store.
configure() {
    {
        section_app_only '*@contoso.com' | grep -v '^oauth2_client_secret'
        printf '%s\n' "$@"
    } | sasl_conf
    rm -f "$STORE"/*
}

# brings NAME LINE...: with this credential a token comes.
brings() {
    brings_name=$1
    shift
    configure "$@"
    run sasl_bearer renew relay@contoso.com
    check "$brings_name" equals "0 " "$STATUS $ERR"
}

# refuses NAME STATUS TEXT LINE...: with this credential none comes, and the reason is told.
refuses() {
    refuses_name=$1 refuses_status=$2 refuses_text=$3
    shift 3
    configure "$@"
    run sasl_bearer renew relay@contoso.com
    check "$refuses_name" remark "$refuses_status" "$refuses_text"
}

integration_begin
entra_start
make_certificate relay
make_certificate stranger
known $APP_ONLY_CLIENT relay
printf 'open sesame\n' >"$S/passphrase"
printf 'close sesame\n' >"$S/wrong"
cat "$S/relay.crt" "$S/relay.key" >"$S/relay.pem"
cat "$S/stranger.crt" "$S/stranger.key" >"$S/stranger.pem"
openssl pkcs8 -topk8 -in "$S/relay.key" -out "$S/relay.locked" -passout "file:$S/passphrase"
openssl pkcs12 -export -in "$S/relay.crt" -inkey "$S/relay.key" -out "$S/relay.p12" -passout "file:$S/passphrase"
openssl pkcs12 -export -in "$S/relay.crt" -inkey "$S/relay.key" -out "$S/open.p12" -passout pass:
chmod 600 "$S"/*.pem "$S"/*.key "$S"/*.locked "$S"/*.p12 "$S/passphrase" "$S/wrong"

# ---- what brings a token

brings "certificate and key in one file" "oauth2_client_certificate: $S/relay.pem"
brings "in two files" "oauth2_client_certificate: $S/relay.crt" "oauth2_client_key: $S/relay.key"
brings "the key encrypted" "oauth2_client_certificate: $S/relay.crt" "oauth2_client_key: $S/relay.locked" \
    "oauth2_client_key_passphrase_file: $S/passphrase"
brings "PKCS#12" "oauth2_client_certificate: $S/relay.p12" "oauth2_client_key_passphrase_file: $S/passphrase"
brings "PKCS#12 with an empty password" "oauth2_client_certificate: $S/open.p12"
brings "RS256" "oauth2_client_certificate: $S/relay.pem" "oauth2_client_assertion_alg: RS256"
for again in 1 2 3; do
    run sasl_bearer renew relay@contoso.com
    check "each request has an assertion of its own ($again)" equals "0 " "$STATUS $ERR"
done

# ---- what does not

control counters/reset '{}' >/dev/null
refuses "a wrong passphrase" 78 "the passphrase in oauth2_client_key_passphrase_file does not open '$S/relay.p12'" \
    "oauth2_client_certificate: $S/relay.p12" "oauth2_client_key_passphrase_file: $S/wrong"
refuses "no passphrase" 78 "'$S/relay.locked' is encrypted and oauth2_client_key_passphrase_file is not set" \
    "oauth2_client_certificate: $S/relay.crt" "oauth2_client_key: $S/relay.locked"
refuses "a key of something else" 78 "the key in '$S/stranger.key' does not belong to the certificate in '$S/relay.crt'" \
    "oauth2_client_certificate: $S/relay.crt" "oauth2_client_key: $S/stranger.key"
check "for none of these was anybody asked" equals 0 "$(counter token.client_credentials)"
refuses "a certificate that the registration does not have" 77 "upload this very certificate" \
    "oauth2_client_certificate: $S/stranger.pem"
printf '0f8fad5b-d9cb-469f-a165-70867728950e' >"$S/id"
chmod 600 "$S/id"
refuses "a secret's ID instead of its Value" 77 "the configured secret is a GUID, which is the secret's ID" \
    "oauth2_client_secret_file: $S/id"
settings '{"fail": {"aadsts": 7000215}}'
refuses "the same error with something else as secret" 77 "use the client secret's Value, not its ID" \
    "oauth2_client_secret_file: $S/secret"
settings '{"fail": null}'

# ---- another party's word

control "apps/$APP_ONLY_CLIENT" '{"federated_credentials": [{"issuer": "https://cluster.example", "subject": "system:serviceaccount:mail:relay", "audience": "api://AzureADTokenExchange"}]}' >/dev/null
control federated-tokens '{"issuer": "https://cluster.example", "subject": "system:serviceaccount:mail:relay", "audience": "api://AzureADTokenExchange"}' |
    json_member token >"$S/secret-federated"
chmod 600 "$S/secret-federated"
brings "a federated token" "oauth2_federated_token_file: $S/secret-federated"

# ---- a person signed in to a confidential client

known $WEB_CLIENT relay
{
    section_delegated bob@fabrikam.com organizations | grep -v '^oauth2_client_id'
    echo "oauth2_client_id: $WEB_CLIENT"
    echo "oauth2_client_certificate: $S/relay.pem"
} | sasl_conf
settings '{"device_interval": 1, "device_outcome": "approve", "device_user": "bob@fabrikam.com", "device_after_polls": 2}'
run sasl_bearer login --device bob@fabrikam.com
check "a sign-in by device code, each poll with an assertion of its own" equals 0 "$STATUS"
run sasl_bearer renew bob@fabrikam.com
check "and the renewal of its token" equals "0 " "$STATUS $ERR"

# ---- in Postfix' jail

configure "oauth2_client_certificate: $S/relay.p12" "oauth2_client_key_passphrase_file: $S/passphrase"
servers_start
relay_start
relay_send relay@contoso.com alice@contoso.com
check "a chrooted smtp(8) fetches a token with it" equals sent "$OUTCOME"
check "nothing of it was copied into the jail" test -z "$(find "$RELAY_JAIL" -name '*.p12' -o -name passphrase)"
check "Postfix' log has no complaint" fails 1 postfix_complaints "$RELAY_HOME"
integration_end
