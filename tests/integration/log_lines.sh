#!/bin/sh
# What stands in the mail server's log, line by line and whole: a sentence that says what happened and what to do about
# it, then account=, provider= and cause=.  One relay has all the troubles; each login is called after its own.
. "${0%/*}/lib.sh"

provider_dir=${pkglibdir:-${bindir%/bin}/lib/sasl-bearer}/providers
include_dir=${pkgincludedir:-${bindir%/bin}/include/sasl-bearer}
module=log-lines-$$

# ---- what the relay stands on

# A provider of somebody else's: what it does, its section's name says.
module_source() {
    cat <<'END'
#include <sasl-bearer/provider.h>
#include <string.h>

static enum bearer_status fetch(const struct bearer_request *request)
{
    struct bearer_grant grant = { .access_token = "somebody.elses" };

    if (strncmp(request->identity, "silent@", 7) == 0)
        return BEARER_OK;
    if (strncmp(request->identity, "garbled@", 8) == 0)
        grant.access_token = "<html> in place of a token";
    request->grant(request->context, &grant);
    return BEARER_OK;
}

const struct bearer_provider bearer_provider = {
    .abi = BEARER_PROVIDER_ABI, .name = "log-lines", .summary = "", .flags = BEARER_REPEATABLE, .fetch = fetch
};
END
}

# shared_object NAME: compiles NAME.c.
shared_object() {
    cc -D_GNU_SOURCE -shared -fPIC -I "${include_dir%/*}" -o "$S/$1.so" "$S/$1.c"
}

# The sections of sasl.conf.
app_only() {
    section_app_only "$1@contoso.com"
}
secret_in() {
    app_only "$1" | sed "s|client_secret_file:.*|client_secret_file: $2|"
}
from_module() {
    printf '[%s@contoso.com]\noauth2_provider: module:%s\n' "$1" "$2"
}
sections() {
    for name in box1 box2 down busy portal ceo; do
        app_only $name
    done
    app_only slow
    echo 'oauth2_timeout: 1'
    app_only unreachable | sed "s|token_endpoint:.*|token_endpoint: https://localhost:$closed_port/token|"
    app_only elsewhere
    echo 'oauth2_servers: smtp.office365.com'
    app_only misspelt
    echo 'oauth2_client_idd: x'
    app_only box3
    echo "oauth2_token_store: $S/everybodys"
    secret_in refused "$S/secret-wrong"
    secret_in legible "$S/secret-legible"
    secret_in absent "$S/secret-absent"
    for name in silent garbled rejected; do
        from_module $name "$module"
    done
    from_module missing not-there
    printf '[typed@contoso.com]\noauth2_provider: password_field\n'
    section_delegated unsafe@fabrikam.com fabrikam.com
    echo "oauth2_token_store: $S/everybodys"
    section_delegated '*@fabrikam.com' fabrikam.com
}

# Everybody's login is their address.
logins() {
    sed -n 's/^\[\([a-z0-9]*@.*\)\]$/\1/p' "$SASL_CONF_PATH/sasl.conf"
    printf '%s\n' bob@fabrikam.com erin@fabrikam.com nobody@example.com
}

# ---- what is logged

# As on an administrator's machine; in capital letters what is never the same.
as_read() {
    sed -e 's/^.* postfix\/smtp\[[0-9]*\]: warning: SASL authentication problem: //' \
        -e "s|$SASL_CONF_PATH/|/etc/sasl2/|g; s|$STORE/|/var/lib/sasl-bearer/|g; s|$S/|/etc/sasl2/|g; s|$module|NAME|g" \
        -e "s|${provider_dir%/providers}||g" \
        -e 's/sasl\.conf:[0-9]*/sasl.conf:LINE/g; s/localhost:[0-9]*/localhost:PORT/g; s/for [0-9]* s more/for N s more/' \
        -e 's/[0-9a-f]\{8\}-[0-9a-f-]\{27\}/ID/g; s/'"'[0-9-]*T[0-9:.]*Z'"'/TIME/g' \
        -e 's/\(cannot reach [^ ]*:\) [^=]* account=/\1 REASON account=/'
}

lines_of() {
    grep -F 'SASL authentication ' "$RELAY_HOME/mail.log" | grep -F " account=$1 " | as_read
}

# logged WHAT ADDRESS OUTCOME: a mail from that mailbox has this outcome, and what it added to the log is what standard input
# says, where a line that begins with blanks goes on from the one before.
logged() {
    before=$(lines_of "$2" | wc -l)
    relay_send "$2" alice@contoso.com
    { awk '{ gsub(/^ +/, " "); printf "%s%s", /^ / || NR == 1 ? "" : "\n", $0 } END { if (NR > 0) print "" }'
      echo "status=$3"; } >"$S/expected"
    { lines_of "$2" | tail -n +$((before + 1))
      echo "status=$OUTCOME"; } >"$S/logged"
    check "$1" diff -U 0 "$S/expected" "$S/logged"
}

