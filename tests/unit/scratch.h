/* scratch.h - a directory of its own for each test, and what stands in it.  cmocka.h with all that it wants before it.
 *
 * Use scratch_begin and scratch_end as a test's setup and teardown.  The directory belongs to us and is closed to others;
 * everything in it goes with it.  A step that fails here fails the test.
 */
#ifndef TESTS_SCRATCH_H
#define TESTS_SCRATCH_H

/* cmocka.h needs these four, in this order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <sys/types.h>

int scratch_begin(void **state);
int scratch_end(void **state);

/* Lends "DIRECTORY/NAME", the name printf'd, until the test ends.  Without a name: the directory. */
const char *scratch_path(const char *name, ...) __attribute__((format(printf, 1, 2)));
const char *scratch_directory(void);

/* Makes a file below the directory, with its parents, and lends its path. */
const char *scratch_write(const char *name, mode_t mode, const char *text);
const char *scratch_write_bytes(const char *name, mode_t mode, const void *bytes, size_t length);

/* Gives the bytes of any file.  Free them. */
unsigned char *scratch_read(const char *path, size_t *length_out);

/* Lends a printf'd text until the test ends. */
const char *scratch_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Compares printf'd text with what is there, and says both if they differ. */
#define assert_text(actual, ...) assert_string_equal((actual), scratch_text(__VA_ARGS__))

/* Runs a test body for each row of a table and names the row that failed. */
#define for_each_row(row, table)                                                                                            \
    for (size_t row##_i = 0; row##_i < sizeof(table) / sizeof((table)[0]) && ((row) = &(table)[row##_i]) != NULL; row##_i++)

/* A test with a scratch directory. */
#define scratch_test(test) cmocka_unit_test_setup_teardown(test, scratch_begin, scratch_end)

/* Runs tests; with ONLY=PATTERN in the environment those whose name matches.  Gives main's result. */
#define run_group(name, tests)                                                                                              \
    (cmocka_set_test_filter(getenv("ONLY")), cmocka_run_group_tests_name((name), (tests), NULL, NULL))

#endif
