/* secret.c - see secret.h */
#include "credential/secret.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

/* Blocks of one size serve nearly all secrets, so a few are kept for the next one: a login would spend more time mapping memory
 * than on anything else.  Each place is taken and given back by one atomic step: no lock, nothing for fork or longjmp to
 * leave undone. */
#define BLOCK_SIZE 65536 /* bytes; holds two tokens of BEARER_TOKEN_MAX; whole pages everywhere */
#define BLOCKS_KEPT 4

static _Atomic(char *) kept_blocks[BLOCKS_KEPT];

static char *map(size_t size)
{
    char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (bytes == MAP_FAILED)
        return NULL;
#ifdef MADV_DONTDUMP
    (void)madvise(bytes, size, MADV_DONTDUMP);
#endif
    return bytes;
}

/* Gives memory that is all zeros. */
static char *block_take(size_t size)
{
    for (int i = 0; i < BLOCKS_KEPT && size == BLOCK_SIZE; i++) {
        char *bytes = atomic_exchange(&kept_blocks[i], NULL);

        if (bytes != NULL)
            return bytes;
    }
    return map(size);
}

/* Takes memory that was wiped. */
static void block_give(char *bytes, size_t size)
{
    for (int i = 0; i < BLOCKS_KEPT && size == BLOCK_SIZE; i++) {
        char *none = NULL;

        if (atomic_compare_exchange_strong(&kept_blocks[i], &none, bytes))
            return;
    }
    munmap(bytes, size);
}

void bearer_secret_trim(void)
{
    for (int i = 0; i < BLOCKS_KEPT; i++) {
        char *bytes = atomic_exchange(&kept_blocks[i], NULL);

        if (bytes != NULL)
            munmap(bytes, BLOCK_SIZE);
    }
}

enum bearer_status bearer_secret_reserve(struct bearer_secret *secret, size_t length, struct bearer_error *err)
{
    size_t size = length < SIZE_MAX - BLOCK_SIZE ? (length / BLOCK_SIZE + 1) * BLOCK_SIZE : 0;
    char *bytes = size != 0 ? block_take(size) : NULL;

    if (bytes == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    bearer_secret_clear(secret);
    secret->bytes = bytes;
    secret->length = length;
    secret->size = size;
    return BEARER_OK;
}

enum bearer_status bearer_secret_set(struct bearer_secret *secret, const void *bytes, size_t length,
                                     struct bearer_error *err)
{
    struct bearer_secret fresh = BEARER_SECRET_INIT;
    enum bearer_status st = bearer_secret_reserve(&fresh, length, err);

    if (st != BEARER_OK)
        return st;
    memcpy(fresh.bytes, bytes, length);
    bearer_secret_take(secret, &fresh);
    return BEARER_OK;
}

void bearer_secret_take(struct bearer_secret *secret, struct bearer_secret *from)
{
    bearer_secret_clear(secret);
    *secret = *from;
    *from = (struct bearer_secret)BEARER_SECRET_INIT;
}

void bearer_secret_clear(struct bearer_secret *secret)
{
    if (secret->bytes != NULL) {
        bearer_wipe(secret->bytes, secret->length);
        block_give(secret->bytes, secret->size);
    }
    *secret = (struct bearer_secret)BEARER_SECRET_INIT;
}

const char *bearer_secret_reveal(const struct bearer_secret *secret)
{
    return secret->bytes != NULL ? secret->bytes : "";
}

void bearer_wipe(void *bytes, size_t length)
{
    if (length > 0)
        explicit_bzero(bytes, length);
}

void bearer_wipe_string(char *string)
{
    if (string != NULL)
        bearer_wipe(string, strlen(string));
}
