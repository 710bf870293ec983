/* password_field.c - the program's password is the access token, or the path of a file that has it and can renew it.
 *
 * For those who come from cyrus-sasl-xoauth2 (the token) and sasl-xoauth2 (the file), see doc/moving.md.  What a token file
 * says wins over sasl.conf.  But sasl.conf's client secret goes to sasl.conf's endpoint only, for sasl.conf's client: where
 * strangers may type in passwords, and leave files, they could else have it sent to themselves. */
#include "credential/clock.h"
#include "credential/signals.h"
#include "provider/http.h"
#include "provider/oauth.h"
#include "provider/token_file.h"

#include <stdio.h>
#include <string.h>

#define PAUSE 20 /* ms between looks at a file that somebody else is renewing */

/* sasl-xoauth2's words for a token that something else keeps up to date, and for an application on its own. */
#define MANAGED    "manage_token_externally"
#define ON_ITS_OWN "use_client_credentials"

/* A renewal of a file, which is locked, for a request. */
struct renewal {
    const struct bearer_request *request;
    struct token_file *file;
    struct bearer_error *err;
};

static enum bearer_status prepare(void)
{
    return http_prepare(NULL);
}

/* ------------------------------------------------------------------ what a renewal brings */

/* The token goes to the program whatever becomes of the file. */
static void tell_unsaved(const struct renewal *renewal, bool rotated, struct bearer_error *err)
{
    const struct bearer_request *request = renewal->request;

    if (rotated)
        bearer_error_prepend(
            err, "the new refresh token for '%s' is LOST, and the old one may not work again: ", renewal->file->path);
    else
        bearer_error_prepend(err,
                             "the new access token for '%s' is not kept, so each login asks for one: ", renewal->file->path);
    request->log(request->context, rotated ? BEARER_LOG_ERROR : BEARER_LOG_WARNING, err->text);
}

static bool is_rotated(const struct token_file *file, const char *fresh)
{
    const char *old = token_file_text(file, "refresh_token");

    return fresh != NULL && (old == NULL || strcmp(old, fresh) != 0);
}

/* To disk first: the old refresh token may have been used up. */
static void take_grant(void *context, const struct bearer_grant *grant)
{
    const struct renewal *renewal = context;
    const struct bearer_request *request = renewal->request;
    struct bearer_grant passed = *grant;
    struct bearer_error why = BEARER_ERROR_INIT;
    bool rotated = is_rotated(renewal->file, grant->refresh_token);

    if (token_file_save(renewal->file, grant, &why) != BEARER_OK)
        tell_unsaved(renewal, rotated, &why);
    passed.refresh_token = NULL; /* it lives in the file */
    if (passed.access_token != NULL)
        request->grant(request->context, &passed);
}

static void take_failure(void *context, const struct bearer_failure *failure)
{
    const struct renewal *renewal = context;

    if (failure->status == BEARER_SIGN_IN)
        bearer_fail(renewal->err, failure->status, "the refresh token in '%s' works no longer: %s", renewal->file->path,
                    failure->text);
    else
        bearer_fail(renewal->err, failure->status, "the token in '%s' cannot be renewed: %s", renewal->file->path,
                    failure->text);
    renewal->err->retry_after = failure->retry_after;
    if (failure->cause != NULL)
        snprintf(renewal->err->cause, sizeof renewal->err->cause, "%s", failure->cause);
}

static void take_log(void *context, enum bearer_log_level level, const char *text)
{
    const struct renewal *renewal = context;

    renewal->request->log(renewal->request->context, level, text);
}

/* ------------------------------------------------------------------ renewing */

/* The file's word if it has one, else the account's. */
static const char *chosen(const struct renewal *renewal, const char *member, const char *option)
{
    const char *text = token_file_text(renewal->file, member);

    return text != NULL ? text : oauth_option(renewal->request, option);
}

/* Whether the file says something else than the account. */
static bool differs(const struct renewal *renewal, const char *member, const char *option)
{
    const char *text = token_file_text(renewal->file, member), *value = oauth_option(renewal->request, option);

    return text != NULL && (value == NULL || strcmp(text, value) != 0);
}

