#!/bin/sh
# The contract of credential/provider.h: the same questions to each provider, ours and somebody else's, which is built here against
# the installed files and then used like any other, in the jail too.  A scenario is what provider-contract reads.
. "${0%/*}/../integration/lib.sh"

: "${pkglibdir:=${bindir%/bin}/lib/sasl-bearer}"
PKG_CONFIG_PATH=${pkglibdir%/sasl-bearer}/pkgconfig
export PKG_CONFIG_PATH
contract=$(pkg-config --variable=contract sasl-bearer)
providers=$(pkg-config --variable=providerdir sasl-bearer)
module=acme$$

# keeps PROVIDER WHAT: it answers every question well in the scenario in S/scenario.  CONTRACT_ENV: variables for it.
keeps() {
    check "$1: $2" contract_answers "$providers/$1.so"
}
contract_answers() {
    # shellcheck disable=SC2086 # a list
    env ${CONTRACT_ENV:-} "$contract" "$1" <"$S/scenario" >"$S/answers" 2>&1 && return
    grep -v '^ok' "$S/answers"
    return 1
}

# ---- what the scenarios have in common

at_emulator() {
    cat <<EOF
option oauth2_provider $1
option oauth2_token_endpoint $AUTHORITY/$2/oauth2/v2.0/token
ca_file $CA
EOF
}
app_only() {
    at_emulator app_only contoso.onmicrosoft.com
    cat <<EOF
option oauth2_client_id $APP_ONLY_CLIENT
option oauth2_scope https://outlook.office365.com/.default
EOF
}
with_secret() {
    app_only
    echo "secret oauth2_client_secret $(cat "$S/secret")"
}
delegated() {
    at_emulator delegated fabrikam.com
    cat <<EOF
identity bob@fabrikam.com
option oauth2_client_id $DELEGATED_CLIENT
option oauth2_scope $DELEGATED_SCOPE
EOF
}
signed_in() {
    delegated
    echo "refresh_token $(refresh_token bob@fabrikam.com)"
}
acme() {
    cat <<EOF
option oauth2_token_endpoint http://127.0.0.1:$(cat "$S/gateway/port")/secret-$1
secret oauth2_client_secret gateway-password-$$
EOF
}

# from_emulator PROVIDER SCENARIO: what every provider that asks a token endpoint over HTTP must come to.
from_emulator() {
    { $2; echo expect ok; } >"$S/scenario"
    keeps "$1" "a token"
    settings '{"numbers_as_strings": true}'
    { $2; echo expect ok; } >"$S/scenario"
    keeps "$1" "numbers as strings"
    settings '{"numbers_as_strings": false, "fail": {"status": 503}}'
    { $2; echo expect later; } >"$S/scenario"
    keeps "$1" "an outage"
    settings '{"fail": {"status": 429, "retry_after": 60}}'
    { $2; echo expect later; } >"$S/scenario"
    keeps "$1" "throttled"
    settings '{"fail": {"status": 200, "html": true}}'
    { $2; echo expect later; } >"$S/scenario"
    keeps "$1" "a login page"
    settings '{"fail": {"drop": true}}'
    { $2; echo expect later; } >"$S/scenario"
    keeps "$1" "no answer at all"
    settings '{"fail": {"aadsts": 90033}}'
    { $2; echo expect later; } >"$S/scenario"
    keeps "$1" "an error that passes"
    settings '{"fail": {"aadsts": 7000222}}'
    { $2; echo expect refused AADSTS7000222; } >"$S/scenario"
    keeps "$1" "a refusal"
    settings '{"fail": null, "hold": true}'
    { $2; echo deadline 700; echo expect later; } >"$S/scenario"
    keeps "$1" "a server that hangs"
    settings '{"hold": false}'
    { $2; echo expect later; } | sed 's/^ca_file .*//' >"$S/scenario"
    keeps "$1" "a server that cannot be trusted"
    { $2; echo expect config; } | sed 's|^ca_file .*|ca_file /nonexistent|' >"$S/scenario"
    keeps "$1" "authorities that cannot be read"
    { $2; echo expect ok; } | sed 's|^ca_file|ca_pem|' >"$S/scenario"
    keeps "$1" "authorities from memory, as in a jail"
    { $2; echo expect later; } | sed 's|//localhost:[0-9]*/|//localhost:1/|' >"$S/scenario"
    keeps "$1" "nobody there"
    { $2; echo expect config; } | sed 's|https://localhost:[0-9]*/|http://example.invalid/|' >"$S/scenario"
    keeps "$1" "an endpoint in the clear"
}

