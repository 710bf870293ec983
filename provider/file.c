/* file.c - the token is in a file that something else keeps fresh.  The core has read it. */
#include "provider/presented.h"

#include <stddef.h>

static enum bearer_status fetch(const struct bearer_request *request)
{
    return presented_fetch(request, PRESENTED_BY_FILE);
}

const struct bearer_provider bearer_provider = {
    .abi = BEARER_PROVIDER_ABI,
    .name = "file",
    .summary = "something else keeps the access token in a file",
    .flags = BEARER_REPEATABLE,
    .fetch = fetch,
};
