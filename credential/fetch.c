/* fetch.c - asks a provider for a token and judges what comes, the same for all of them.  See holder.h */
#include "credential/clock.h"
#include "credential/holder.h"
#include "credential/places.h"
#include "credential/renewal.h"
#include "credential/text.h"
#include "credential/trusted_file.h"

#include <stdio.h>
#include <string.h>

#define CA_BUNDLE_MAX 4194304               /* bytes */
#define LIFETIME_MAX ((int64_t)10 * 365 * 86400) /* seconds; more is a mistake and counts as this */

/* What the provider's calls back to us work on. */
struct answer {
    const struct bearer_log *log;
    const struct bearer_account *account;
    struct bearer_token *fresh;
    struct bearer_error error;
    bool granted;
};

/* ------------------------------------------------------------------ what came */

/* b64token, RFC 6750 section 2.1. */
static bool is_bearer_token(const char *token)
{
    size_t length = strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/");

    return length > 0 && token[length + strspn(token + length, "=")] == '\0';
}

/* VSCHAR, RFC 6749 appendix A.17. */
static bool is_refresh_token(const char *token)
{
    for (const char *p = token; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
            return false;
    return *token != '\0';
}

/* blame: who must act if the token is none, the provider's peer or whoever typed it in as a password. */
static enum bearer_status check_grant(const struct bearer_grant *grant, enum bearer_status blame, struct bearer_error *err)
{
    if (strlen(grant->access_token) > BEARER_TOKEN_MAX)
        return bearer_fail(err, blame, "what came is longer than any access token may be, %d bytes", BEARER_TOKEN_MAX);
    if (!is_bearer_token(grant->access_token))
        return bearer_fail(err, blame, "what came is no access token: it holds characters that none has");
    if (grant->lifetime < 0)
        return bearer_fail(err, BEARER_PEER, "the access token had expired before it came");
    return BEARER_OK;
}

static enum bearer_status keep_grant(struct bearer_token *fresh, const struct bearer_grant *grant, struct bearer_error *err)
{
    int64_t life = grant->lifetime == 0 ? BEARER_DEFAULT_LIFETIME : grant->lifetime;
    enum bearer_status st;

    if (life > LIFETIME_MAX)
        life = LIFETIME_MAX;
    fresh->issued = bearer_now();
    fresh->expires = fresh->issued + life;
    if (grant->refresh_in > 0 && grant->refresh_in < life)
        fresh->refresh_after = fresh->issued + grant->refresh_in;
    fresh->credential_expires = grant->credential_expires;
    st = bearer_secret_set(&fresh->access_token, grant->access_token, strlen(grant->access_token), err);
    if (st == BEARER_OK && grant->user != NULL && !bearer_text_has_control(grant->user, strlen(grant->user)))
        st = bearer_token_set_text(&fresh->user, grant->user, err);
    return st;
}

static enum bearer_status keep_refresh_token(struct bearer_token *fresh, const char *token, struct bearer_error *err)
{
    if (token == NULL)
        return BEARER_OK;
    if (strlen(token) > BEARER_TOKEN_MAX || !is_refresh_token(token))
        return bearer_fail(err, BEARER_PEER, "the refresh token is longer than %d bytes or holds control characters",
                           BEARER_TOKEN_MAX);
    return bearer_secret_set(&fresh->refresh_token, token, strlen(token), err);
}

static void take_grant(void *context, const struct bearer_grant *grant)
{
    struct answer *answer = context;
    bool typed = answer->account->provider->flags & BEARER_WANTS_PASSWORD;

    /* First and whatever else is wrong: the refresh token in hand may have been used up to get this one. */
    if (keep_refresh_token(answer->fresh, grant->refresh_token, &answer->error) != BEARER_OK)
        return;
    if (grant->access_token != NULL && check_grant(grant, typed ? BEARER_CONFIG : BEARER_PEER, &answer->error) == BEARER_OK &&
        keep_grant(answer->fresh, grant, &answer->error) == BEARER_OK)
        answer->granted = true;
}

static void take_failure(void *context, const struct bearer_failure *failure)
{
    struct answer *answer = context;
    enum bearer_status status = failure->status > BEARER_OK && failure->status < BEARER_STATUS_COUNT ? failure->status
                                                                                                     : BEARER_BUG;
    char text[sizeof answer->error.text];

    bearer_text_printable(text, sizeof text, failure->text, failure->text != NULL ? strlen(failure->text) : 0);
    bearer_fail(&answer->error, status, "%s", text[0] != '\0' ? text : "no reason was given");
    answer->error.retry_after = failure->retry_after > 0 ? failure->retry_after : 0;
    if (failure->cause != NULL)
        bearer_text_printable(answer->error.cause, sizeof answer->error.cause, failure->cause, strlen(failure->cause));
}

static void take_log(void *context, enum bearer_log_level level, const char *text)
{
    const struct answer *answer = context;
    char line[512];

    bearer_text_printable(line, sizeof line, text, strlen(text));
    bearer_tell(answer->log, level, "%s account=%s provider=%s cause=provider", line, answer->account->name,
                answer->account->provider_name);
}

/* ------------------------------------------------------------------ what is sent */

/* In a jail the bundle comes from the descriptor opened before; elsewhere the provider's library reads it itself. */
static enum bearer_status trust(struct bearer_context *context, const struct bearer_account *account,
                                struct bearer_secret *bundle, struct bearer_request *request, struct bearer_error *err)
{
    const char *file = account->values[OPT_CA_FILE];
    enum bearer_status st;

    request->ca_file = file;
    if (!context->sealed || !(account->provider->needs & BEARER_NEEDS_AUTHORITIES))
        return BEARER_OK;
    st = bearer_context_read_file(context, file != NULL ? file : bearer_system_ca_file(), BEARER_FILE_PUBLIC,
                                  CA_BUNDLE_MAX, bundle, err);
    request->ca_pem = bearer_secret_reveal(bundle);
    request->ca_pem_length = bundle->length;
    return st;
}

/* What needs the world outside is done by the renewer, which does not live in a jail. */
static enum bearer_status check_freedom(const struct bearer_context *context, const struct bearer_account *account,
                                        struct bearer_error *err)
{
    const char *obstacle = context->sealed ? bearer_account_jail_obstacle(account) : NULL;

    if (obstacle == NULL)
        return BEARER_OK;
    return bearer_fail(err, BEARER_LOCAL, "the token cannot be renewed inside %s, which enters a jail where %s cannot be followed: is "
                       "sasl-bearer-renew.timer running?",
                       context->program, obstacle);
}

static enum bearer_status call(const struct bearer_provider *provider, const struct bearer_request *request,
                               const struct bearer_ceremony *ceremony, struct answer *answer)
{
    enum bearer_status st;

    if (ceremony != NULL && provider->sign_in == NULL)
        return bearer_fail(&answer->error, BEARER_USAGE, "nobody signs in with provider %s", provider->name);
    st = ceremony != NULL ? provider->sign_in(request, ceremony) : provider->fetch(request);
    if (st == BEARER_OK && answer->granted)
        return BEARER_OK;
    if (answer->error.status == BEARER_OK) /* it broke its contract */
        bearer_fail(&answer->error, BEARER_BUG, "provider %s is broken: it gave neither a token nor a reason; tell its author",
                    answer->account->provider_name);
    return answer->error.status;
}

/* Where a person has to sign in, the line says how. */
static void add_command(const struct bearer_account *account, struct bearer_error *err)
{
    size_t length = strlen(err->text);

    snprintf(err->text + length, sizeof err->text - length, " (sasl-bearer login %s)", account->name);
}

enum bearer_status bearer_fetch(struct bearer_context *context, const struct bearer_account *account,
                                const struct bearer_attempt *attempt, struct bearer_token *fresh_out,
                                struct bearer_error *err)
{
    struct answer answer = { .log = attempt->log != NULL ? attempt->log : &context->log, .account = account, .fresh = fresh_out };
    struct bearer_options options = BEARER_OPTIONS_INIT;
    struct bearer_secret bundle = BEARER_SECRET_INIT;
    struct bearer_request request = {
        .abi = BEARER_PROVIDER_ABI,
        .identity = account->key,
        .options = options.list,
        .refresh_token = attempt->refresh_token,
        .password = attempt->password,
        .deadline = attempt->deadline,
        .identify = attempt->identify,
        .context = &answer,
        .grant = take_grant,
        .fail = take_failure,
        .log = take_log,
    };
    const struct bearer_provider *provider;
    enum bearer_status st;

    if ((st = check_freedom(context, account, &answer.error)) == BEARER_OK &&
        (st = bearer_context_provider(context, account, &provider, &answer.error)) == BEARER_OK &&
        (st = bearer_options_read(context, account, attempt->deadline, &options, &answer.error)) == BEARER_OK &&
        (st = trust(context, account, &bundle, &request, &answer.error)) == BEARER_OK)
        st = call(provider, &request, attempt->ceremony, &answer);
    if (st == BEARER_SIGN_IN && attempt->ceremony == NULL && !attempt->identify &&
        (account->provider->flags & BEARER_PER_IDENTITY))
        add_command(account, &answer.error);
    if (st != BEARER_OK) {
        bearer_secret_clear(&fresh_out->access_token);
        if (err != NULL && err->status == BEARER_OK)
            *err = answer.error;
    }
    bearer_options_clear(&options);
    bearer_secret_clear(&bundle);
    return st;
}
