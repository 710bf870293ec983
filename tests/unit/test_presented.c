/* test_presented.c - tokens as az, gcloud, oama, pizauth, mutt_oauth2.py and sasl-xoauth2 present them, and what is none. */
#include "provider/presented.h"

#include "credential/clock.h"
#include "tests/unit/scratch.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SLACK 60 /* seconds that a test may take */

/* {"alg":"none"} . {"aud":"https://outlook.office365.com","exp":...} . signature */
#define JWT_OF_2100 "eyJhbGciOiJub25lIn0.eyJhdWQiOiJodHRwczovL291dGxvb2sub2ZmaWNlMzY1LmNvbSIsImV4cCI6NDEwMjQ0NDgwMH0.c2ln"
#define JWT_OF_2021 "eyJhbGciOiJub25lIn0.eyJhdWQiOiJodHRwczovL291dGxvb2sub2ZmaWNlMzY1LmNvbSIsImV4cCI6MTYwOTQ1OTIwMH0.c2ln"
#define YEAR_2100 4102444800 /* seconds since the epoch */

/* What the provider answered. */
struct answer {
    int granted, failed;
    char token[512];
    int64_t lifetime, refresh_in;
    enum bearer_status status;
    char text[768];
};

static void take_grant(void *context, const struct bearer_grant *grant)
{
    struct answer *answer = context;

    answer->granted++;
    snprintf(answer->token, sizeof answer->token, "%s", grant->access_token);
    answer->lifetime = grant->lifetime;
    answer->refresh_in = grant->refresh_in;
    assert_null(grant->refresh_token);
    assert_null(grant->user);
}

static void take_failure(void *context, const struct bearer_failure *failure)
{
    struct answer *answer = context;

    answer->failed++;
    answer->status = failure->status;
    snprintf(answer->text, sizeof answer->text, "%s", failure->text);
}

static void present(enum presented_by by, const char *text, struct answer *answer)
{
    const struct bearer_option options[] = {
        { .name = "oauth2_provider", .value = "whichever" },
        { .name = "oauth2_token_file", .value = "/run/a token" },
        { .name = "oauth2_token_command", .value = "/usr/bin/az account --private" },
        { .name = "oauth2_token", .value = text },
        { .name = NULL },
    };
    const struct bearer_request request = {
        .abi = BEARER_PROVIDER_ABI,
        .options = options,
        .context = answer,
        .grant = take_grant,
        .fail = take_failure,
    };
    enum bearer_status st;

    memset(answer, 0, sizeof *answer);
    st = presented_fetch(&request, by);
    assert_int_equal(st, answer->status);
    assert_int_equal(answer->granted, st == BEARER_OK);
    assert_int_equal(answer->failed, st != BEARER_OK);
}

static void assert_token(enum presented_by by, const char *text, const char *token, int64_t lifetime)
{
    struct answer answer;

    present(by, text, &answer);
    if (answer.status != BEARER_OK)
        fail_msg("%s: %s", text, answer.text);
    assert_string_equal(answer.token, token);
    if (answer.lifetime > lifetime || answer.lifetime < lifetime - SLACK)
        fail_msg("%s: lives %lld s, not %lld", text, (long long)answer.lifetime, (long long)lifetime);
}

static void assert_refused(enum presented_by by, const char *text, enum bearer_status status, const char *why)
{
    struct answer answer;

    present(by, text, &answer);
    assert_string_equal(answer.text, why);
    assert_int_equal(answer.status, status);
}

/* Lends a time from now in ISO 8601. */
static const char *from_now(int64_t seconds)
{
    time_t when = (time_t)(bearer_now() + seconds);
    char text[64];
    struct tm date;

    assert_non_null(gmtime_r(&when, &date));
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &date);
    return scratch_text("%s", text);
}

/* ------------------------------------------------------------------ programs */

