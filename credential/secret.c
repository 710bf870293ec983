/* secret.c - see secret.h */
#include "credential/secret.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t whole_pages(size_t length)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (length + page - 1) / page * page;
}

enum bearer_status bearer_secret_reserve(struct bearer_secret *secret, size_t length, struct bearer_error *err)
{
    size_t mapped = whole_pages(length + 1);
    char *bytes = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (bytes == MAP_FAILED)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
#ifdef MADV_DONTDUMP
    (void)madvise(bytes, mapped, MADV_DONTDUMP);
#endif
    bearer_secret_clear(secret);
    secret->bytes = bytes;
    secret->length = length;
    secret->mapped = mapped;
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
        munmap(secret->bytes, secret->mapped);
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
