/* identity_reply.h - what a managed identity endpoint answers: a token, or one of three forms of error, all of odd types
 * (Microsoft's how-to-use-vm-token). */
#ifndef BEARER_IDENTITY_REPLY_H
#define BEARER_IDENTITY_REPLY_H

#include "credential/provider.h"
#include "provider/http.h"
#include "provider/identity_source.h"

#include <stdint.h>

/* Grants the token of an answer, or explains why there is none.  now is the time of day.  Texts begin with the source's name
 * and hold neither its secret nor key, which may be NULL. */
enum bearer_status identity_reply_read(const struct bearer_request *request, const struct identity_source *source,
                                       const char *key, const struct http_reply *reply, int64_t now,
                                       struct bearer_error *err);

/* How many milliseconds to wait before asking again, after so many tries; -1 = asking again changes nothing.  st is what
 * http_send() returned. */
int64_t identity_reply_pause(enum bearer_status st, const struct http_reply *reply, unsigned tries);

#endif