static void az_prints_json_with_two_times(void **state)
{
    (void)state;
    /* Since 2.54: expires_on in epoch seconds; expiresOn is local time and says nothing without its zone. */
    assert_token(
        PRESENTED_BY_COMMAND,
        scratch_text("{\n  \"accessToken\": \"eyJ0.az-token.sig\",\n  \"expiresOn\": \"2001-01-01 00:00:00.000000\",\n"
                     "  \"expires_on\": %lld,\n  \"subscription\": \"00000000-0000-0000-0000-000000000000\",\n"
                     "  \"tenant\": \"11111111-1111-1111-1111-111111111111\",\n  \"tokenType\": \"Bearer\"\n}\n",
                     (long long)bearer_now() + 4000),
        "eyJ0.az-token.sig", 4000);
    /* Before: the token itself tells. */
    assert_token(PRESENTED_BY_COMMAND,
                 "{\"accessToken\": \"" JWT_OF_2100
                 "\", \"expiresOn\": \"2001-01-01 00:00:00.000000\", \"tokenType\": \"Bearer\"}",
                 JWT_OF_2100, YEAR_2100 - bearer_now());
}

static void az_prints_it_alone_if_asked_to(void **state)
{
    (void)state;
    assert_token(PRESENTED_BY_COMMAND, JWT_OF_2100 "\n", JWT_OF_2100,
                 YEAR_2100 - bearer_now()); /* --query accessToken -o tsv */
    assert_token(PRESENTED_BY_COMMAND, "\"" JWT_OF_2100 "\"\n", JWT_OF_2100, YEAR_2100 - bearer_now()); /* without -o tsv */
}

static void az_tsv_of_everything_is_refused(void **state)
{
    (void)state;
    assert_refused(
        PRESENTED_BY_COMMAND, JWT_OF_2100 "\t2030-01-01 00:00:00.000000\t1893456000\tsubscription\ttenant\tBearer\n",
        BEARER_CONFIG,
        "the text printed by '/usr/bin/az' is no token: it has blanks or several lines; it must be the token alone, or "
        "JSON");
}

static void gcloud_prints_it_alone_or_within_a_credential(void **state)
{
    (void)state;
    assert_token(PRESENTED_BY_COMMAND, "ya29.a0AfH6SMBx-_x\n", "ya29.a0AfH6SMBx-_x", 600);
    assert_token(
        PRESENTED_BY_COMMAND,
        scratch_text("{\"configuration\": {\"active_configuration\": \"default\"}, \"credential\": {\"access_token\": "
                     "\"ya29.inner\", \"id_token\": \"x.y.z\", \"token_expiry\": \"%sZ\"}, \"sentinels\": {}}",
                     from_now(1800)),
        "ya29.inner", 1800);
    assert_token(PRESENTED_BY_COMMAND, scratch_text("{\"token\": \"ya29.t\", \"expiry\": \"%s.123456Z\"}", from_now(900)),
                 "ya29.t", 900);
}

static void oama_pizauth_and_mutt_oauth2_print_it_alone(void **state)
{
    (void)state;
    assert_token(PRESENTED_BY_COMMAND,
                 "EwBwA8l6BAAUkj1NuJYtTVha+Mogk+HEiPbQo04AAYa/x==\n", /* mutt_oauth2.py, a personal account */
                 "EwBwA8l6BAAUkj1NuJYtTVha+Mogk+HEiPbQo04AAYa/x==", 600);
    assert_token(PRESENTED_BY_COMMAND, "opaque-token", "opaque-token", 600); /* oama access */
    assert_token(PRESENTED_BY_COMMAND, " \topaque-token \r\n\r\n", "opaque-token", 600);
    assert_token(PRESENTED_BY_COMMAND, JWT_OF_2100, JWT_OF_2100, YEAR_2100 - bearer_now()); /* pizauth show */
}

