/* app_only.c - an application on its own: client credentials (RFC 6749 section 4.4, MICROSOFT.md 3.4). */
#include "provider/http.h"
#include "provider/oauth.h"

static enum bearer_status prepare(void)
{
    return http_prepare(NULL);
}

static enum bearer_status fetch(const struct bearer_request *request)
{
    const struct http_field form[] = {
        { "grant_type", "client_credentials" },
        { "client_id", oauth_option(request, "oauth2_client_id") },
        { "client_secret", oauth_option(request, "oauth2_client_secret") },
        { "scope", oauth_option(request, "oauth2_scope") },
        { NULL, NULL },
    };

    return oauth_fetch(request, form);
}

const struct bearer_provider bearer_provider = {
    .abi = BEARER_PROVIDER_ABI,
    .name = "app_only",
    .summary = "an application on its own, with its own credential",
    .flags = BEARER_REPEATABLE,
    .prepare = prepare,
    .fetch = fetch,
};
