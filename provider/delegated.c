/* delegated.c - a person signed in once; their refresh token brings access tokens (RFC 6749 section 6, MICROSOFT.md 3.3). */
#include "provider/device.h"
#include "provider/http.h"
#include "provider/oauth.h"

#include <stdlib.h>

static enum bearer_status prepare(void)
{
    return http_prepare(NULL);
}

static enum bearer_status fetch(const struct bearer_request *request)
{
    char *scope = oauth_scope(request);
    const struct http_field form[] = {
        { "grant_type", "refresh_token" },
        { "client_id", oauth_option(request, "oauth2_client_id") },
        { "client_secret", oauth_option(request, "oauth2_client_secret") }, /* NULL for a public client: no field at all */
        { "refresh_token", request->refresh_token },
        { "scope", scope },
        { NULL, NULL },
    };
    enum bearer_status st = oauth_fetch(request, form);

    free(scope);
    return st;
}

const struct bearer_provider bearer_provider = {
    .abi = BEARER_PROVIDER_ABI,
    .name = "delegated",
    .summary = "a person signed in; the refresh token is kept",
    .flags = BEARER_PER_IDENTITY,
    .prepare = prepare,
    .fetch = fetch,
    .sign_in = device_sign_in,
};
