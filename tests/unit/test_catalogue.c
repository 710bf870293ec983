/* test_catalogue.c - the identity provider's errors: each number once, each with advice, each with the right consequence. */
#include "credential/options.h"
#include "provider/catalogue.h"
#include "tests/unit/scratch.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MEANING_MAX 60 /* a column of a table */
#define REMEDY_MAX 110 /* what a line of a log has room for, behind the server's own words */

/* All numbers that we know, by who acts; a list ends with 0.  Where two could act, it is the one nearer to this machine. */
static const long setup[] = {
    7000215, 7000222, 70002, 7000216, 7000218, 700025, 700027, 700024, 50012, 50048, 900384, 700030, 700016, 700011,
    65002, 90002, 50059, 90019, 50128, 50194, 9001023, 90124, 90130, 9002332, 90027, 90038, 50049, 900439, 900440,
    900382, 900432, 700005, 900144, 90014, 9002313, 90004, 90023, 90100, 90056, 900561, 901002, 70003, 70011, 28002,
    28003, 700022, 700023, 1002012, 500011, 50001, 50011, 500112, 70005, 70007, 700051, 700054, 900971, 70004, 50147,
    501491, 501481, 700084, 700229, 700231,
    50013, 500133, 50027, 0
};
static const long user[] = {
    500208, 65001, 65004, 9002341, 16000, 50020, 51004, 50014, 90072, 50034, 70008, 700082, 70043, 50173, 50132, 50133,
    50089, 70000, 54005, 50076, 50079, 50072, 50074, 50078, 50158, 53004, 50055, 50144, 50056, 50126, 50064, 50135,
    50085, 50197, 50199, 50140, 50058, 16001, 700020, 530036, 135010, 70016, 70018, 70019, 50134, 90119, 90120, 0
};
static const long tenant[] = {
    70001, 7000112, 7000229, 1000031, 53003, 5000224, 5000225, 500014, 650052, 650056, 65005, 650057, 650054, 90094,
    90095, 90008, 50105, 500021, 500022, 500212, 500213, 50057, 50053, 53000, 53001, 53002, 50005, 50097, 50131, 50155,
    50187, 530032, 530035, 53011, 530034, 135011, 7000116, 70021, 700211, 700212, 700213, 7000226, 0
};
static const long nobody[] = {
    50033, 50087, 50088, 50166, 50196, 70012, 90006, 90012, 90024, 90033, 90055, 90090, 90091, 80002, 80005, 50000, 0
};

static const long *const lists[] = {
    [CATALOGUE_SETUP] = setup,
    [CATALOGUE_USER] = user,
    [CATALOGUE_TENANT] = tenant,
    [CATALOGUE_NOBODY] = nobody,
};

static void every_number_stands_once(void **state)
{
    const struct catalogue_row *row, *other;
    unsigned i;

    (void)state;
    for (i = 0; (row = catalogue_at(i)) != NULL; i++) {
        assert_true(row->code > 0);
        for (unsigned k = 0; k < i && (other = catalogue_at(k)) != NULL; k++)
            if (other->code == row->code)
                fail_msg("%ld stands twice", row->code);
        assert_ptr_equal(catalogue_find(row->code), row);
    }
    assert_null(catalogue_at(i));
    assert_null(catalogue_at((unsigned)-1));
}

static void every_known_number_has_a_row_that_says_who_acts(void **state)
{
    const struct catalogue_row *row;
    unsigned known = 0;

    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        for (const long *number = lists[i]; *number != 0; number++, known++) {
            row = catalogue_find(*number);
            if (row == NULL)
                fail_msg("%ld has no row", *number);
            else if (row->who != (enum catalogue_who)i)
                fail_msg("%ld: %d acts instead of %d", *number, (int)row->who, (int)i);
        }
    assert_null(catalogue_at(known)); /* a row that stands in none of the lists */
}

/* Part of a line that has more before and behind it. */
static void is_part_of_a_line(long code, const char *text, size_t max)
{
    size_t length = text != NULL ? strlen(text) : 0;

    if (length <= 5 || length > max)
        fail_msg("%ld: %zu characters", code, length);
    else if (text[0] < 'a' || text[0] > 'z')
        fail_msg("%ld: '%s' does not begin with a small letter", code, text);
    else if (strchr(".:,; ", text[length - 1]) != NULL)
        fail_msg("%ld: '%s' ends in '%c'", code, text, text[length - 1]);
    else if (strpbrk(text, "\r\n\t%\"") != NULL || strstr(text, "  ") != NULL)
        fail_msg("%ld: '%s' cannot stand in a log as it is", code, text);
}

