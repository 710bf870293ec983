/* app_only.c - an application on its own: client credentials (RFC 6749 section 4.4). */
#include "provider/client_auth.h"
#include "provider/http.h"
#include "provider/oauth.h"

static enum bearer_status fetch(const struct bearer_request *request)
{
    struct client_auth auth;
    struct bearer_error err = BEARER_ERROR_INIT;
    enum bearer_status st = client_auth_begin(request, oauth_option(request, "oauth2_token_endpoint"), &auth, &err);
    const struct http_field form[] = {
        { "grant_type", "client_credentials" },
        { "client_id", oauth_option(request, "oauth2_client_id") },
        { "client_secret", auth.secret },
        { "client_assertion_type", auth.assertion_type },
        { "client_assertion", auth.assertion },
        { "scope", oauth_option(request, "oauth2_scope") },
        { NULL, NULL },
    };

    st = st == BEARER_OK ? oauth_fetch(request, form, auth.expires) : oauth_fail(request, &err);
    client_auth_clear(&auth);
    return st;
}

const struct bearer_provider bearer_provider = {
    .abi = BEARER_PROVIDER_ABI,
    .name = "app_only",
    .summary = "an application on its own, with its own credential",
    .flags = BEARER_REPEATABLE,
    .prepare = client_auth_prepare,
    .fetch = fetch,
};
