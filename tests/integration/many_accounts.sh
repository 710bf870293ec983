#!/bin/sh
# Many mailboxes, many tenants, other people's mailboxes: how few requests and files a thousand names need, that each name
# gets the token of its own tenant, that one file's mistake is nobody else's, and who may open a shared mailbox.
. "${0%/*}/lib.sh"

NAMES=1000
TENANTS=40

# ---- programs

# A host with many users: logs in each name on standard input, one after the other in one process, and prints a line for it:
# the name, the mailbox, the tenant and the application in the token, and the token's digest; or why there is none.
host_source() {
    cat <<'END'
import base64, ctypes, hashlib, json, sys

sasl = ctypes.CDLL("libsasl2.so.2")
sasl.sasl_errdetail.restype = ctypes.c_char_p
sasl.sasl_errstring.restype = ctypes.c_char_p
SASL_CB_LIST_END, SASL_CB_LOG, SASL_CB_USER, SASL_CB_AUTHNAME, SASL_OK = 0, 2, 0x4001, 0x4002, 0
NAME = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_char_p),
                        ctypes.POINTER(ctypes.c_uint))
LOG = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p)


class Callback(ctypes.Structure):
    _fields_ = [("id", ctypes.c_ulong), ("function", ctypes.c_void_p), ("context", ctypes.c_void_p)]


user = ctypes.create_string_buffer(400)


def give_name(context, number, result, length):
    result[0] = ctypes.cast(user, ctypes.c_char_p)
    if length:
        length[0] = len(user.value)
    return 0


name_function, log_function = NAME(give_name), LOG(lambda context, level, text: 0)
callbacks = (Callback * 4)((SASL_CB_USER, ctypes.cast(name_function, ctypes.c_void_p)),
                           (SASL_CB_AUTHNAME, ctypes.cast(name_function, ctypes.c_void_p)),
                           (SASL_CB_LOG, ctypes.cast(log_function, ctypes.c_void_p)), (SASL_CB_LIST_END,))


def first_message():
    """What the server is sent, or why it is sent nothing."""
    conn, out, mechanism = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_char_p()
    length = ctypes.c_uint()
    result = sasl.sasl_client_new(b"smtp", b"localhost", None, None, None, 0, ctypes.byref(conn))
    if result == 0:
        result = sasl.sasl_client_start(conn, b"XOAUTH2", None, ctypes.byref(out), ctypes.byref(length),
                                        ctypes.byref(mechanism))
    message = ctypes.string_at(out, length.value) if result == SASL_OK else None
    reason = (sasl.sasl_errdetail(conn) if conn else sasl.sasl_errstring(result, None, None)).decode()
    sasl.sasl_dispose(ctypes.byref(conn))
    return message, reason


def described(message):
    mailbox, bearer = message.split(b"\1")[:2]
    token = bearer.removeprefix(b"auth=Bearer ")
    part = token.split(b".")[1]
    claims = json.loads(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    digest = hashlib.sha256(token).hexdigest()[:16]
    return " ".join((mailbox.decode().removeprefix("user="), claims["tid"], claims["appid"], digest))


if sasl.sasl_client_init(callbacks) != 0:
    sys.exit("sasl_client_init failed")
for line in sys.stdin:
    user.value = line.strip().encode()
    message, reason = first_message()
    print(line.strip(), described(message) if message else "no token: " + reason)
sasl.sasl_done()
END
}

# host: the same; the seconds that it took go to SECONDS_TAKEN.
host() {
    host_began=$(date +%s)
    with_plugin python3 "$S/host.py"
    host_status=$?
    SECONDS_TAKEN=$(($(date +%s) - host_began))
    return "$host_status"
}

# ---- accounts

tenant_id() {
    printf '70000000-0000-4000-8000-%012d' "$1"
}
client_id() {
    printf 'c0000000-0000-4000-8000-%012d' "$1"
}