/* What the account knows about one endpoint's clients and scopes means nothing to another. */
static const char *chosen_scope(const struct renewal *renewal)
{
    return differs(renewal, "token_endpoint", "oauth2_token_endpoint") ? token_file_text(renewal->file, "scope")
                                                                       : chosen(renewal, "scope", "oauth2_scope");
}

static const char *chosen_secret(const struct renewal *renewal)
{
    bool other =
        differs(renewal, "token_endpoint", "oauth2_token_endpoint") || differs(renewal, "client_id", "oauth2_client_id");

    return other ? token_file_text(renewal->file, "client_secret")
                 : chosen(renewal, "client_secret", "oauth2_client_secret");
}

/* Settings of sasl-xoauth2 that have no effect here must not look as if they had. */
static void note_unused(const struct renewal *renewal)
{
    static const char *const rows[][2] = {
        { "user", "the mailbox is the user name the program gives" },
        { "ca_certs_dir", "certificates come from ca_bundle_file, else from where sasl.conf or the system has them" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bearer_error note = BEARER_ERROR_INIT;

        if (token_file_text(renewal->file, rows[i][0]) == NULL)
            continue;
        bearer_fail(&note, BEARER_CONFIG, "%s in '%s' is not used: %s", rows[i][0], renewal->file->path, rows[i][1]);
        take_log((void *)(uintptr_t)renewal, BEARER_LOG_NOTE, note.text);
    }
}

static enum bearer_status post(const struct bearer_request *request)
{
    const struct http_field form[] = {
        { "grant_type", request->refresh_token != NULL ? "refresh_token" : "client_credentials" },
        { "client_id", oauth_option(request, "oauth2_client_id") },
        { "client_secret", oauth_option(request, "oauth2_client_secret") },
        { "refresh_token", request->refresh_token },
        { "scope", oauth_option(request, "oauth2_scope") }, /* NULL: what the refresh token is for, RFC 6749 section 6 */
        { NULL, NULL },
    };

    return oauth_fetch(request, form, 0);
}

/* Posts with the chosen options in place of the account's. */
static enum bearer_status post_chosen(const struct renewal *renewal)
{
    const char *bundle = token_file_text(renewal->file, "ca_bundle_file");
    bool own = token_file_flag(renewal->file, ON_ITS_OWN);
    const struct bearer_option options[] = {
        { .name = "oauth2_provider", .value = own ? "app_only" : "password_field" }, /* who must act on a refusal */
        { .name = "oauth2_client_id", .value = chosen(renewal, "client_id", "oauth2_client_id") },
        { .name = "oauth2_client_secret", .value = chosen_secret(renewal) },
        { .name = "oauth2_token_endpoint", .value = chosen(renewal, "token_endpoint", "oauth2_token_endpoint") },
        { .name = "oauth2_scope", .value = chosen_scope(renewal) },
        { .name = "oauth2_proxy", .value = chosen(renewal, "proxy", "oauth2_proxy") },
        { .name = NULL },
    };
    struct bearer_request request = *renewal->request;

    request.options = options;
    request.refresh_token = own ? NULL : token_file_text(renewal->file, "refresh_token");
    request.context = (void *)(uintptr_t)renewal;
    request.grant = take_grant;
    request.fail = take_failure;
    request.log = take_log;
    if (bundle != NULL) {
        request.ca_file = bundle;
        request.ca_pem = NULL;
    }
    return post(&request);
}

static enum bearer_status renew(const struct bearer_request *request, struct token_file *file, struct bearer_error *err)
{
    const struct renewal renewal = { request, file, err };

    if (token_file_flag(file, MANAGED))
        return bearer_fail(err, BEARER_CONFIG, "'%s' says " MANAGED ", and has no access_token", file->path);
    if (token_file_text(file, "refresh_token") == NULL && !token_file_flag(file, ON_ITS_OWN))
        return bearer_fail(
            err, BEARER_SIGN_IN,
            "the access token in '%s' has expired, and no refresh_token is there: sign in anew with what made the "
            "file, or move to sasl-bearer login",
            file->path);
    if (chosen(&renewal, "client_id", "oauth2_client_id") == NULL)
        return bearer_fail(err, BEARER_CONFIG, "'%s' has no client_id: set oauth2_client_id in sasl.conf", file->path);
    if (chosen(&renewal, "token_endpoint", "oauth2_token_endpoint") == NULL)
        return bearer_fail(err, BEARER_CONFIG,
                           "'%s' has no token_endpoint: set oauth2_tenant or oauth2_token_endpoint in sasl.conf",
                           file->path);
    note_unused(&renewal);
    return post_chosen(&renewal);
}

/* ------------------------------------------------------------------ the whole way */

static enum bearer_status grant_old(const struct bearer_request *request, const struct token_file *file)
{
    const struct bearer_grant grant = {
        .access_token = token_file_text(file, "access_token"),
        .lifetime = token_file_lifetime(file),
    };

    request->grant(request->context, &grant);
    return BEARER_OK;
}

static bool is_fresh(const struct token_file *file)
{
    if (token_file_flag(file, MANAGED)) /* and whatever expiry says */
        return token_file_text(file, "access_token") != NULL;
    return token_file_lifetime(file) > token_file_window(file);
}

/* Renews, unless somebody else is at it or was faster; then *done_out is false: look again. */
static enum bearer_status try_renewal(const struct bearer_request *request, struct token_file *file, bool *done_out,
                                      struct bearer_error *err)
{
    enum bearer_status st;
    sigset_t signals;

    bearer_signals_hold(&signals); /* no handler may leave with the lock */
    st = token_file_lock(file, done_out, err);
    if (st == BEARER_OK && *done_out)
        st = is_fresh(file) ? grant_old(request, file) : renew(request, file, err);
    token_file_unlock(file);
    bearer_signals_release(&signals);
    return st;
}

static enum bearer_status obtain(const struct bearer_request *request, struct token_file *file, struct bearer_error *err)
{
    bool done = false;
    enum bearer_status st;

    for (;;) {
        if ((st = token_file_open(file, request->password, err)) != BEARER_OK)
            return st;
        if (is_fresh(file))
            return grant_old(request, file);
        st = try_renewal(request, file, &done, err);
        if (st != BEARER_OK || done)
            return st;
        if (bearer_monotonic() >= request->deadline)
            return bearer_fail(err, BEARER_LATER, "another process is renewing the token in '%s' and does not come back",
                               file->path);
        bearer_sleep(PAUSE);
    }
}

static enum bearer_status fetch_from_file(const struct bearer_request *request)
{
    struct token_file file = TOKEN_FILE_INIT;
    struct bearer_error err = BEARER_ERROR_INIT;
    enum bearer_status st = obtain(request, &file, &err);

    if (st != BEARER_OK && token_file_lifetime(&file) > 0) { /* what it cannot renew, it uses to its end */
        request->log(request->context, BEARER_LOG_WARNING, err.text);
        st = grant_old(request, &file);
    }
    token_file_close(&file);
    return st == BEARER_OK ? st : oauth_fail(request, &err);
}

static enum bearer_status fetch(const struct bearer_request *request)
{
    static const struct bearer_failure no_password = {
        .status = BEARER_USAGE,
        .text =
            "provider password_field takes the access token, or the path of a token file, from the program's password, and "
            "there is none",
    };
    const struct bearer_grant grant = { .access_token = request->password };

    if (request->password == NULL || *request->password == '\0') {
        request->fail(request->context, &no_password);
        return no_password.status;
    }
    if (*request->password == '/')
        return fetch_from_file(request);
    request->grant(request->context, &grant);
    return BEARER_OK;
}

const struct bearer_provider bearer_provider = {
    .abi = BEARER_PROVIDER_ABI,
    .name = "password_field",
    .summary = "the program's password is the access token, or its file's path",
    .flags = BEARER_REPEATABLE | BEARER_WANTS_PASSWORD,
    .prepare = prepare,
    .fetch = fetch,
};
