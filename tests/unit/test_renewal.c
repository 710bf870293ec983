/* test_renewal.c - the decisions of renewal.h, as tables. */
#include "credential/renewal.h"
#include "tests/unit/scratch.h"

#include <stdlib.h>

#define BORN 1000000

static struct bearer_token token_of(int64_t life)
{
    struct bearer_token token = BEARER_TOKEN_INIT;

    bearer_secret_set(&token.access_token, "t", 1, NULL);
    token.issued = BORN;
    token.expires = BORN + life;
    return token;
}

static void a_token_is_usable_as_the_table_says(void **state)
{
    static const struct {
        const char *what;
        int64_t life, min_lifetime, age;
        bool usable;
    } table[] = {
        { "just fetched", 3600, 300, 0, true },
        { "the clock stands before its birth", 3600, 300, -1, false },
        { "min_lifetime left", 3600, 300, 3300, true },
        { "a second less", 3600, 300, 3301, false },
        { "no minimum asked: until its last second", 3600, 0, 3599, true },
        { "no minimum asked: not a second longer", 3600, 0, 3600, false },
        { "expired", 3600, 300, 3601, false },
        { "expired long ago", 3600, 300, 1000000, false },
        { "a tenth of its life counts where that is less than the minimum", 1000, 300, 900, true },
        { "and not a second less", 1000, 300, 901, false },
        { "a long minimum: a tenth counts", 3600, 660, 3240, true },
        { "a long minimum: less than a tenth", 3600, 660, 3241, false },
        { "a long life: the minimum counts", 86400, 660, 86400 - 660, true },
        { "a long life: less than the minimum", 86400, 660, 86400 - 659, false },
        { "a life of one second", 1, 300, 0, true },
        { "a life of one second, over", 1, 300, 1, false },
        { "no life at all", 0, 300, 0, false },
        { "expired before it was issued", -10, 300, 0, false },
        { "of a short life, fetched just now", 5, 300, 0, true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct bearer_token token = token_of(table[i].life);

        if (bearer_token_usable(&token, &(struct bearer_margin){ table[i].min_lifetime, 0 }, BORN + table[i].age) != table[i].usable)
            fail_msg("%s", table[i].what);
        bearer_secret_clear(&token.access_token);
        if (bearer_token_usable(&token, &(struct bearer_margin){ table[i].min_lifetime, 0 }, BORN + table[i].age))
            fail_msg("%s, but there is no token", table[i].what);
    }
}

static void times_beyond_2038_are_times(void **state)
{
    struct bearer_token token = token_of(0);

    (void)state;
    token.issued = INT64_C(5000000000);
    token.expires = token.issued + 3600;
    assert_true(bearer_token_usable(&token, &(struct bearer_margin){ 300, 0 }, token.issued + 60));
    assert_false(bearer_token_usable(&token, &(struct bearer_margin){ 300, 0 }, token.issued + 3600));
    bearer_token_clear(&token);
}

static void a_token_is_due_as_the_table_says(void **state)
{
    static const struct {
        const char *what;
        int64_t life, refresh_in, age;
        bool due;
    } table[] = {
        { "young", 3600, 0, 0, false },
        { "before the last fifth", 3600, 0, 2879, false },
        { "in the last fifth", 3600, 0, 2880, true },
        { "expired", 3600, 0, 3600, true },
        { "before the time its issuer named", 86400, 43200, 43199, false },
        { "at the time its issuer named", 86400, 43200, 43200, true },
        { "its issuer's time is later than the last fifth", 3600, 3500, 3000, false },
        { "its issuer's time has come", 3600, 3500, 3500, true },
        { "its issuer wants it at once, but it was fetched just now", 3600, 1, 179, false },
        { "its issuer wants it at once, and it is a twentieth old", 3600, 1, 180, true },
        { "a short life, the same second", 2, 0, 0, false },
        { "a short life, the last fifth", 2, 0, 2, true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct bearer_token token = token_of(table[i].life);

        token.refresh_after = table[i].refresh_in != 0 ? BORN + table[i].refresh_in : 0;
        if (bearer_token_due(&token, &(struct bearer_margin){ 300, 0 }, BORN + table[i].age) != table[i].due)
            fail_msg("%s", table[i].what);
        bearer_token_clear(&token);
    }
}

static void a_token_is_not_due_while_a_failures_pause_lasts(void **state)
{
    struct bearer_token token = token_of(3600);

    (void)state;
    token.failed = BORN + 3000;
    token.retry_at = BORN + 3060;
    assert_false(bearer_token_due(&token, &(struct bearer_margin){ 300, 0 }, BORN + 3059));
    assert_true(bearer_token_due(&token, &(struct bearer_margin){ 300, 0 }, BORN + 3060));
    bearer_token_clear(&token);
}

static void a_pause_lasts_as_the_table_says(void **state)
{
    static const struct {
        const char *what;
        int64_t failed, retry_at, now;
        bool pausing;
    } table[] = {
        { "nothing failed", 0, 0, BORN, false },
        { "nothing failed, whatever retry_at says", 0, BORN + 60, BORN, false },
        { "just failed", BORN, BORN + 60, BORN, true },
        { "the last second", BORN, BORN + 60, BORN + 59, true },
        { "over", BORN, BORN + 60, BORN + 60, false },
        { "the clock was set back: better ask than wait for years", BORN, BORN + 60, BORN - 1, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct bearer_token token = BEARER_TOKEN_INIT;

        token.failed = table[i].failed;
        token.retry_at = table[i].retry_at;
        if (bearer_token_backing_off(&token, table[i].now) != table[i].pausing)
            fail_msg("%s", table[i].what);
    }
}

static void a_refusal_is_remembered_for_a_minute(void **state)
{
    static const enum bearer_status refusals[] = { BEARER_SIGN_IN, BEARER_REFUSED, BEARER_CONFIG };

    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        for (unsigned jitter = 0; jitter < 100; jitter++) {
            assert_int_equal(bearer_backoff(refusals[i], 1, 0, jitter), 60);
            assert_int_equal(bearer_backoff(refusals[i], 50, 0, jitter), 60);
        }
}

static void an_outage_is_remembered_for_seconds_that_grow_to_a_minute(void **state)
{
    static const enum bearer_status outages[] = { BEARER_LATER, BEARER_PEER, BEARER_LOCAL, BEARER_NOMEM };

    (void)state;
    for (size_t i = 0; i < sizeof outages / sizeof outages[0]; i++) {
        int64_t before = 0;

        assert_int_equal(bearer_backoff(outages[i], 1, 0, 0), 1);
        for (int64_t failures = 1; failures < 100; failures++) {
            int64_t pause = bearer_backoff(outages[i], failures, 0, 0);

            assert_true(pause >= before && pause <= 60);
            before = pause;
        }
        assert_int_equal(before, 60);
        assert_int_equal(bearer_backoff(outages[i], INT64_MAX, 0, 0), 60);
        assert_true(bearer_backoff(outages[i], 0, 0, 0) >= 1);
        assert_true(bearer_backoff(outages[i], -5, 0, 0) >= 1);
    }
}

static void jitter_spreads_a_long_pause_and_spares_a_short_one(void **state)
{
    int64_t least = 60, most = 0;

    (void)state;
    for (unsigned jitter = 0; jitter < 1000; jitter++) {
        int64_t pause = bearer_backoff(BEARER_LATER, 20, 0, jitter * 7919u);

        assert_true(pause >= 30 && pause <= 60);
        least = pause < least ? pause : least;
        most = pause > most ? pause : most;
        assert_int_equal(bearer_backoff(BEARER_LATER, 1, 0, jitter), 1);
    }
    assert_true(most - least >= 10);
    assert_true(bearer_backoff(BEARER_LATER, 20, 0, UINT32_MAX) >= 30);
}

static void a_pause_is_never_shorter_than_the_server_asked_for(void **state)
{
    (void)state;
    for (unsigned jitter = 0; jitter < 50; jitter++) {
        assert_int_equal(bearer_backoff(BEARER_LATER, 1, 17, jitter), 17);
        assert_int_equal(bearer_backoff(BEARER_LATER, 20, 600, jitter), 600);
        assert_int_equal(bearer_backoff(BEARER_REFUSED, 1, 600, jitter), 600);
        assert_int_equal(bearer_backoff(BEARER_REFUSED, 1, 5, jitter), 60);
    }
    assert_int_equal(bearer_backoff(BEARER_LATER, 1, -5, 0), 1);
    assert_true(bearer_backoff(BEARER_LATER, 1, INT64_MAX, 0) < 86400 * 2);
}

static void a_refusal_by_a_mail_server_drops_a_token_as_the_table_says(void **state)
{
    static const struct {
        const char *what;
        int64_t dropped, age;
        bool drops;
    } table[] = {
        { "younger than a minute", 0, 59, false },
        { "a minute old", 0, 60, true },
        { "another was dropped less than five minutes ago", 10, 309, false },
        { "another was dropped five minutes ago", 10, 310, true },
        { "the clock stands before its birth", 0, -1, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct bearer_token token = token_of(3600);

        token.dropped = table[i].dropped != 0 ? BORN + table[i].dropped : 0;
        if (bearer_token_drop_on_refusal(&token, BORN + table[i].age) != table[i].drops)
            fail_msg("%s", table[i].what);
        bearer_token_clear(&token);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_usable_as_the_table_says),
        cmocka_unit_test(times_beyond_2038_are_times),
        cmocka_unit_test(a_token_is_due_as_the_table_says),
        cmocka_unit_test(a_token_is_not_due_while_a_failures_pause_lasts),
        cmocka_unit_test(a_pause_lasts_as_the_table_says),
        cmocka_unit_test(a_refusal_is_remembered_for_a_minute),
        cmocka_unit_test(an_outage_is_remembered_for_seconds_that_grow_to_a_minute),
        cmocka_unit_test(jitter_spreads_a_long_pause_and_spares_a_short_one),
        cmocka_unit_test(a_pause_is_never_shorter_than_the_server_asked_for),
        cmocka_unit_test(a_refusal_by_a_mail_server_drops_a_token_as_the_table_says),
    };

    return run_group("renewal", tests);
}
