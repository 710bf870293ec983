#!/bin/sh
# The identity that Azure gives a machine: a virtual machine, App Service in two forms, Azure Arc with its challenge; what
# each answers, and what is said where there is no Azure.

# Azure Arc's key files have their one place.  Have it in a mount namespace of our own, so that nothing here is touched.
if [ -z "${PRIVATE_MOUNTS:-}" ] && unshare -m true 2>/dev/null; then
    PRIVATE_MOUNTS=yes exec unshare -m sh "$0" "$@"
fi
. "${0%/*}/lib.sh"
unset IDENTITY_ENDPOINT IDENTITY_HEADER IDENTITY_SERVER_THUMBPRINT IMDS_ENDPOINT MSI_ENDPOINT MSI_SECRET \
    AZURE_POD_IDENTITY_AUTHORITY_HOST

ROBOT=3a000000-1111-4111-8111-000000000002
ROBOT_OBJECT=5e5e5e5e-1111-4111-8111-0000000000a2
ROBOT_RESOURCE=/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/mail/providers/Microsoft.ManagedIdentity/userAssignedIdentities/mail-robot

# on SOURCE COMMAND...: runs it with the environment of such a machine, or with one VARIABLE=VALUE.
on() (
    set -a
    # shellcheck disable=SC2034 # they are for the command
    case $1 in
    vm) AZURE_POD_IDENTITY_AUTHORITY_HOST=$(entra_ready imds) ;;
    app_service) IDENTITY_ENDPOINT=$(entra_ready app_service) IDENTITY_HEADER=$(secret_file identity_header) ;;
    old_app_service) MSI_ENDPOINT=$(entra_ready app_service) MSI_SECRET=$(secret_file identity_header) ;;
    arc) IDENTITY_ENDPOINT=$(entra_ready arc) IMDS_ENDPOINT=$(entra_ready arc_imds) ;;
    *) export "${1?}" ;;
    esac
    set +a
    shift
    "$@"
)

