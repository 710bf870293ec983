/* secret.h - bytes that nobody else may see: tokens, client secrets, keys.
 *
 * A secret lives in pages of its own that are kept out of core dumps, and is wiped when it ends.  It becomes text only
 * through bearer_secret_reveal(), whose callers are few and easy to list.
 */
#ifndef BEARER_SECRET_H
#define BEARER_SECRET_H

#include "credential/error.h"

#include <stddef.h>

/* Tokens have no documented maximum size; this is what we carry, in bytes. */
#define BEARER_TOKEN_MAX 16384

struct bearer_secret {
    char *bytes;   /* NULL = empty; else followed by a NUL that length does not count */
    size_t length; /* never made larger by hand, for only that much is wiped */
    size_t size; /* bytes of address space; pages that were never touched cost nothing */
};

#define BEARER_SECRET_INIT { NULL, 0, 0 }

/* Replaces the content by a copy of bytes.  BEARER_NOMEM: *secret is as before. */
enum bearer_status bearer_secret_set(struct bearer_secret *secret, const void *bytes, size_t length,
                                     struct bearer_error *err);

/* Replaces the content by length zero bytes, to be filled through ->bytes.  BEARER_NOMEM as above. */
enum bearer_status bearer_secret_reserve(struct bearer_secret *secret, size_t length, struct bearer_error *err);

/* Moves *from into *secret; *from is empty afterwards. */
void bearer_secret_take(struct bearer_secret *secret, struct bearer_secret *from);

/* Wipes and frees; the secret is then empty and can be used again. */
void bearer_secret_clear(struct bearer_secret *secret);

/* Gives back what is kept for the next secret; for the end of a guest's visit. */
void bearer_secret_trim(void);

/* Lends the text until the next change; "" when empty. */
const char *bearer_secret_reveal(const struct bearer_secret *secret);

/* Wipes a plain buffer or string that held a copy of a secret, in a way no compiler leaves out. */
void bearer_wipe(void *bytes, size_t length);
void bearer_wipe_string(char *string);

#endif