static void sasl_xoauth2_keeps_a_file_with_more_in_it(void **state)
{
    (void)state;
    assert_token(PRESENTED_BY_FILE,
                 scratch_text("{\n\t\"access_token\" : \"the-token\",\n\t\"expiry\" : \"%lld\",\n\t\"refresh_token\" : "
                              "\"never-looked-at\",\n\t\"user\" : \"alice@contoso.com\"\n}",
                              (long long)bearer_now() + 1200),
                 "the-token", 1200);
}

static void an_endpoints_answer_will_do(void **state)
{
    struct answer answer;

    (void)state;
    assert_token(PRESENTED_BY_COMMAND, "{\"token_type\":\"bearer\",\"expires_in\":\"3599\",\"access_token\":\"t1\"}", "t1",
                 3599);
    assert_token(
        PRESENTED_BY_COMMAND,
        scratch_text("{\"expires_in\":3599,\"expires_on\":\"%lld\",\"access_token\":\"t2\"}", (long long)bearer_now() + 100),
        "t2", 100); /* an answer from a cache */
    present(PRESENTED_BY_COMMAND,
            "{\"access_token\":\"t3\",\"expires_in\":86399,\"refresh_in\":43199,\"refresh_token\":\"r\"}", &answer);
    assert_int_equal(answer.refresh_in, 43199);
}

static void a_file_does_not_tell_how_old_its_answer_is(void **state)
{
    struct answer answer;

    (void)state;
    assert_token(PRESENTED_BY_FILE, "{\"expires_in\":3599,\"access_token\":\"t\"}", "t", 600);
    assert_token(PRESENTED_BY_FILE, "{\"expires_in\":3599,\"access_token\":\"" JWT_OF_2100 "\"}", JWT_OF_2100,
                 YEAR_2100 - bearer_now());
    present(PRESENTED_BY_FILE, "{\"access_token\":\"t\",\"refresh_in\":43199}", &answer);
    assert_int_equal(answer.refresh_in, 0);
}

/* ------------------------------------------------------------------ times */

