/* test_secret.c - bytes that wipe themselves. */
#include "credential/secret.h"
#include "tests/unit/scratch.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void an_empty_secret_reads_as_an_empty_text(void **state)
{
    struct bearer_secret secret = BEARER_SECRET_INIT;

    (void)state;
    assert_string_equal(bearer_secret_reveal(&secret), "");
    bearer_secret_clear(&secret);
    bearer_secret_clear(&secret);
    assert_null(secret.bytes);
}

static void a_secret_holds_a_copy_that_ends_with_a_nul(void **state)
{
    struct bearer_secret secret = BEARER_SECRET_INIT;
    char bytes[] = { 'a', '\0', 'b' };

    (void)state;
    assert_int_equal(bearer_secret_set(&secret, bytes, sizeof bytes, NULL), BEARER_OK);
    memset(bytes, 'x', sizeof bytes);
    assert_int_equal(secret.length, 3);
    assert_memory_equal(secret.bytes, "a\0b\0", 4);
    bearer_secret_clear(&secret);
    assert_int_equal(secret.length, 0);
}

static void a_secret_that_fills_its_pages_still_ends_with_a_nul(void **state)
{
    static const size_t lengths[] = { 0, 1, 4095, 4096, BEARER_TOKEN_MAX, 65535, 65536, 65537, 131072 };
    static char bytes[131072];
    struct bearer_secret secret = BEARER_SECRET_INIT;

    (void)state;
    memset(bytes, 'x', sizeof bytes);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        assert_int_equal(bearer_secret_set(&secret, bytes, lengths[i], NULL), BEARER_OK);
        assert_int_equal(secret.length, lengths[i]);
        assert_int_equal(strlen(bearer_secret_reveal(&secret)), lengths[i]);
    }
    bearer_secret_clear(&secret);
}

static void a_secret_can_be_set_from_itself(void **state)
{
    struct bearer_secret secret = BEARER_SECRET_INIT;

    (void)state;
    assert_int_equal(bearer_secret_set(&secret, "Bearer abc", 10, NULL), BEARER_OK);
    assert_int_equal(bearer_secret_set(&secret, secret.bytes + 7, 3, NULL), BEARER_OK);
    assert_string_equal(bearer_secret_reveal(&secret), "abc");
    bearer_secret_clear(&secret);
}

static void reserved_bytes_are_zero(void **state)
{
    struct bearer_secret secret = BEARER_SECRET_INIT;

    (void)state;
    assert_int_equal(bearer_secret_set(&secret, "old content", 11, NULL), BEARER_OK);
    assert_int_equal(bearer_secret_reserve(&secret, 5000, NULL), BEARER_OK);
    assert_int_equal(secret.length, 5000);
    for (size_t i = 0; i <= secret.length; i++)
        assert_int_equal(secret.bytes[i], 0);
    bearer_secret_clear(&secret);
}

static void memory_that_held_a_secret_is_zero_when_it_serves_the_next(void **state)
{
    struct bearer_secret secrets[8] = { BEARER_SECRET_INIT };

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 8; i++) {
            assert_int_equal(bearer_secret_reserve(&secrets[i], 65535, NULL), BEARER_OK);
            for (size_t k = 0; k <= secrets[i].length; k++)
                if (secrets[i].bytes[k] != 0)
                    fail_msg("byte %zu of secret %d is not zero", k, i);
            for (int j = 0; j < i; j++)
                assert_ptr_not_equal(secrets[j].bytes, secrets[i].bytes);
            memset(secrets[i].bytes, 's', secrets[i].length);
        }
        for (int i = 0; i < 8; i++)
            bearer_secret_clear(&secrets[i]);
        if (round == 1)
            bearer_secret_trim();
    }
    bearer_secret_trim();
    bearer_secret_trim();
}

static void what_is_taken_moves(void **state)
{
    struct bearer_secret to = BEARER_SECRET_INIT, from = BEARER_SECRET_INIT;

    (void)state;
    bearer_secret_set(&to, "old", 3, NULL);
    bearer_secret_set(&from, "new", 3, NULL);
    bearer_secret_take(&to, &from);
    assert_string_equal(bearer_secret_reveal(&to), "new");
    assert_null(from.bytes);
    assert_int_equal(from.length, 0);
    bearer_secret_take(&to, &from);
    assert_string_equal(bearer_secret_reveal(&to), "");
}

static void without_memory_a_secret_stays_as_it_was(void **state)
{
    static const size_t impossible[] = { SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 4095, SIZE_MAX - 4096, SIZE_MAX / 2 };
    struct bearer_secret secret = BEARER_SECRET_INIT;

    (void)state;
    bearer_secret_set(&secret, "kept", 4, NULL);
    for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++) {
        struct bearer_error err = BEARER_ERROR_INIT;

        assert_int_equal(bearer_secret_reserve(&secret, impossible[i], &err), BEARER_NOMEM);
        assert_string_equal(err.text, "out of memory");
        assert_string_equal(bearer_secret_reveal(&secret), "kept");
    }
    bearer_secret_clear(&secret);
}

/* "dd" in VmFlags of /proc/self/smaps: the mapping that begins at that address is not dumped. */
static bool is_kept_out_of_dumps(const void *address)
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    bool here = false, found = false;
    char line[512];

    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        unsigned long from, to;

        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            here = from <= (uintptr_t)address && (uintptr_t)address < to;
        else if (here && strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " dd") != NULL)
            found = true;
    }
    if (maps != NULL)
        fclose(maps);
    return found;
}

static void a_secret_is_kept_out_of_core_dumps(void **state)
{
    struct bearer_secret secret = BEARER_SECRET_INIT;
    FILE *maps = fopen("/proc/self/smaps", "r");

    (void)state;
    if (maps == NULL)
        skip();
    fclose(maps);
    bearer_secret_set(&secret, "token", 5, NULL);
    assert_true(is_kept_out_of_dumps(secret.bytes));
    bearer_secret_clear(&secret);
}

static void plain_copies_are_wiped(void **state)
{
    char bytes[] = "a secret", string[] = "another";

    (void)state;
    bearer_wipe(bytes, 3);
    assert_memory_equal(bytes, "\0\0\0ecret", 8);
    bearer_wipe(bytes, 0);
    bearer_wipe(NULL, 0);
    bearer_wipe_string(string);
    assert_memory_equal(string, "\0\0\0\0\0\0\0\0", sizeof string);
    bearer_wipe_string(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_secret_reads_as_an_empty_text),
        cmocka_unit_test(a_secret_holds_a_copy_that_ends_with_a_nul),
        cmocka_unit_test(a_secret_that_fills_its_pages_still_ends_with_a_nul),
        cmocka_unit_test(a_secret_can_be_set_from_itself),
        cmocka_unit_test(reserved_bytes_are_zero),
        cmocka_unit_test(memory_that_held_a_secret_is_zero_when_it_serves_the_next),
        cmocka_unit_test(what_is_taken_moves),
        cmocka_unit_test(without_memory_a_secret_stays_as_it_was),
        cmocka_unit_test(a_secret_is_kept_out_of_core_dumps),
        cmocka_unit_test(plain_copies_are_wiped),
    };

    return run_group("secret", tests);
}
