/* message.h - what XOAUTH2 and OAUTHBEARER put on the wire, before base64. */
#ifndef BEARER_MESSAGE_H
#define BEARER_MESSAGE_H

#include "credential/secret.h"

/* What goes into a message; all of it is checked here. */
struct bearer_message {
    const char *mailbox; /* as the user typed it */
    const char *host;    /* the server, or NULL; only OAUTHBEARER sends it */
    const char *port;    /* in digits, or NULL; only OAUTHBEARER sends it */
    const struct bearer_secret *token;
};

/* Gives "user=" mailbox ^A "auth=Bearer " token ^A ^A.
 * BEARER_USAGE: a part is missing or holds control characters. */
enum bearer_status bearer_message_xoauth2(const struct bearer_message *message, struct bearer_secret *out,
                                          struct bearer_error *err);

/* Gives the client's first message of RFC 7628 section 3.1: GS2 header (RFC 5801) with the mailbox as authorization
 * identity, host and port if known, token.  Fails like the above. */
enum bearer_status bearer_message_oauthbearer(const struct bearer_message *message, struct bearer_secret *out,
                                              struct bearer_error *err);

#endif
