/* password_field.c - the program's password is the access token.  For hosts that get tokens by other means. */
#include "credential/provider.h"

#include <stddef.h>

static enum bearer_status fetch(const struct bearer_request *request)
{
    static const struct bearer_failure no_password = {
        .status = BEARER_USAGE,
        .text = "provider password_field takes the access token from the program's password, and there is none",
    };
    static const struct bearer_failure is_path = {
        .status = BEARER_CONFIG,
        .text = "the program's password is a path, not an access token: this version reads no token files",
    };
    const struct bearer_grant grant = { .access_token = request->password };

    if (request->password == NULL || *request->password == '\0' || *request->password == '/') {
        const struct bearer_failure *why = request->password != NULL && *request->password == '/' ? &is_path : &no_password;

        request->fail(request->context, why);
        return why->status;
    }
    request->grant(request->context, &grant);
    return BEARER_OK;
}

const struct bearer_provider bearer_provider = {
    .abi = BEARER_PROVIDER_ABI,
    .name = "password_field",
    .summary = "the program's password is the access token",
    .flags = BEARER_REPEATABLE | BEARER_WANTS_PASSWORD,
    .fetch = fetch,
};
