/* scratch_store.c - see scratch_store.h */
#include "tests/unit/scratch_store.h"

#include <sys/stat.h>

int scratch_store_begin(void **state)
{
    int result = scratch_begin(state);

    return result != 0 ? result : mkdir(scratch_path("store"), 0700);
}

const char *token_path(void)
{
    return scratch_path("store/delegated-bob.token");
}

struct bearer_store *open_store(unsigned flags)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct bearer_store *store;

    if (bearer_store_open(token_path(), flags, &store, &err) != BEARER_OK)
        fail_msg("%s", err.text);
    assert_non_null(store);
    return store;
}
