/* renewal.h - when a token is good enough, when to renew it, how long to wait after a failure.
 *
 * Decisions only: plain values in, the clock among them, plain values out. */
#ifndef BEARER_RENEWAL_H
#define BEARER_RENEWAL_H

#include "credential/token.h"

#include <stdbool.h>

/* What an identity provider that does not say is taken to mean, in seconds (RFC 6749 5.1: recommended, not required). */
#define BEARER_DEFAULT_LIFETIME 3600

/* Whether the access token is valid at all: good enough where nothing better can be had. */
bool bearer_token_alive(const struct bearer_token *token, int64_t now);

/* How long a token must still live to be handed out, in seconds. */
struct bearer_margin {
    int64_t usual;    /* as good manners want it: never more than a tenth of the token's life */
    int64_t demanded; /* as a server, or whoever set it, wants it: never more than half of the token's life; 0 = nobody does */
};

/* Whether the access token may be handed out.  One fetched just now is if it is valid at all, or a life below the margin would
 * mean a request for each login. */
bool bearer_token_usable(const struct bearer_token *token, const struct bearer_margin *margin, int64_t now);

/* Whether a usable token had better be renewed already: from refresh_after on, else in the last fifth of its life, and always a
 * while before it stops being usable; not while an earlier failure's pause lasts. */
bool bearer_token_due(const struct bearer_token *token, const struct bearer_margin *margin, int64_t now);

/* Whether the last failure still stands in for another attempt. */
bool bearer_token_backing_off(const struct bearer_token *token, int64_t now);

/* Seconds to stay away after the failures-th failure in a row (1 = first): a minute after a refusal, from 1 growing to 60
 * after anything that passes, never less than the server asked for.  jitter is any number. */
int64_t bearer_backoff(enum bearer_status status, int64_t failures, int64_t retry_after, unsigned jitter);

/* Whether a mail server's refusal of the access token is to make us drop it: it is a minute old, and no other was dropped
 * within five. */
bool bearer_token_drop_on_refusal(const struct bearer_token *token, int64_t now);

/* Whether a credential that ends then (0 = not known) is worth a word: 30 days before, and after. */
bool bearer_credential_ends_soon(int64_t ends, int64_t now);

/* Whether it is time to say so again, told being when it last was: once a day. */
bool bearer_credential_end_to_be_told(int64_t ends, int64_t told, int64_t now);

#endif
