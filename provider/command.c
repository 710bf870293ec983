/* command.c - the token is what a program prints: az, oama, pizauth, mutt_oauth2.py.  The core has run it. */
#include "provider/presented.h"

#include <stddef.h>

static enum bearer_status fetch(const struct bearer_request *request)
{
    return presented_fetch(request, PRESENTED_BY_COMMAND);
}

const struct bearer_provider bearer_provider = {
    .abi = BEARER_PROVIDER_ABI,
    .name = "command",
    .summary = "a program prints the access token",
    .flags = BEARER_REPEATABLE,
    .fetch = fetch,
};