# is_older SECONDS ADDRESS: its token is.
is_older() {
    issued=$(sasl_bearer status --json "$2" | sed -n 's/.*"issued": \([0-9]*\).*/\1/p')
    [ "$(date +%s)" -gt $((issued + $1)) ]
}

integration_begin
trap 'rm -f "$provider_dir/$module.so"; integration_clean' EXIT
entra_start
servers_start
module_source >"$S/module.c"
clock_begin
fixture shared_object module
fixture cp "$S/module.so" "$provider_dir/$module.so"
closed_port=$(mail_port "$S/closed")
printf not-the-secret >"$S/secret-wrong"
printf whatever >"$S/secret-legible"
chmod 600 "$S/secret-wrong"
chmod 644 "$S/secret-legible"
mkdir "$S/everybodys"
chmod 777 "$S/everybodys"
sections | sasl_conf

# What went before: erin's access token has ended, and the one that will be rejected is old.
settings '{"access_token_lifetime": 1}'
sign_in erin@fabrikam.com
settings '{"access_token_lifetime": 3600}'
fixture ahead -120 sasl_bearer renew rejected@contoso.com >"$S/renew.out"

relay_start --set smtp_sender_dependent_authentication=yes --set smtp_destination_concurrency_failed_cohort_limit=0 \
    --set "smtp_sasl_password_maps=texthash:$S/logins"
logins | sed 's/.*/& &:/' >"$S/logins"

logged "all is well: nothing is logged" box1@contoso.com sent </dev/null

# ---- LATER: nobody has to act, it passes

logged "the identity provider cannot be reached" unreachable@contoso.com deferred <<'END'
cannot reach https://localhost:PORT: REASON account=unreachable@contoso.com provider=app_only cause=later
END

settings '{"fail": {"status": 503}}'
logged "the identity provider is out of order" down@contoso.com deferred <<'END'
https://localhost:PORT/contoso.onmicrosoft.com/oauth2/v2.0/token has trouble of its own (HTTP 503)
    account=down@contoso.com provider=app_only cause=later
END

settings '{"fail": {"status": 429, "retry_after": 30}}'
logged "the identity provider is asked too often" busy@contoso.com deferred <<'END'
https://localhost:PORT/contoso.onmicrosoft.com/oauth2/v2.0/token is asked too often and wants a pause of 30 s
    account=busy@contoso.com provider=app_only cause=later
END

settings '{"fail": {"status": 200, "html": true}}'
logged "a login page answers in its place" portal@contoso.com deferred <<'END'
https://localhost:PORT/contoso.onmicrosoft.com/oauth2/v2.0/token answers with something else than a token;
    is a proxy or a login page in between? account=portal@contoso.com provider=app_only cause=later
END

settings '{"fail": null, "hold": true}'
logged "the identity provider does not answer" slow@contoso.com deferred <<'END'
no answer from https://localhost:PORT in time account=slow@contoso.com provider=app_only cause=later
END
settings '{"hold": false}'

# ---- SIGN_IN: the user

logged "a user has not signed in" bob@fabrikam.com deferred <<'END'
token file '/var/lib/sasl-bearer/delegated-bob@fabrikam.com.token' was not there when this program started:
    run sasl-bearer login bob@fabrikam.com, then reload the program (postfix reload)
    account=bob@fabrikam.com provider=delegated cause=sign_in
END

control grants/revoke '{"user": "erin@fabrikam.com"}' >/dev/null
logged "a sign-in was revoked" erin@fabrikam.com deferred <<'END'
the identity provider says invalid_grant: AADSTS50173: The provided grant has expired due to it being revoked,
    a fresh auth token is needed. The user might have changed or reset their password. The grant was issued on TIME
    and the TokensValidFrom date (before which tokens are not valid) for this user is TIME; sign in again
    correlation_id=ID (sasl-bearer login erin@fabrikam.com) account=erin@fabrikam.com provider=delegated cause=AADSTS50173
END

# ---- REFUSED: whoever registered the application

logged "the client secret is wrong" refused@contoso.com deferred <<'END'
the identity provider says invalid_client: AADSTS7000215: Invalid client secret provided. Ensure the secret being sent
    in the request is the client secret value, not the client secret ID, for a secret added to app 'ID';
    use the client secret's Value, not its ID, from Certificates & secrets of this very application correlation_id=ID
    account=refused@contoso.com provider=app_only cause=AADSTS7000215
END

