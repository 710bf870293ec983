/* scratch_store.h - a token file in a test's scratch directory.
 *
 * Use scratch_store_test() where scratch_test() would stand: there is a directory "store" in it, closed to others and
 * empty.
 */
#ifndef TESTS_SCRATCH_STORE_H
#define TESTS_SCRATCH_STORE_H

#include "credential/store.h"
#include "tests/unit/scratch.h"

int scratch_store_begin(void **state);

#define scratch_store_test(test) cmocka_unit_test_setup_teardown(test, scratch_store_begin, scratch_end)

/* Lends the token file's path until the test ends. */
const char *token_path(void);

/* Gives a store of it, or fails the test. */
struct bearer_store *open_store(unsigned flags);

#endif
