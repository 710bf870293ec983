/* assertion.h - an application's word for itself, signed: a JWT (RFC 7523 section 3, Microsoft's certificate-credentials). */
#ifndef BEARER_ASSERTION_H
#define BEARER_ASSERTION_H

#include "credential/error.h"
#include "provider/key.h"

#include <stdint.h>

/* Gives an assertion by client_id for audience, good for ten minutes and for one use.  algorithm: PS256 or RS256 (RFC 7518
 * section 3.1).  BEARER_CONFIG: the key cannot sign like that.  Wipe and free it. */
enum bearer_status assertion_make(const struct key *key, const char *algorithm, const char *client_id, const char *audience,
                                  int64_t now, char **assertion_out, struct bearer_error *err);

#endif