# directory: the tenants and their applications, for the identity provider.
directory() {
    python3 - "$TENANTS" <<'END'
import json, sys
numbers = range(1, int(sys.argv[1]) + 1)
tenants = [{"id": f"70000000-0000-4000-8000-{n:012}", "name": f"Tenant {n}", "domains": [f"t{n}.example.org"]}
           for n in numbers]
apps = [{"client_id": f"c0000000-0000-4000-8000-{n:012}", "name": f"Relay {n}", "tenant": f"t{n}.example.org",
         "secrets": [{"name": f"tenant_{n}"}],
         "service_principals": {f"t{n}.example.org": f"50000000-0000-4000-8000-{n:012}"},
         "app_roles": ["IMAP.AccessAsApp", "SMTP.SendAsApp"], "mailboxes": [f"*@t{n}.example.org"]} for n in numbers]
mailboxes = [{"address": f"post@t{n}.example.org"} for n in numbers]
print(json.dumps({"tenants": tenants, "apps": apps, "mailboxes": mailboxes}))
END
}

# secrets_of_tenants: a file for each.
secrets_of_tenants() (
    umask 077
    python3 - "$TENANTS" "$entra/secrets.json" "$S" <<'END'
import json, sys
count, source, directory = sys.argv[1:]
for n in range(1, int(count) + 1):
    with open(f"{directory}/secret-{n}", "w") as out:
        out.write(json.load(open(source))[f"tenant_{n}"])
END
)

# drop_in NUMBER: the path of its file.
drop_in() {
    printf '%s/sasl.conf.d/%02d-tenant.conf' "$SASL_CONF_PATH" "$1"
}

# tenant_section NUMBER
tenant_section() {
    cat <<END
[*@t$1.example.org]
oauth2_provider: app_only
oauth2_tenant: t$1.example.org
oauth2_client_id: $(client_id "$1")
oauth2_client_secret_file: $S/secret-$1
oauth2_token_endpoint: $AUTHORITY/t$1.example.org/oauth2/v2.0/token
END
}

# each_tenant FORMAT: FORMAT, for printf(1), with each number.
each_tenant() {
    # shellcheck disable=SC2059 # it is a format
    seq 1 "$TENANTS" | while read -r each_number; do printf "$1\n" "$each_number"; done
}

# own_tokens LIST: each line but those that tell of an error has the tenant and the application of its name.
own_tokens() {
    ! grep -v 'no token: ' "$1" | sed 's/^post@t\([0-9]*\)\.[^ ]*/\1 &/' |
        while read -r own_number own_name own_mailbox own_tenant own_app own_digest; do
            [ "$own_mailbox $own_tenant $own_app" = "$own_name $(tenant_id "$own_number") $(client_id "$own_number")" ] ||
                printf '%s\n' "$own_name has $own_mailbox $own_tenant $own_app $own_digest"
        done | grep .
}

# only_fails NUMBER TEXT: of all tenants' users this one alone gets no token, for this reason.
only_fails() {
    each_tenant 'post@t%d.example.org' | host >"$S/list"
    own_tokens "$S/list" || return 1
    equals "post@t$1.example.org" "$(sed -n 's/ no token: .*//p' "$S/list")" &&
        says "$2" "$(grep 'no token: ' "$S/list")" && equals "$TENANTS" "$(grep -c . "$S/list")"
}

# stored PROVIDER: how many token files there are.
stored() {
    find "$STORE" -name "$1-*.token" | grep -c .
}

imap() {
    cyrus_login imtest "$DOVECOT_IMAP_PORT" "$@"
}

integration_begin
entra_start
host_source >"$S/host.py"

# ---- one tenant, a thousand mailboxes

