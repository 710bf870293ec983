/* client_auth.h - how the application proves to the token endpoint that it is itself (RFC 6749 section 2.3, RFC 7521
 * section 4.2).
 *
 * Its form has three fields more, of which those are left out that are NULL:
 *
 *     { "client_secret", auth.secret },
 *     { "client_assertion_type", auth.assertion_type },
 *     { "client_assertion", auth.assertion },
 */
#ifndef BEARER_CLIENT_AUTH_H
#define BEARER_CLIENT_AUTH_H

#include "credential/error.h"
#include "credential/provider.h"

#include <stdint.h>

struct client_auth {
    const char *secret; /* the request's */
    const char *assertion_type;
    char *assertion;
    int64_t expires; /* seconds since the epoch when the credential ends, 0 = not known */
};

#define CLIENT_AUTH_INIT { NULL, NULL, NULL, 0 }

/* Takes the account's credential: certificate, another party's token, or secret; a public client has none.  audience: the
 * URL that the form goes to.  Anew for each form: an assertion is good for one.  BEARER_CONFIG: the credential cannot be
 * used. */
enum bearer_status client_auth_begin(const struct bearer_request *request, const char *audience, struct client_auth *auth,
                                     struct bearer_error *err);

/* Wipes and frees. */
void client_auth_clear(struct client_auth *auth);

/* What must be done before a chroot jail; a provider's whole prepare. */
enum bearer_status client_auth_prepare(void);

#endif