static void texts_fit_into_a_line(void **state)
{
    const struct catalogue_row *row;

    (void)state;
    for (unsigned i = 0; (row = catalogue_at(i)) != NULL; i++) {
        is_part_of_a_line(row->code, row->meaning, MEANING_MAX);
        is_part_of_a_line(row->code, row->remedy, REMEDY_MAX);
        assert_string_not_equal(row->meaning, row->remedy);
    }
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
    const struct catalogue_row *row;

    (void)state;
    for (unsigned i = 0; (row = catalogue_at(i)) != NULL; i++)
        for (const char *at = strstr(row->remedy, "oauth2_"); at != NULL; at = strstr(at + 1, "oauth2_")) {
            size_t length = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789_");
            char name[64];
            const char *nearest;

            snprintf(name, sizeof name, "%.*s", (int)length, at);
            if (bearer_option_find(name, &nearest) == OPT_COUNT)
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
        if (row->who == CATALOGUE_NOBODY)
            assert_int_equal(catalogue_status("invalid_grant", row->code, true), BEARER_LATER);
        else
            assert_int_equal(catalogue_status("invalid_grant", row->code, true), BEARER_SIGN_IN);
}

/* What Entra usually says with each of them.  The word decides; the number only where it passes. */
static void who_acts_does_not_change_what_the_word_says(void **state)
{
    static const struct {
        enum catalogue_who who;
        const char *error;
        enum bearer_status person, application;
    } table[] = {
        { CATALOGUE_SETUP, "invalid_client", BEARER_REFUSED, BEARER_REFUSED },
        { CATALOGUE_SETUP, "unauthorized_client", BEARER_REFUSED, BEARER_REFUSED },
        { CATALOGUE_SETUP, "invalid_request", BEARER_REFUSED, BEARER_REFUSED },
        { CATALOGUE_SETUP, "invalid_scope", BEARER_REFUSED, BEARER_REFUSED },
        { CATALOGUE_SETUP, "invalid_resource", BEARER_REFUSED, BEARER_REFUSED },
        { CATALOGUE_SETUP, "invalid_grant", BEARER_SIGN_IN, BEARER_REFUSED },
        { CATALOGUE_USER, "invalid_grant", BEARER_SIGN_IN, BEARER_REFUSED },
        { CATALOGUE_USER, "interaction_required", BEARER_SIGN_IN, BEARER_REFUSED },
        { CATALOGUE_USER, "consent_required", BEARER_SIGN_IN, BEARER_REFUSED },
        { CATALOGUE_USER, "expired_token", BEARER_SIGN_IN, BEARER_REFUSED },
        { CATALOGUE_USER, "authorization_pending", BEARER_LATER, BEARER_LATER },
        { CATALOGUE_TENANT, "unauthorized_client", BEARER_REFUSED, BEARER_REFUSED },
        { CATALOGUE_TENANT, "access_denied", BEARER_REFUSED, BEARER_REFUSED },
        { CATALOGUE_TENANT, "invalid_client", BEARER_REFUSED, BEARER_REFUSED },
        { CATALOGUE_TENANT, "invalid_grant", BEARER_SIGN_IN, BEARER_REFUSED },
        { CATALOGUE_TENANT, "temporarily_unavailable", BEARER_LATER, BEARER_LATER },
        { CATALOGUE_NOBODY, "invalid_grant", BEARER_LATER, BEARER_LATER },
        { CATALOGUE_NOBODY, "invalid_client", BEARER_LATER, BEARER_LATER },
        { CATALOGUE_NOBODY, "interaction_required", BEARER_LATER, BEARER_LATER },
        { CATALOGUE_NOBODY, "server_error", BEARER_LATER, BEARER_LATER },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        for (const long *number = lists[table[i].who]; *number != 0; number++) {
            if (catalogue_status(table[i].error, *number, true) != table[i].person)
                fail_msg("'%s' %ld for a person", table[i].error, *number);
            if (catalogue_status(table[i].error, *number, false) != table[i].application)
                fail_msg("'%s' %ld for an application", table[i].error, *number);
        }
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
        cmocka_unit_test(every_number_stands_once),
        cmocka_unit_test(every_known_number_has_a_row_that_says_who_acts),
        cmocka_unit_test(texts_fit_into_a_line),
        cmocka_unit_test(an_unknown_number_has_no_row),
        cmocka_unit_test(advice_names_only_options_that_exist),
        cmocka_unit_test(an_error_has_the_status_of_the_table),
        cmocka_unit_test(what_passes_is_later_whatever_the_word),
        cmocka_unit_test(who_acts_does_not_change_what_the_word_says),
        cmocka_unit_test(an_application_is_never_told_to_sign_in),
        cmocka_unit_test(every_status_has_advice),
    };

    return run_group("catalogue", tests);
}