section_app_only '*@contoso.com' | sasl_conf
seq 1 $NAMES | sed 's/.*/User.&@contoso.com/' >"$S/names"
host <"$S/names" >"$S/list"
check "a thousand names get a token" equals "$NAMES 0" "$(grep -c . "$S/list") $(grep -c 'no token' "$S/list")"
check "each message names its own mailbox, as typed" equals "$NAMES" "$(awk '$1 == $2' "$S/list" | grep -c .)"
check "all have the same token" equals 1 "$(cut -d' ' -f5 "$S/list" | sort -u | grep -c .)"
check "which took one request" equals 1 "$(counter token.client_credentials)"
check "and one file" equals "1 1" "$(stored app_only) $(find "$STORE" -type f | grep -c .)"
check "in a time that nobody notices" at_most 10 "$SECONDS_TAKEN"
host <"$S/names" >"$S/again"
check "the next program has it from there" equals 1 "$(counter total)"
check "and it is the same" cmp "$S/list" "$S/again"

# ---- many tenants, each in a file of its own

directory >"$S/directory.json"
fixture curl -sS --fail-with-body -H 'Content-Type: application/json' --data-binary "@$S/directory.json" \
    "$CONTROL/directory" >"$S/directory.out"
secrets_of_tenants
: | sasl_conf
mkdir "$SASL_CONF_PATH/sasl.conf.d"
for number in $(seq 1 $TENANTS); do
    tenant_section "$number" >"$(drop_in "$number")"
done
rm -f "$STORE"/*
control counters/reset '{}' >/dev/null
each_tenant 'post@t%d.example.org' | host >"$S/list"
check "the users of $TENANTS tenants get a token" equals "$TENANTS 0" \
    "$(grep -c . "$S/list") $(grep -c 'no token' "$S/list")"
check "each that of their own tenant and application" own_tokens "$S/list"
check "with one request for each" equals "$TENANTS $TENANTS" "$(counter token.client_credentials) $(stored app_only)"
check "in a time that nobody notices" at_most 20 "$SECONDS_TAKEN"
began=$(date +%s)
run sasl_bearer status
check "status tells of them all" equals "0 $TENANTS" \
    "$STATUS $(printf '%s\n' "$OUT" | grep -c '^\*@t[0-9]*\.example\.org .* ok: good for')"
check "at once" at_most 5 $(($(date +%s) - began))
run sasl_bearer status --json
check "status --json too" equals "$TENANTS" "$(printf '%s' "$OUT" | grep -c '"state": "ok"')"

settings '{"access_token_lifetime": 600}'
for number in $(seq 1 $TENANTS); do
    sasl_bearer renew "post@t$number.example.org" >>"$S/renew.out"
done
settings '{"access_token_lifetime": 3600}'
control counters/reset '{}' >/dev/null
run sasl_bearer renew --all
check "renew --all renews every one" equals "0 $TENANTS $TENANTS" \
    "$STATUS $(printf '%s\n' "$OUT" | grep -c ': renewed, good for ') $(counter token.client_credentials)"
each_tenant 'post@t%d.example.org' | host >"$S/list"
check "each still has their own" own_tokens "$S/list"

# ---- a mistake is its file's own

echo 'oauth2_tenent: x' >>"$(drop_in 17)"
check "an option that nobody knows concerns one tenant" only_fails 17 \
    "$(drop_in 17):$(grep -c . "$(drop_in 17)"): unknown option 'oauth2_tenent', nearest is 'oauth2_tenant'"
run sasl_bearer status
check "status says which" says "config_error" "$(printf '%s\n' "$OUT" | grep 't17\.example\.org')"
check "the others are well, and it exits with the worst" equals "78 $((TENANTS - 1))" \
    "$STATUS $(printf '%s\n' "$OUT" | grep -c ' ok: good for')"
run sasl_bearer renew --all
check "renew --all says it in one line" equals "78 1" \
    "$STATUS $(printf '%s\n' "$ERR" | grep -c "unknown option 'oauth2_tenent'")"
tenant_section 17 >"$(drop_in 17)"

echo 'no colon here' >>"$(drop_in 23)"
check "a line that cannot be read concerns one tenant" only_fails 23 "$(drop_in 23):$(grep -c . "$(drop_in 23)"):"
tenant_section 23 >"$(drop_in 23)"

chmod 666 "$(drop_in 31)"
check "a file that anyone can write concerns one tenant" only_fails 31 "run chmod go-w '$(drop_in 31)'"
chmod 644 "$(drop_in 31)"

printf wrong >"$S/secret-5"
rm "$(token_file app_only '*@t5.example.org')"
check "a wrong secret concerns one tenant" only_fails 5 AADSTS7000215
secrets_of_tenants
check "with all mended all is well" equals "$TENANTS 0" "$(each_tenant 'post@t%d.example.org' | host >"$S/list"
    grep -c . "$S/list") $(grep -c 'no token' "$S/list")"

# ---- a jailed relay for all of them

servers_start
relay_start --set smtp_sender_dependent_authentication=yes --set "smtp_sasl_password_maps=texthash:$S/logins"
each_tenant 'post@t%d.example.org' | sed 's/.*/& &:/' >"$S/logins"
expire
for number in 3 39; do
    rm -f "$(token_file app_only "*@t$number.example.org")"