integration_begin
entra_start

# ---- ours

from_emulator app_only with_secret
{ app_only; echo 'secret oauth2_client_secret not~the+secret'; echo expect refused AADSTS7000215; } >"$S/scenario"
keeps app_only "a wrong secret"
{ app_only; echo expect refused AADSTS7000216; } >"$S/scenario"
keeps app_only "no credential"

from_emulator delegated signed_in
{ delegated; echo 'refresh_token 1.not-a-refresh-token'; echo expect sign_in; } >"$S/scenario"
keeps delegated "a refresh token that is none"
settings '{"fail": {"aadsts": 50173}}'
{ signed_in; echo expect sign_in AADSTS50173; } >"$S/scenario"
keeps delegated "a revoked sign-in"
settings '{"fail": null}'

for provider in command file; do
    {
        echo "option oauth2_token_$provider /usr/lib/somewhere"
        echo "secret oauth2_token $(access_token bob@fabrikam.com)"
        echo expect ok
    } >"$S/scenario"
    keeps $provider "a token"
    {
        echo "option oauth2_token_$provider /usr/lib/somewhere"
        echo 'secret oauth2_token two words'
        echo expect config
    } >"$S/scenario"
    keeps $provider "something else than a token"
    {
        echo "option oauth2_token_$provider /usr/lib/somewhere"
        echo 'secret oauth2_token {"access_token": "abc.def.ghi", "expires_on": 1700000000}'
        echo expect later
    } >"$S/scenario"
    keeps $provider "a token that has ended"
done

CONTRACT_ENV="AZURE_POD_IDENTITY_AUTHORITY_HOST=$(entra_ready imds)"
managed_identity() {
    printf 'option oauth2_scope https://outlook.office365.com/.default\noption oauth2_managed_identity system\n'
}
{ managed_identity; echo expect ok; } >"$S/scenario"
keeps managed_identity "a token"
settings '{"identity_fail": {"status": 400, "shape": "nested"}}'
{ managed_identity; echo expect config; } >"$S/scenario"
keeps managed_identity "no identity of that name"
settings '{"identity_fail": {"hang": true}}'
{ managed_identity; echo deadline 700; echo expect later; } >"$S/scenario"
keeps managed_identity "a server that hangs"
settings '{"identity_fail": null}'
CONTRACT_ENV="AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:1"
{ managed_identity; echo deadline 4000; echo expect later; } >"$S/scenario"
keeps managed_identity "no Azure"
CONTRACT_ENV=

{ echo "password $(access_token bob@fabrikam.com)"; echo expect ok; } >"$S/scenario"
keeps password_field "a token"
echo expect usage >"$S/scenario"
keeps password_field "no password"

# ---- somebody else's, from the installed files alone

cp -R "$top_srcdir/tests/provider/acme" "$S/acme"
check "a provider builds against what is installed" make -s -C "$S/acme"
# Under a name of this run's own: others may be running.
trap 'rm -f "$providers/$module.so"; kill "${gateway_pid:-0}" 2>/dev/null; integration_clean' EXIT
fixture cp "$S/acme/acme.so" "$providers/$module.so"
mkdir "$S/gateway"
printf 'gateway-password-%s' $$ >"$S/secret-gateway-password"
chmod 600 "$S/secret-gateway-password"
python3 "$top_srcdir/tests/provider/acme/gateway.py" "$S/gateway" "$S/secret-gateway-password" &
gateway_pid=$!
fixture wait_for 20 test -f "$S/gateway/port"