static void the_first_time_that_can_be_read_counts(void **state)
{
    static const struct {
        const char *before, *after;
    } table[] = {
        { "{\"access_token\":\"t\",\"expires_on\":\"?\",\"expires_at\":", "}" },
        { "{\"access_token\":\"t\",\"expires_on\":null,\"expires_at\":", ".5}" },
        { "{\"access_token\":\"t\",\"expiresOn\":\"", "\",\"expires_in\":1}" },
        { "{\"accessToken\":\"t\",\"token_expiry\":", ",\"expiresOn\":\"2001-01-01T00:00:00Z\"}" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        assert_token(PRESENTED_BY_COMMAND,
                     scratch_text("%s%lld%s", table[i].before, (long long)bearer_now() + 700, table[i].after), "t", 700);
    assert_token(PRESENTED_BY_FILE, scratch_text("{\"access_token\":\"t\",\"expiry\":\"%s+00:00\"}", from_now(800)), "t",
                 800);
    assert_token(PRESENTED_BY_FILE, "{\"access_token\":\"t\",\"expiry\":\"2001-01-01 00:00:00\"}", "t", 600); /* no zone */
    assert_token(PRESENTED_BY_FILE, "{\"access_token\":\"t\",\"expiry\":\"soon\"}", "t", 600);
}

static void an_expired_token_says_when_and_what_is_amiss(void **state)
{
    (void)state;
    assert_refused(PRESENTED_BY_FILE, "{\"access_token\":\"t\",\"expiry\":\"2021-01-01T01:00:00+01:00\"}", BEARER_LATER,
                   "the token in '/run/a token' expired at 2021-01-01 00:00:00 UTC: whatever keeps it fresh is not running");
    assert_refused(
        PRESENTED_BY_COMMAND, JWT_OF_2021 "\n", BEARER_LATER,
        "the token printed by '/usr/bin/az' expired at 2021-01-01 00:00:00 UTC: whatever keeps it fresh is not running");
}

static void a_text_with_two_dots_need_not_be_a_jwt(void **state)
{
    static const char *const tokens[] = {
        "a.b.c",
        "..",
        "eyJhbGciOiJub25lIn0.W10.c2ln" /* [] */,
        "e30.e30.e30" /* {} */,
        "x.eyJleHAiOiJuZXZlciJ9.x" /* {"exp":"never"} */,
        "x.eyJleHAiOjE2MDk0NTkyMDB9.x.y.z" /* encrypted: five parts */,
        "x.eyJleHAiOjE2MDk0NTkyMDB9" /* two */,
        "x.eyJleHAiOjE2MDk0NTky=.x",
    };

    (void)state;
    for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++)
        assert_token(PRESENTED_BY_COMMAND, tokens[i], tokens[i], 600);
}

/* ------------------------------------------------------------------ what is none */

static void nothing_and_half_of_something_pass(void **state)
{
    (void)state;
    assert_refused(PRESENTED_BY_FILE, "", BEARER_LATER, "the text in '/run/a token' is empty");
    assert_refused(PRESENTED_BY_COMMAND, " \n\n", BEARER_LATER, "the text printed by '/usr/bin/az' is empty");
    assert_refused(PRESENTED_BY_FILE, "{\"access_token\":\"abc", BEARER_LATER,
                   "the text in '/run/a token' begins as JSON does, but is none");
    assert_refused(PRESENTED_BY_FILE, "{\"access_token\":\"abc\"} trailing", BEARER_LATER,
                   "the text in '/run/a token' begins as JSON does, but is none");
}

static void something_else_is_for_the_administrator_and_not_shown(void **state)
{
    static const char *const table[][2] = {
        { "To sign in, open https://microsoft.com/devicelogin and enter ABCD",
          "the text printed by '/usr/bin/az' is no token: it has blanks or several lines; it must be the token alone, or "
          "JSON" },
        { "token-one\ntoken-two\n", "the text printed by '/usr/bin/az' is no token: it has blanks or several lines; it must "
                                    "be the token alone, or JSON" },
        { "{}", "the JSON printed by '/usr/bin/az' holds no access_token" },
        { "[\"token\"]", "the JSON printed by '/usr/bin/az' holds no access_token" },
        { "\"\"", "the JSON printed by '/usr/bin/az' holds no access_token" },
        { "{\"access_token\": 17}", "the JSON printed by '/usr/bin/az' holds no access_token" },
        { "{\"access_token\": \"\"}", "the JSON printed by '/usr/bin/az' holds no access_token" },
        { "{\"error\": \"invalid_grant\", \"refresh_token\": \"r\"}",
          "the JSON printed by '/usr/bin/az' holds no access_token" },
        { "{\"access_token\": \"t\", \"token_type\": \"pop\"}", "the token printed by '/usr/bin/az' is not of type Bearer" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        assert_refused(PRESENTED_BY_COMMAND, table[i][0], BEARER_CONFIG, table[i][1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(az_prints_json_with_two_times),
        scratch_test(az_prints_it_alone_if_asked_to),
        scratch_test(az_tsv_of_everything_is_refused),
        scratch_test(gcloud_prints_it_alone_or_within_a_credential),
        scratch_test(oama_pizauth_and_mutt_oauth2_print_it_alone),
        scratch_test(sasl_xoauth2_keeps_a_file_with_more_in_it),
        scratch_test(an_endpoints_answer_will_do),
        scratch_test(a_file_does_not_tell_how_old_its_answer_is),
        scratch_test(the_first_time_that_can_be_read_counts),
        scratch_test(an_expired_token_says_when_and_what_is_amiss),
        scratch_test(a_text_with_two_dots_need_not_be_a_jwt),
        scratch_test(nothing_and_half_of_something_pass),
        scratch_test(something_else_is_for_the_administrator_and_not_shown),
    };

    return run_group("presented", tests);
}
