/* test_error.c - each status means something to each host, and the first text wins. */
#include "credential/error.h"
#include "tests/unit/scratch.h"

#include <errno.h>
#include <sasl/sasl.h>
#include <string.h>
#include <sysexits.h>

static void every_status_has_a_whole_row(void **state)
{
    (void)state;
    for (int st = BEARER_OK; st < BEARER_STATUS_COUNT; st++) {
        const struct bearer_status_row *row = bearer_status_row((enum bearer_status)st);

        assert_non_null(row->name);
        assert_non_null(row->summary);
        assert_true(row->name[0] != '\0' && strchr(row->name, ' ') == NULL);
        for (int other = BEARER_OK; other < st; other++)
            assert_string_not_equal(row->name, bearer_status_row((enum bearer_status)other)->name);
        if (st != BEARER_OK) {
            assert_true(row->sasl_code < 0);
            assert_true(row->exit_code >= EX__BASE && row->exit_code <= EX__MAX);
        }
    }
}

static void no_status_is_a_generic_failure(void **state)
{
    (void)state;
    for (int st = BEARER_OK; st < BEARER_STATUS_COUNT; st++)
        assert_int_not_equal(bearer_status_row((enum bearer_status)st)->sasl_code, SASL_FAIL);
}

static void users_of_postfix_read_a_text_that_fits(void **state)
{
    static const struct {
        enum bearer_status status;
        int sasl_code, exit_code;
        const char *text;
    } table[] = {
        { BEARER_OK, SASL_OK, EX_OK, "successful result" },
        { BEARER_LATER, SASL_UNAVAIL, EX_TEMPFAIL, "remote authentication server unavailable" },
        { BEARER_SIGN_IN, SASL_EXPIRED, EX_NOPERM, "passphrase expired, has to be reset" },
        { BEARER_REFUSED, SASL_BADAUTH, EX_NOPERM, "authentication failure" },
        { BEARER_CONFIG, SASL_CONFIGERR, EX_CONFIG, "error when parsing configuration file" },
        { BEARER_NO_ACCOUNT, SASL_NOUSER, EX_CONFIG, "user not found" },
        { BEARER_PEER, SASL_UNAVAIL, EX_TEMPFAIL, "remote authentication server unavailable" },
        { BEARER_NOMEM, SASL_NOMEM, EX_TEMPFAIL, "no memory available" },
        { BEARER_USAGE, SASL_BADPARAM, EX_USAGE, "invalid parameter supplied" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct bearer_status_row *row = bearer_status_row(table[i].status);

        assert_int_equal(row->sasl_code, table[i].sasl_code);
        assert_int_equal(row->exit_code, table[i].exit_code);
        assert_string_equal(sasl_errstring(row->sasl_code, NULL, NULL), table[i].text);
    }
}

static void a_status_out_of_range_is_a_bug(void **state)
{
    (void)state;
    assert_ptr_equal(bearer_status_row(BEARER_STATUS_COUNT), bearer_status_row(BEARER_BUG));
    assert_ptr_equal(bearer_status_row((enum bearer_status)1000), bearer_status_row(BEARER_BUG));
    assert_ptr_equal(bearer_status_row((enum bearer_status) - 1), bearer_status_row(BEARER_BUG));
}

static void the_first_text_wins(void **state)
{
    struct bearer_error err = BEARER_ERROR_INIT;

    (void)state;
    assert_int_equal(bearer_fail(&err, BEARER_LATER, "the %s reason", "first"), BEARER_LATER);
    assert_int_equal(bearer_fail(&err, BEARER_CONFIG, "the second"), BEARER_CONFIG);
    assert_int_equal(err.status, BEARER_LATER);
    assert_string_equal(err.text, "the first reason");
}

static void nobody_has_to_listen(void **state)
{
    (void)state;
    assert_int_equal(bearer_fail(NULL, BEARER_LOCAL, "unheard"), BEARER_LOCAL);
    bearer_error_prepend(NULL, "unheard: ");
    bearer_error_clear(NULL);
}

static void percent_m_is_the_reason_of_errno(void **state)
{
    struct bearer_error err = BEARER_ERROR_INIT;

    (void)state;
    errno = ENOENT;
    bearer_fail(&err, BEARER_LOCAL, "cannot open '%s': %m", "/x");
    assert_string_equal(err.text, "cannot open '/x': No such file or directory");
}

static void words_go_in_front(void **state)
{
    struct bearer_error err = BEARER_ERROR_INIT;

    (void)state;
    bearer_fail(&err, BEARER_CONFIG, "it holds 100%%s of nothing");
    bearer_error_prepend(&err, "%s:%d: ", "sasl.conf", 3);
    bearer_error_prepend(&err, "bob: ");
    assert_string_equal(err.text, "bob: sasl.conf:3: it holds 100%s of nothing");
    assert_int_equal(err.status, BEARER_CONFIG);
}

static void a_text_too_long_is_cut_and_ends(void **state)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    char text[2000], prefix[500];

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    memset(prefix, 'p', sizeof prefix - 1);
    prefix[sizeof prefix - 1] = '\0';
    bearer_fail(&err, BEARER_LOCAL, "%s", text);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    bearer_error_prepend(&err, "%s", prefix);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    assert_memory_equal(err.text, prefix, sizeof prefix - 1);
    assert_int_equal(err.text[sizeof prefix - 1], 'x');
    bearer_error_prepend(&err, "%s", text);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

static void the_cause_is_the_status_name_unless_told(void **state)
{
    struct bearer_error err = BEARER_ERROR_INIT;

    (void)state;
    bearer_fail(&err, BEARER_SIGN_IN, "sign in");
    assert_string_equal(bearer_error_cause(&err), "sign_in");
    strcpy(err.cause, "AADSTS700082");
    assert_string_equal(bearer_error_cause(&err), "AADSTS700082");
}

static void a_cleared_error_can_be_filled_again(void **state)
{
    struct bearer_error err = BEARER_ERROR_INIT;

    (void)state;
    bearer_fail(&err, BEARER_SIGN_IN, "one");
    err.retry_after = 5;
    strcpy(err.cause, "x");
    bearer_error_clear(&err);
    assert_int_equal(err.status, BEARER_OK);
    assert_int_equal(err.retry_after, 0);
    assert_string_equal(err.text, "");
    assert_string_equal(err.cause, "");
    bearer_fail(&err, BEARER_LATER, "two");
    assert_string_equal(err.text, "two");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_whole_row),
        cmocka_unit_test(no_status_is_a_generic_failure),
        cmocka_unit_test(users_of_postfix_read_a_text_that_fits),
        cmocka_unit_test(a_status_out_of_range_is_a_bug),
        cmocka_unit_test(the_first_text_wins),
        cmocka_unit_test(nobody_has_to_listen),
        cmocka_unit_test(percent_m_is_the_reason_of_errno),
        cmocka_unit_test(words_go_in_front),
        cmocka_unit_test(a_text_too_long_is_cut_and_ends),
        cmocka_unit_test(the_cause_is_the_status_name_unless_told),
        cmocka_unit_test(a_cleared_error_can_be_filled_again),
    };

    return run_group("error", tests);
}
