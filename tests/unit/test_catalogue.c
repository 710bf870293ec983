/* test_catalogue.c - the identity provider's errors: each number once, each with advice, each with the right consequence. */
#include "provider/catalogue.h"
#include "tests/unit/scratch.h"

#include <string.h>

static void every_number_stands_once_and_has_advice(void **state)
{
    const struct catalogue_row *row;
    unsigned i;

    (void)state;
    for (i = 0; (row = catalogue_at(i)) != NULL; i++) {
        assert_true(row->code > 0);
        assert_non_null(row->remedy);
        assert_true(strlen(row->remedy) > 5);
        assert_int_not_equal(row->remedy[strlen(row->remedy) - 1], '.');
        assert_true(row->remedy[0] >= 'a' && row->remedy[0] <= 'z');
        assert_null(strpbrk(row->remedy, "\r\n\t%"));
        assert_ptr_equal(catalogue_find(row->code), row); /* false for a number that stands twice */
    }
    assert_true(i > 50);
    assert_null(catalogue_at(i));
}

static void an_unknown_number_has_no_row(void **state)
{
    (void)state;
    assert_null(catalogue_find(0));
    assert_null(catalogue_find(-1));
    assert_null(catalogue_find(99999999));
}

static void advice_names_only_options_that_exist(void **state)
{
    static const char *const known[] = { "oauth2_client_secret_file",
                                         "oauth2_client_secret",
                                         "oauth2_client_id",
                                         "oauth2_tenant",
                                         "oauth2_cloud",
                                         "oauth2_scope",
                                         "oauth2_token_endpoint",
                                         "oauth2_identity" };
    const struct catalogue_row *row;

    (void)state;
    for (unsigned i = 0; (row = catalogue_at(i)) != NULL; i++)
        for (const char *at = strstr(row->remedy, "oauth2_"); at != NULL; at = strstr(at + 1, "oauth2_")) {
            size_t length = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789_");
            bool found = false;

            for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
                found = found || (strlen(known[k]) == length && memcmp(known[k], at, length) == 0);
            if (!found)
                fail_msg("%ld names '%.*s'", row->code, (int)length, at);
        }
}

static void an_error_has_the_status_of_the_table(void **state)
{
    static const struct {
        const char *error;
        long code;
        enum bearer_status person, application;
    } table[] = {
        { "invalid_grant", 0, BEARER_SIGN_IN, BEARER_REFUSED },
        { "invalid_grant", 700082, BEARER_SIGN_IN, BEARER_REFUSED },
        { "invalid_grant", 50173, BEARER_SIGN_IN, BEARER_REFUSED },
        { "invalid_grant", 12345678, BEARER_SIGN_IN, BEARER_REFUSED },
        { "interaction_required", 50076, BEARER_SIGN_IN, BEARER_REFUSED },
        { "consent_required", 65001, BEARER_SIGN_IN, BEARER_REFUSED },
        { "invalid_client", 7000215, BEARER_REFUSED, BEARER_REFUSED },
        { "invalid_client", 7000222, BEARER_REFUSED, BEARER_REFUSED },
        { "unauthorized_client", 700016, BEARER_REFUSED, BEARER_REFUSED },
        { "invalid_request", 90002, BEARER_REFUSED, BEARER_REFUSED },
        { "invalid_scope", 70011, BEARER_REFUSED, BEARER_REFUSED },
        /* passes, whatever the word says: a grant is not given up for it */
        { "invalid_grant", 50196, BEARER_LATER, BEARER_LATER },
        { "invalid_grant", 90033, BEARER_LATER, BEARER_LATER },
        { "invalid_request", 90024, BEARER_LATER, BEARER_LATER },
        /* temporary or unknown: doubt is never a refusal */
        { "temporarily_unavailable", 0, BEARER_LATER, BEARER_LATER },
        { "server_error", 0, BEARER_LATER, BEARER_LATER },
        { "slow_down", 0, BEARER_LATER, BEARER_LATER },
        { "an_error_of_tomorrow", 0, BEARER_LATER, BEARER_LATER },
        { "", 0, BEARER_LATER, BEARER_LATER },
        { "", 700016, BEARER_LATER, BEARER_LATER },
        { "INVALID_GRANT", 0, BEARER_LATER, BEARER_LATER },
        { "invalid_grant2", 0, BEARER_LATER, BEARER_LATER },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (catalogue_status(table[i].error, table[i].code, true) != table[i].person)
            fail_msg("'%s' %ld for a person", table[i].error, table[i].code);
        if (catalogue_status(table[i].error, table[i].code, false) != table[i].application)
            fail_msg("'%s' %ld for an application", table[i].error, table[i].code);
    }
}

static void what_passes_is_later_whatever_the_word(void **state)
{
    const struct catalogue_row *row;

    (void)state;
    for (unsigned i = 0; (row = catalogue_at(i)) != NULL; i++)
        if (row->passes)
            assert_int_equal(catalogue_status("invalid_grant", row->code, true), BEARER_LATER);
        else
            assert_int_equal(catalogue_status("invalid_grant", row->code, true), BEARER_SIGN_IN);
}

static void an_application_is_never_told_to_sign_in(void **state)
{
    static const char *const words[] = { "invalid_grant", "interaction_required", "consent_required", "login_required" };
    const struct catalogue_row *row;

    (void)state;
    for (size_t w = 0; w < sizeof words / sizeof words[0]; w++)
        for (unsigned i = 0; (row = catalogue_at(i)) != NULL; i++)
            assert_int_not_equal(catalogue_status(words[w], row->code, false), BEARER_SIGN_IN);
}

static void every_status_has_advice(void **state)
{
    (void)state;
    for (int st = BEARER_OK; st < BEARER_STATUS_COUNT; st++) {
        assert_non_null(catalogue_remedy((enum bearer_status)st));
        assert_true(catalogue_remedy((enum bearer_status)st)[0] != '\0');
    }
    assert_string_equal(catalogue_remedy(BEARER_SIGN_IN), "sign in again");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_stands_once_and_has_advice),
        cmocka_unit_test(an_unknown_number_has_no_row),
        cmocka_unit_test(advice_names_only_options_that_exist),
        cmocka_unit_test(an_error_has_the_status_of_the_table),
        cmocka_unit_test(what_passes_is_later_whatever_the_word),
        cmocka_unit_test(an_application_is_never_told_to_sign_in),
        cmocka_unit_test(every_status_has_advice),
    };

    return run_group("catalogue", tests);
}