# serve NAME STATUS BODY
serve() {
    (umask 077; printf '%s\n%s' "$2" "$3" >"$S/gateway/secret-$1")
}
serve token 200 "$(access_token bob@fabrikam.com) 3600"
serve broken 500 "what is this"
serve control 200 "abc$(printf '\001')def 60"
serve long 200 "$(head -c 20000 /dev/zero | tr '\0' a) 60"
serve hang hang ""
serve endless endless "abc"
{ acme token; echo expect ok; } >"$S/scenario"
keeps $module "a token"
{ acme broken; echo expect later; } >"$S/scenario"
keeps $module "an outage"
{ acme hang; echo deadline 700; echo expect later; } >"$S/scenario"
keeps $module "a gateway that hangs"
{ acme endless; echo deadline 2000; echo expect later; } >"$S/scenario"
keeps $module "a gateway without end"
{ acme token; echo expect refused acme_401; } | sed 's/gateway-password/another/' >"$S/scenario"
keeps $module "a wrong password"
{ acme token; echo expect config; } | grep -v client_secret >"$S/scenario"
keeps $module "no password"
{ acme token; echo expect later; } | sed 's/127.0.0.1:[0-9]*/127.0.0.1:1/' >"$S/scenario"
keeps $module "nobody there"

# The contract finds out who does not keep it.
mkdir "$S/careless"
cp "$S/acme/Makefile" "$S/careless"
sed 's|return fail(request, BEARER_REFUSED.*|return BEARER_REFUSED;|; s|grant.access_token = body + 4;|grant.access_token = answer;|' \
    "$S/acme/acme.c" >"$S/careless/acme.c"
check "a careless provider builds as well" make -s -C "$S/careless"
{ acme token; echo expect ok; } >"$S/scenario"
check "the contract finds a token that is none" turned_away 'not ok - the access token has the characters of one' \
    "$contract" "$S/careless/acme.so" <"$S/scenario"
{ acme token; echo expect refused; } | sed 's/gateway-password/another/' >"$S/scenario"
check "the contract finds a failure without a word" turned_away 'not ok - a failure is told once' \
    "$contract" "$S/careless/acme.so" <"$S/scenario"

# ---- used like any other

# section NAME PATH: a mailbox whose token comes from the gateway.
section() {
    cat <<EOF
[$1]
oauth2_provider: module:$module
oauth2_service: custom
oauth2_token_endpoint: http://127.0.0.1:$(cat "$S/gateway/port")/secret-$2
oauth2_client_secret_file: $S/secret-gateway-password
oauth2_servers: localhost
oauth2_ca_file: $CA
oauth2_token_store: $STORE
EOF
}
servers_start
{
    section bob@fabrikam.com token
    section control@fabrikam.com control
    section long@fabrikam.com long
    section broken@fabrikam.com broken
} | sasl_conf
check "a login with a token from the module" cyrus_login imtest "$DOVECOT_IMAP_PORT" bob@fabrikam.com XOAUTH2
run sasl_bearer token control@fabrikam.com
check "control characters are refused" remark 75 'what came is no access token'
run sasl_bearer token long@fabrikam.com
check "a token that is too long is refused" remark 75 'what came is longer than any access token may be'
rm -f "$STORE"/*.token
for user in bob broken; do
    echo "$user@fabrikam.com $user@fabrikam.com:"
done >"$S/logins"
relay_start --set smtp_sender_dependent_authentication=yes --set "smtp_sasl_password_maps=texthash:$S/logins"
relay_send bob@fabrikam.com alice@contoso.com
check "mail goes out through the jail with a token from the module" equals sent "$OUTCOME"
relay_send broken@fabrikam.com alice@contoso.com
check "its reason stands in the log" relay_told "Acme's gateway has trouble of its own" broken@fabrikam.com "module:$module" later

# ---- what the loader refuses

sed 's/\.abi = BEARER_PROVIDER_ABI/.abi = 99/' "$S/acme/acme.c" >"$S/acme/old.c"
# shellcheck disable=SC2046 # a list
cc -shared -fPIC $(pkg-config --cflags sasl-bearer) -o "$providers/$module.so" "$S/acme/old.c"
run sasl_bearer token --renew bob@fabrikam.com
check "a module built for another interface is refused by its number" remark 78 'was built for interface 99, this is 1: build it anew'

integration_end
