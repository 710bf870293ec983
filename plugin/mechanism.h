/* mechanism.h - XOAUTH2 and OAUTHBEARER as libsasl2 client mechanisms. */
#ifndef BEARER_MECHANISM_H
#define BEARER_MECHANISM_H

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

struct bearer_context;

#define BEARER_MECHANISM_COUNT 2

/* Fills plugs[] with both mechanisms, in the order of preference.  libsasl2 hands context back to each connection and
 * calls released once for each mechanism when it is done with them. */
void bearer_mechanisms(struct bearer_context *context, void (*released)(void *context, const sasl_utils_t *utils),
                       sasl_client_plug_t plugs[BEARER_MECHANISM_COUNT]);

#endif