# machine [OPTION]: everybody at contoso.com uses the machine's identity; nothing is stored yet.
machine() {
    rm -f "$STORE"/*.token
    {
        echo 'oauth2_timeout: 5'
        echo '[*@contoso.com]'
        echo 'oauth2_provider: managed_identity'
        [ $# -eq 0 ] || echo "$1"
    } | sasl_conf
}

imap() {
    cyrus_login imtest "$DOVECOT_IMAP_PORT" "$@"
}

# renew SOURCE: asks for a new token; for remark.
renew() {
    run on "$1" sasl_bearer renew relay@contoso.com
}

# identity_counter NAME: how often a source was asked.
identity_counter() {
    control counters | json_member "identity.$1"
}

# lives SOURCE SECONDS SETTINGS: with these settings a new token of that source lives that long, give or take some.
lives() {
    settings "$3"
    run on "$1" sasl_bearer token --renew --format json relay@contoso.com
    lives_left=$(printf '%s' "$OUT" | json_member expires_in) || { printf '%s\n' "$ERR"; return 1; }
    at_most "$2" "$lives_left" && at_most "$lives_left" $(($2 - 60))
}

# odd SOURCE STATUS TEXT REPLY: an answer changed like that is refused with these words.
odd() {
    settings "{\"identity_reply\": $4}"
    renew "$1"
    remark "$2" "$3"
}

# refuses SOURCE STATUS TEXT FAILURE: a staged failure ends in these words.
refuses() {
    settings "{\"identity_fail\": $4}"
    renew "$1"
    settings '{"identity_fail": null}'
    remark "$2" "$3"
}

integration_begin
entra_start
servers_start
machine

# ---- the machine's own identity, and those that users assigned to it

for source in vm app_service old_app_service; do
    machine
    check "$source: the machine's identity opens a mailbox" on $source imap box1@contoso.com XOAUTH2
    check "$source: and another one with the same token" on $source imap box2@contoso.com OAUTHBEARER
    check "$source: not one that it may not open" turned_away 'Authentication failed' \
        on $source imap ceo@contoso.com XOAUTH2
    check "$source: its token is stored" test -s "$(token_file managed_identity '*@contoso.com')"
    machine "oauth2_managed_identity: $ROBOT"
    check "$source: an identity named by its client id opens its mailbox" on $source imap relay@contoso.com XOAUTH2
    check "$source: and none of the machine's" turned_away 'Authentication failed' on $source imap box1@contoso.com XOAUTH2
done
for source in vm app_service; do
    machine "oauth2_managed_identity: object:$ROBOT_OBJECT"
    check "$source: an identity named by its object id opens its mailbox" on $source imap relay@contoso.com XOAUTH2
    check "$source: and none of the machine's" turned_away 'Authentication failed' on $source imap box1@contoso.com XOAUTH2
    machine "oauth2_managed_identity: resource:$ROBOT_RESOURCE"
    check "$source: an identity named by its resource id opens its mailbox" on $source imap relay@contoso.com XOAUTH2
    check "$source: and none of the machine's" turned_away 'Authentication failed' on $source imap box1@contoso.com XOAUTH2
done
check "a virtual machine's service was asked once for each" equals 4 "$(identity_counter imds)"
check "App Service's, too" equals 6 "$(identity_counter app_service)"
machine "oauth2_managed_identity: object:$ROBOT_OBJECT"
renew old_app_service
check "the old App Service wants a client id" remark 78 "wants an identity named by its client id"

# ---- times of all types

machine
check "a token's life is what IMDS says" lives vm 86400 '{"identity_lifetime": 86400}'
check "as numbers, too" lives vm 86400 '{"identity_numbers": true}'
check "expires_in alone is enough" lives vm 86400 '{"identity_reply": {"expires_on": null}}'
check "expires_on alone, too" lives vm 86400 '{"identity_reply": {"expires_in": null}}'
check "an expires_in that is none gives way to expires_on" lives vm 86400 '{"identity_reply": {"expires_in": "soon"}}'
check "App Service tells only the end" lives app_service 86400 '{"identity_reply": {}, "identity_numbers": false}'
check "as a number" lives app_service 86400 '{"identity_numbers": true}'
settings '{"identity_numbers": false}'
for form in seconds iso date; do
    check "in the form '$form'" lives app_service 86400 "{\"identity_expires_on\": \"$form\"}"
done
settings '{"identity_expires_on": "epoch"}'
check "other members of odd types do no harm" lives vm 86400 \
    '{"identity_reply": {"refresh_token": 7, "resource": [], "client_id": {}, "not_before": "now", "refresh_in": false, "ext_expires_in": 99999999999999999999999}}'
check "times that are none at all are refused" odd vm 75 "has an expires_in or expires_on that is no time to live" \
    '{"expires_in": "soon", "expires_on": []}'
check "a token that has ended is refused" odd app_service 75 "is this machine's clock right?" '{"expires_on": "1000000000"}'
check "an answer without a token is refused" odd vm 75 "holds no access_token" '{"access_token": null}'
check "a token that is no string is refused" odd vm 75 "holds no access_token" '{"access_token": 7}'
check "a token that is no bearer token is refused" odd vm 75 "is not of token_type Bearer" '{"token_type": "mac"}'
settings '{"identity_reply": {}}'

# ---- what goes wrong, and whom it is up to

imds="the managed identity endpoint of this virtual machine ($(entra_ready imds | sed 's|http://||'))"
service="the managed identity endpoint of App Service ($(entra_ready app_service | sed 's|http://\([^/]*\)/.*|\1|'))"
control counters/reset '{}' >/dev/null
for shape in flat nested status; do
    check "400 is the configuration's ($shape)" refuses vm 78 \
        "Identity not found (HTTP 400); has this machine an identity of its own?" \
        "{\"status\": 400, \"shape\": \"$shape\"}"
done
check "it was not asked again" equals 3 "$(identity_counter imds)"
check "the source is named" says "$imds says Identity not found" "$ERR"
check "403 is the administrator's" refuses vm 77 "may this machine's identity have such a token?" '{"status": 403}'
check "405 too" refuses vm 77 "$imds says " '{"status": 405}'
check "404 passes" refuses vm 75 "(HTTP 404); it is being updated" '{"status": 404}'
check "404 from something else may mean that this is not Azure" refuses vm 75 "this machine is not on Azure" \
    '{"status": 404, "body": "<html>", "content_type": "text/html"}'
check "410 passes" refuses vm 75 "(HTTP 410); it is being updated" '{"status": 410}'
check "429 passes" refuses vm 75 "wants a pause" '{"status": 429}'
check "429 that is no JSON passes" refuses vm 75 \
    "wants a pause" '{"status": 429, "body": "Too Many Requests", "content_type": "text/plain"}'
asked=$(identity_counter imds)
check "500 passes" refuses vm 75 "(HTTP 500); it has trouble of its own" '{"status": 500}'
check "it is asked again, but not as often as an identity provider" at_most $((asked + 2)) "$(identity_counter imds)"
check "502 from something else is not Azure" refuses vm 75 "this machine seems not to be on Azure" \
    '{"status": 502, "body": "Bad Gateway", "content_type": "text/plain"}'
check "a web page is no token" refuses vm 75 "that is no token" '{"html": true}'
check "a connection that is cut passes" refuses vm 75 "$imds gives no token: cannot reach" '{"drop": true}'
check "a service that never answers passes" refuses vm 75 "$imds gives no token: no answer from" '{"hang": true}'
check "App Service's own form is read" refuses app_service 78 \
    "$service says Identity not found (HTTP 400)" '{"status": 400}'

control counters/reset '{}' >/dev/null
settings '{"identity_fail": {"status": 500, "times": 1}}'
renew vm
check "a trouble that ends is not noticed" equals "0  2" "$STATUS $ERR $(identity_counter imds)"
settings '{"identity_fail": {"status": 429, "retry_after": 1, "times": 1}}'
renew vm
check "a pause that was wanted is made" equals "0  4" "$STATUS $ERR $(identity_counter imds)"
settings '{"identity_fail": {"status": 503, "retry_after": 60, "times": 1}}'
renew vm
check "one that is longer than the time there is is not begun" equals "75 5" "$STATUS $(identity_counter imds)"
settings '{"identity_fail": null}'

machine 'oauth2_managed_identity: 3a000000-1111-4111-8111-00000000ffff'
renew vm
check "an identity that is not assigned is the configuration's" remark 78 \
    "is the identity that oauth2_managed_identity names assigned to this machine?"
machine 'oauth2_scope: https://nobody.example.com/.default'
renew vm
check "a resource that there is not is refused with Microsoft's number" remark 78 AADSTS500011
machine 'oauth2_scope: https://outlook.office365.com/IMAP.AccessAsApp'
renew vm
check "a scope that a managed identity cannot ask for is told" remark 78 \
    "a managed identity needs one that ends in /.default"
machine
wrong_header() {
    IDENTITY_HEADER=not-the-one
    export IDENTITY_HEADER
    on IDENTITY_ENDPOINT="$(entra_ready app_service)" sasl_bearer renew relay@contoso.com
}
run wrong_header
unset IDENTITY_HEADER
check "a foreign environment is told" remark 77 "IDENTITY_HEADER holds what it is to know us by"

# ---- where there is no Azure

began=$(date +%s)
renew "AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:$(mail_port "$S/closed")"
check "where nobody listens it says so" remark 75 "this machine seems not to be on Azure"
check "at once" at_most 4 $(($(date +%s) - began))

# nowhere COMMAND...: with a network in which 169.254.169.254 swallows all that it is sent.
nowhere() {
    # shellcheck disable=SC2016
    unshare -n sh -c 'ip link set lo up && ip route add 169.254.169.254/32 dev lo && exec "$@"' sh "$@"
}
if nowhere true 2>/dev/null; then
    sed -i 's/^oauth2_timeout: .*/oauth2_timeout: 60/' "$SASL_CONF_PATH/sasl.conf"
    began=$(date +%s)
    run nowhere "$bindir/sasl-bearer" renew relay@contoso.com
    check "where nothing comes back it says so" remark 75 \
        "(169.254.169.254) gives no token: no answer from http://169.254.169.254 in time"
    check "and what that means" says "this machine seems not to be on Azure" "$ERR"
    check "long before its time is up" at_most 6 $(($(date +%s) - began))
else
    echo "skipped: a network namespace of our own is not permitted here, so no network can be silent"
fi

machine
renew 'IDENTITY_ENDPOINT=http://10.0.0.4/token'
check "half an environment is none" says "169.254.169.254" "$ERR"
elsewhere() {
    IDENTITY_HEADER=some-header
    export IDENTITY_HEADER
    on "$1" sasl_bearer renew relay@contoso.com
}
run elsewhere 'IDENTITY_ENDPOINT=http://10.0.0.4/token'
check "an endpoint elsewhere is not told secrets in the clear" remark 78 \
    "the environment's IDENTITY_ENDPOINT: 'http://10.0.0.4/token' would send secrets in the clear"
IDENTITY_SERVER_THUMBPRINT=00ff
export IDENTITY_SERVER_THUMBPRINT
run elsewhere 'IDENTITY_ENDPOINT=https://localhost:2377/token'
unset IDENTITY_SERVER_THUMBPRINT
check "Service Fabric is named as what is not supported" remark 78 "Service Fabric"
renew 'MSI_ENDPOINT=http://localhost:50342/oauth2/token'
check "Cloud Shell, too" remark 78 "Cloud Shell"

# ---- Azure Arc

if [ -n "${PRIVATE_MOUNTS:-}" ] && mount -t tmpfs -o mode=755 tmpfs /var/opt; then
    machine
    control counters/reset '{}' >/dev/null
    check "arc: the machine's identity opens a mailbox" on arc imap box1@contoso.com XOAUTH2
    check "arc: and another one with the same token" on arc imap box2@contoso.com OAUTHBEARER
    check "arc: one challenge, one token" equals "2 1" "$(identity_counter arc) $(identity_counter arc_challenges)"
    for kind in quoted largest; do
        settings "{\"arc_challenge\": \"$kind\"}"
        renew arc
        check "arc: a challenge of the kind '$kind' is answered" equals "0 " "$STATUS $ERR"
    done
    agent="the Azure Arc agent ($(entra_ready arc_imds | sed 's|http://||'))"
    while IFS='|' read -r kind status text; do
        settings "{\"arc_challenge\": \"$kind\"}"
        renew arc
        check "arc: a challenge of the kind '$kind' is not" remark "$status" "$text"
        check "arc: and the agent is named" says "$agent" "$ERR"
    done <<END
too_large|75|is larger than any key
outside|75|is not /var/opt/azcmagent/tokens/NAME.key
subdirectory|75|is not /var/opt/azcmagent/tokens/NAME.key
dot_dot|75|is not /var/opt/azcmagent/tokens/NAME.key
relative|75|is not /var/opt/azcmagent/tokens/NAME.key
not_key|75|is not /var/opt/azcmagent/tokens/NAME.key
symlink|75|is a symbolic link
missing|75|is not there
empty|75|is empty
directory|75|is not a regular file
fifo|75|is not a regular file
no_header|75|it names no key file
other_scheme|75|its challenge is not of the form Basic realm=PATH
no_realm|75|its challenge is not of the form Basic realm=PATH
END
    check "arc: no file that is none of the agent's was sent to it" equals 0 "$(identity_counter arc_fooled)"
    settings '{"arc_challenge": "never"}'
    renew arc
    check "arc: an agent that refuses its own key is told" remark 77 "restart its service himds"
    settings '{"arc_challenge": "good"}'
    machine "oauth2_managed_identity: $ROBOT"
    renew arc
    check "arc: it has no identities that users assigned" remark 78 "knows the machine's own identity only"
    machine
    mkdir -p /var/opt/azcmagent/bin
    : >/var/opt/azcmagent/bin/himds
    renew LC_ALL=C
    check "arc: an agent that is installed is asked without any environment" says \
        "the Azure Arc agent (localhost:40342)" "$ERR"
    rm -r /var/opt/azcmagent/bin
    arc=yes
else
    echo "skipped: a mount namespace of our own is not permitted here, and Azure Arc's key files must be below /var/opt"
    arc=
fi

# ---- inside Postfix' jail

machine
relay_start --env "AZURE_POD_IDENTITY_AUTHORITY_HOST=$(entra_ready imds)"
control counters/reset '{}' >/dev/null
relay_send relay@contoso.com alice@contoso.com
check "a chrooted smtp(8) sends mail with a virtual machine's token" equals "sent 1" "$OUTCOME $(identity_counter imds)"
relay_send relay@contoso.com alice@contoso.com
check "and goes on with it" equals "sent 1" "$OUTCOME $(identity_counter imds)"
if [ -n "$arc" ]; then
    machine
    environment=$(postconf -c "$RELAY_HOME/etc" -h import_environment)
    postfix_set "$RELAY_HOME" "import_environment=$environment { IDENTITY_ENDPOINT=$(entra_ready arc) } { IMDS_ENDPOINT=$(entra_ready arc_imds) }"
    postfix_restart "$RELAY_HOME"
    relay_send relay@contoso.com alice@contoso.com
    check "arc: its key is out of a jail's sight" equals deferred "$OUTCOME"
    check "arc: and the log says who renews then" relay_told \
        "cannot be renewed inside a chroot jail: is sasl-bearer-renew.timer running?" relay@contoso.com managed_identity local
    renew arc
    check "arc: a token that was got outside" equals "0 " "$STATUS $ERR"
    relay_send relay@contoso.com alice@contoso.com
    check "arc: is used inside" equals sent "$OUTCOME"
    machine
    mkdir -p /var/opt/azcmagent/bin
    : >/var/opt/azcmagent/bin/himds
    postfix_set "$RELAY_HOME" "import_environment=$(echo "$environment" | sed 's/{ AZURE_[^}]*}//')"
    postfix_restart "$RELAY_HOME"
    relay_send relay@contoso.com alice@contoso.com
    check "arc: an agent that is installed was seen before the jail" relay_told "the Azure Arc agent (localhost:40342)" \
        relay@contoso.com managed_identity later
fi
integration_end