done
postfix_reload "$RELAY_HOME"
for number in 3 39; do
    relay_send "post@t$number.example.org" alice@contoso.com
    check "a chrooted smtp(8) renews and sends for tenant $number" equals sent "$OUTCOME"
done
check "Postfix' log has no complaint" fails 1 postfix_complaints "$RELAY_HOME"

# ---- other people's mailboxes

rm "$SASL_CONF_PATH/sasl.conf.d"/*
{
    section_delegated '*@fabrikam.com' fabrikam.com
    printf '[info@fabrikam.com]\noauth2_identity: bob@fabrikam.com\n'
} | sasl_conf
sign_in bob@fabrikam.com
sign_in erin@fabrikam.com
control counters/reset '{}' >/dev/null
mailbox_deliver "$DOVECOT_STORE" info@fabrikam.com 'to all'
check "a shared mailbox opens with the sign-in that oauth2_identity names" imap info@fabrikam.com XOAUTH2
check "by OAUTHBEARER too" imap info@fabrikam.com OAUTHBEARER
check "without oauth2_identity it does for whoever signs in as bob" imap bob@fabrikam.com XOAUTH2 --authzid info@fabrikam.com
check "by OAUTHBEARER too, which names both" imap bob@fabrikam.com OAUTHBEARER --authzid info@fabrikam.com
check "not for erin, who may not" turned_away 'Authentication failed' \
    imap erin@fabrikam.com XOAUTH2 --authzid info@fabrikam.com
mkdir "$S/pull"
check "mbsync fetches from it" with_plugin run_mbsync "$S/pull" localhost "$DOVECOT_IMAP_PORT" info@fabrikam.com XOAUTH2 \
    "$CA"
check "and the mail is there" grep -rq '^Subject: to all$' "$S/pull/mail/INBOX"
echo 'info@fabrikam.com info@fabrikam.com:' >"$S/logins"
postfix_reload "$RELAY_HOME"
relay_send info@fabrikam.com alice@contoso.com
check "Postfix sends for it" equals sent "$OUTCOME"
check "all this with bob's token, which is stored once" equals "0 1" \
    "$(counter total) $(find "$STORE" -name '*info*' -o -name '*bob*' | grep -c .)"

exchange_start
echo 'sales@fabrikam.com bob@fabrikam.com:' >"$S/logins"
postfix_set "$RELAY_HOME" "relayhost=[localhost]:$EXCHANGE_SMTP_PORT"
postfix_reload "$RELAY_HOME"
relay_send sales@fabrikam.com somebody@example.com
check "Exchange takes mail from a shared sender when its member logs in" equals sent "$OUTCOME"
check "the login is the member's" equals "bob@fabrikam.com sales@fabrikam.com" \
    "$(json_member login <"$exchange/mail/1.json") $(json_member from <"$exchange/mail/1.json")"
integration_end
