/* token.h - all that is remembered for one key: an access token, what renews it, and how the last attempt went. */
#ifndef BEARER_TOKEN_H
#define BEARER_TOKEN_H

#include "credential/secret.h"

#include <stdint.h>

/* Times are seconds since the epoch; 0 = not known or never. */
struct bearer_token {
    struct bearer_secret access_token;
    int64_t issued;
    int64_t expires;
    int64_t refresh_after; /* from here on an early renewal is welcome */
    struct bearer_secret refresh_token;
    int64_t signed_in; /* when the person did */
    char *user;        /* who signed in, as the identity provider says; NULL = not told */
    char *binding;     /* what it was issued for, see account.h */
    int64_t dropped;   /* when a mail server's refusal last made us drop an access token */
    int64_t credential_expires; /* when the certificate or secret that fetched it ends */
    int64_t expiry_told;        /* when somebody was last told that it ends soon */

    /* The last attempt, if it failed. */
    int64_t failed;   /* when; 0 = it did not */
    int64_t retry_at; /* not before */
    int64_t failures; /* in a row */
    int64_t mark; /* of the credential it was made with, see bearer_credential_mark() */
    enum bearer_status failure;
    char cause[32];
    char text[768]; /* as long as an error's */
};

#define BEARER_TOKEN_INIT { .failure = BEARER_OK }

/* The most a record can take, in bytes: two tokens of BEARER_TOKEN_MAX and everything else. */
#define BEARER_RECORD_MAX (2 * BEARER_TOKEN_MAX + 4096)

void bearer_token_clear(struct bearer_token *token);

/* Replaces *token by a copy of from.  BEARER_NOMEM: *token is empty. */
enum bearer_status bearer_token_copy(struct bearer_token *token, const struct bearer_token *from,
                                     struct bearer_error *err);

/* Replaces the string in *slot by a copy (NULL: by none). */
enum bearer_status bearer_token_set_text(char **slot, const char *text, struct bearer_error *err);

/* Gives the record: length-prefixed fields, in this machine's byte order.  BEARER_LOCAL: too large. */
enum bearer_status bearer_token_encode(const struct bearer_token *token, struct bearer_secret *record_out,
                                       struct bearer_error *err);

/* Reads a record; fields it does not know are passed over.  BEARER_LOCAL: damaged; *token is empty then. */
enum bearer_status bearer_token_decode(const void *record, size_t length, struct bearer_token *token,
                                       struct bearer_error *err);

#endif
