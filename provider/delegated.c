/* delegated.c - a person signed in once; their refresh token brings access tokens (RFC 6749 section 6). */
#include "provider/authorization_code.h"
#include "provider/client_auth.h"
#include "provider/device.h"
#include "provider/http.h"
#include "provider/oauth.h"

#include <stdlib.h>

static enum bearer_status fetch(const struct bearer_request *request)
{
    char *scope = oauth_scope(request);
    struct client_auth auth;
    struct bearer_error err = BEARER_ERROR_INIT;
    enum bearer_status st = client_auth_begin(request, oauth_option(request, "oauth2_token_endpoint"), &auth, &err);
    const struct http_field form[] = {
        { "grant_type", "refresh_token" },
        { "client_id", oauth_option(request, "oauth2_client_id") },
        { "client_secret", auth.secret }, /* NULL for a public client: no field at all */
        { "client_assertion_type", auth.assertion_type },
        { "client_assertion", auth.assertion },
        { "refresh_token", request->refresh_token },
        { "scope", scope },
        { NULL, NULL },
    };

    st = st == BEARER_OK ? oauth_fetch(request, form, auth.expires) : oauth_fail(request, &err);
    client_auth_clear(&auth);
    free(scope);
    return st;
}

/* A credential that cannot be used is told before a person has begun. */
static enum bearer_status check_credential(const struct bearer_request *request, struct bearer_error *err)
{
    struct client_auth auth;
    enum bearer_status st = client_auth_begin(request, oauth_option(request, "oauth2_token_endpoint"), &auth, err);

    client_auth_clear(&auth);
    return st;
}

static enum bearer_status sign_in(const struct bearer_request *request, const struct bearer_ceremony *ceremony)
{
    struct bearer_error err = BEARER_ERROR_INIT;

    if (check_credential(request, &err) != BEARER_OK)
        return oauth_fail(request, &err);
    return ceremony->listen != NULL ? authorization_code_sign_in(request, ceremony) : device_sign_in(request, ceremony);
}

const struct bearer_provider bearer_provider = {
    .abi = BEARER_PROVIDER_ABI,
    .name = "delegated",
    .summary = "a person signed in; the refresh token is kept",
    .flags = BEARER_PER_IDENTITY,
    .prepare = client_auth_prepare,
    .fetch = fetch,
    .sign_in = sign_in,
};