# ---- CONFIG: the administrator of this machine

logged "an option is misspelt" misspelt@contoso.com deferred <<'END'
/etc/sasl2/sasl.conf:LINE: unknown option 'oauth2_client_idd', nearest is 'oauth2_client_id'
    account=misspelt@contoso.com provider=none cause=config
END

logged "the secret's file can be read by everybody" legible@contoso.com deferred <<'END'
'/etc/sasl2/secret-legible' holds a secret and anyone can read it: run chmod o= '/etc/sasl2/secret-legible';
    mend that, then reload this program, which looked when it started (postfix reload)
    account=legible@contoso.com provider=app_only cause=config
END

logged "the secret's file is not there" absent@contoso.com deferred <<'END'
cannot open '/etc/sasl2/secret-absent': No such file or directory;
    mend that, then reload this program, which looked when it started (postfix reload)
    account=absent@contoso.com provider=app_only cause=config
END

logged "there is no such provider" missing@contoso.com deferred <<'END'
cannot load provider module:not-there: /providers/not-there.so: cannot open shared object file: No such file or directory;
    mend that, then reload this program, which looked when it started (postfix reload)
    account=missing@contoso.com provider=module:not-there cause=config
END

# ---- NO_ACCOUNT: nobody configured this user, or this server

logged "no section covers the user" nobody@example.com deferred <<'END'
no section of sasl.conf covers 'nobody@example.com': add one for it, or for its domain
    account=nobody@example.com provider=none cause=no_account
END

logged "the token is not meant for this server" elsewhere@contoso.com deferred <<'END'
server 'localhost' is not among those that may be sent this token (smtp.office365.com); if it should be,
    add 'oauth2_servers: localhost' in /etc/sasl2/sasl.conf:LINE
    account=elsewhere@contoso.com provider=app_only cause=no_account
END

# ---- PEER: the server's people, or the module's

logged "what a module gives is no token" garbled@contoso.com deferred <<'END'
what came is no access token: it holds characters that none has
    account=garbled@contoso.com provider=module:NAME cause=peer
END

# ---- LOCAL: this machine

logged "the token directory is open to everybody, and a sign-in is kept nowhere else" unsafe@fabrikam.com deferred <<'END'
token directory '/etc/sasl2/everybodys' can be written by others than its owner: run chmod go-w '/etc/sasl2/everybodys'
    account=unsafe@fabrikam.com provider=delegated cause=local
END

# ---- USAGE: the calling program

logged "the password should be the token, and is empty" typed@contoso.com deferred <<'END'
provider password_field expects the access token, or its file's path, as the program's password, which is empty
    account=typed@contoso.com provider=password_field cause=usage
END

# ---- BUG: ours or a module's

logged "a module breaks its contract" silent@contoso.com deferred <<'END'
provider module:NAME is broken: it gave neither a token nor a reason; tell its author
    account=silent@contoso.com provider=module:NAME cause=bug
END

# ---- the mail goes out all the same

logged "the token directory is open to everybody, and the application has another token in memory" box3@contoso.com \
    sent <<'END'
the token could not be stored and is used from this process' memory:
    token directory '/etc/sasl2/everybodys' can be written by others than its owner: run chmod go-w '/etc/sasl2/everybodys'
    account=box3@contoso.com provider=app_only cause=local
END
logged "which is told once" box3@contoso.com sent </dev/null

settings '{"access_token_lifetime": 40, "refresh_in": 1}'
sasl_bearer renew box2@contoso.com >"$S/renew.out"
settings '{"access_token_lifetime": 3600, "refresh_in": null, "fail": {"status": 503}}'
fixture wait_for 10 is_older 2 box2@contoso.com # newer ones are not renewed
logged "the token is to be renewed early, and cannot be" box2@contoso.com sent <<'END'
the token is good for N s more and could not be renewed early:
    https://localhost:PORT/contoso.onmicrosoft.com/oauth2/v2.0/token has trouble of its own (HTTP 503)
    account=box2@contoso.com provider=app_only cause=later
END
settings '{"fail": null}'

# ---- the mail server refuses

logged "the mailbox" ceo@contoso.com deferred <<'END'
the mail server refuses mailbox 'ceo@contoso.com' to ID, whose token is kept: check who may open it
    ({"status":"401","schemes":"bearer","scope":"mail"})
    account=ceo@contoso.com provider=app_only cause=mailbox_refused
END

logged "the token, which is old" rejected@contoso.com deferred <<'END'
the mail server refused the access token, so the next login fetches a new one
    ({"status":"401","schemes":"bearer","scope":"mail"})
    account=rejected@contoso.com provider=module:NAME cause=token_refused
END

mail_ports_release "$S/closed"
integration_end
