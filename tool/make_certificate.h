/* make_certificate.h - a key pair for an application that proves itself with a certificate: the private half for here, the
 * public half for its registration. */
#ifndef TOOL_MAKE_CERTIFICATE_H
#define TOOL_MAKE_CERTIFICATE_H

#include "credential/error.h"

#include <stdint.h>

struct made_certificate {
    char *public_path; /* the half that is uploaded */
    char sha1[41];     /* thumbprints, as Entra shows them */
    char sha256[65];
    int64_t ends; /* seconds since the epoch */
};

/* Gives the name of the public half that goes with a private one: NAME.crt with NAME.pem.  NULL without memory.  Free it. */
char *make_certificate_public_path(const char *path);

/* Makes an RSA key of so many bits and a certificate for it that it signed itself: both into path (PEM, 0600), the
 * certificate alone beside it.  name: whose it is, for people.  made_certificate_clear() it in any case. BEARER_LOCAL: a
 * file cannot be written, or is there already: none is ever replaced.  BEARER_NOMEM. */
enum bearer_status make_certificate(const char *path, const char *name, unsigned bits, unsigned days,
                                    struct made_certificate *made, struct bearer_error *err);
void made_certificate_clear(struct made_certificate *made);

#endif
