/* providers.h - the providers we know by name, and how any provider's code is loaded. */
#ifndef BEARER_PROVIDERS_H
#define BEARER_PROVIDERS_H

#include "credential/options.h"
#include "credential/provider.h"

#include <stdbool.h>

#define BEARER_NEEDS_ENDPOINT    0x01 /* the service's token endpoint, and with it a tenant where the service has tenants */
#define BEARER_NEEDS_SCOPE       0x02 /* to say what the token is for */
#define BEARER_NEEDS_CREDENTIAL  0x04 /* one of the application's credentials */
#define BEARER_NEEDS_AUTHORITIES 0x08 /* certificates to verify servers with: in a jail they are opened before */
#define BEARER_NEEDS_FREEDOM     0x10 /* it works outside of a chroot jail only: there its tokens come from the renewer */

/* On whose behalf: which of a service's scopes are meant. */
enum bearer_on_behalf { BEARER_FOR_PERSON, BEARER_FOR_APPLICATION };

/* What must be known of a provider before its code is loaded. */
struct bearer_provider_row {
    const char *name;
    const char *summary;
    unsigned flags;                    /* BEARER_PER_IDENTITY, ... */
    unsigned needs;                    /* BEARER_NEEDS_ENDPOINT, ... */
    enum bearer_on_behalf on_behalf;
    enum bearer_option_id required[2]; /* ended by OPT_COUNT */
};

/* Lends the row for a value of oauth2_provider.  All of `module:NAME` share a row. */
const struct bearer_provider_row *bearer_provider_row(const char *oauth2_provider);

/* Lends a provider's code, loaded for good from DIRECTORY/NAME.so (see provider.h).
 * BEARER_CONFIG: missing, not a provider, built for another ABI, or with other properties than the row's flags; but any may be
 * repeatable. */
enum bearer_status bearer_provider_load(const char *directory, const char *oauth2_provider, unsigned flags,
                                        const struct bearer_provider **provider_out, struct bearer_error *err);

#endif
