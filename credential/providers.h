/* providers.h - the providers we know by name, and how any provider's code is loaded. */
#ifndef BEARER_PROVIDERS_H
#define BEARER_PROVIDERS_H

#include "credential/options.h"
#include "credential/provider.h"

#include <stdbool.h>

/* What must be known of a provider before its code is loaded. */
struct bearer_provider_row {
    const char *name;
    const char *summary;
    unsigned flags;                          /* BEARER_PER_IDENTITY, ... */
    bool service_required;                   /* it talks to the service's token endpoint */
    enum bearer_option_id required[4];       /* ended by OPT_COUNT */
    bool credential_required;                /* it needs one of the credential options */
};

/* Lends the row for a value of oauth2_provider.  All of `module:NAME` share a row. */
const struct bearer_provider_row *bearer_provider_row(const char *oauth2_provider);

/* Lends a provider's code, loaded for good from DIRECTORY/NAME.so (see provider.h).
 * BEARER_CONFIG: missing, not a provider, built for another ABI, or with other properties than the row's flags. */
enum bearer_status bearer_provider_load(const char *directory, const char *oauth2_provider, unsigned flags,
                                        const struct bearer_provider **provider_out, struct bearer_error *err);

#endif
