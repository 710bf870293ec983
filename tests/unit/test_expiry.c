/* test_expiry.c - when a token ends, however it is told. */
#include "provider/expiry.h"
#include "tests/unit/scratch.h"

#include <string.h>

#define NOW  INT64_C(1767225600) /* 2026-01-01T00:00:00Z */
#define HOUR 3600

static json_t *parsed(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);

    assert_non_null(value);
    return value;
}

static void a_point_in_time_is_read_in_every_form(void **state)
{
    static const struct {
        const char *json;
        int64_t epoch; /* 0 = it is none */
    } rows[] = {
        /* numbers: from now, or since the epoch */
        { "3600", NOW + HOUR },
        { "\"3600\"", NOW + HOUR },
        { "3600.9", NOW + HOUR },
        { "\"3600.9\"", NOW + HOUR },
        { "\"3600.\"", NOW + HOUR },
        { "0", NOW },
        { "978307199", NOW + 978307199 },
        { "978307200", 978307200 },
        { "1767229200", NOW + HOUR },
        { "\"1767229200\"", NOW + HOUR },
        { "1767229200.5", NOW + HOUR },
        { "9223372036854775807", INT64_MAX },
        { "\"99999999999999999999999999\"", INT64_MAX },
        { "1e300", INT64_MAX },
        /* ISO 8601 */
        { "\"2026-01-01T01:00:00Z\"", NOW + HOUR },
        { "\"2026-01-01t01:00:00z\"", NOW + HOUR },
        { "\"2026-01-01 01:00:00Z\"", NOW + HOUR },
        { "\"2026-01-01T01:00Z\"", NOW + HOUR },
        { "\"2026-01-01T01:00:00.123456Z\"", NOW + HOUR },
        { "\"2026-01-01T03:00:00+02:00\"", NOW + HOUR },
        { "\"2026-01-01T03:00:00+0200\"", NOW + HOUR },
        { "\"2026-01-01T03:00:00+02\"", NOW + HOUR },
        { "\"2026-01-01T03:00:00 +02:00\"", NOW + HOUR },
        { "\"2025-12-31T19:30:00-05:30\"", NOW + HOUR },
        { "\"2024-02-29T00:00:00Z\"", 1709164800 },
        { "\"2024-03-01T00:00:00Z\"", 1709251200 },
        { "\"2000-02-29T12:00:00Z\"", 951825600 },
        { "\"2100-03-01T00:00:00Z\"", 4107542400 },
        { "\"2038-01-19T03:14:08Z\"", 2147483648 },
        /* App Service as it was */
        { "\"1/1/2026 1:00:00 AM +00:00\"", NOW + HOUR },
        { "\"01/01/2026 01:00:00 +00:00\"", NOW + HOUR },
        { "\"1/1/2026 12:30:00 AM +00:00\"", NOW + HOUR / 2 },
        { "\"1/1/2026 12:30:00 PM +00:00\"", NOW + 12 * HOUR + HOUR / 2 },
        { "\"1/1/2026 1:00:00 PM +00:00\"", NOW + 13 * HOUR },
        { "\"1/1/2026 13:00:00 PM +00:00\"", NOW + 13 * HOUR },
        { "\"12/31/2025 8:00:00 PM -05:00\"", NOW + HOUR },
        /* no points in time */
        { "null", 0 },
        { "true", 0 },
        { "{}", 0 },
        { "[3600]", 0 },
        { "-1", 0 },
        { "-0.5", 0 },
        { "\"-1\"", 0 },
        { "\"\"", 0 },
        { "\" 3600\"", 0 },
        { "\"3600 \"", 0 },
        { "\"3600s\"", 0 },
        { "\"1e3\"", 0 },
        { "\"0x10\"", 0 },
        { "\"soon\"", 0 },
        { "\"2026-01-01\"", 0 },
        { "\"2026-01-01T01:00:00\"", 0 },
        { "\"2026-01-01 01:00:00.000000\"", 0 },
        { "\"2026-01-01T01:00:00Zulu\"", 0 },
        { "\"2026-01-01T01:00:00+\"", 0 },
        { "\"2026-01-01T01:00:00+1\"", 0 },
        { "\"2026-01-01T01:00:00+01:\"", 0 },
        { "\"2026-01-01T01:00:00+24:00\"", 0 },
        { "\"2026-01-01T01:00:00+00:60\"", 0 },
        { "\"2026-13-01T01:00:00Z\"", 0 },
        { "\"2026-00-01T01:00:00Z\"", 0 },
        { "\"2026-02-29T01:00:00Z\"", 0 },
        { "\"2100-02-29T01:00:00Z\"", 0 },
        { "\"2026-01-00T01:00:00Z\"", 0 },
        { "\"2026-04-31T01:00:00Z\"", 0 },
        { "\"2026-01-01T24:00:00Z\"", 0 },
        { "\"2026-01-01T01:60:00Z\"", 0 },
        { "\"2026-01-01T01:00:61Z\"", 0 },
        { "\"2026-1-1T01:00:00Z\"", 0 },
        { "\"20260101T010000Z\"", 0 },
        { "\"1969-12-31T23:59:59Z\"", 0 },
        { "\"31/12/2026 01:00:00 +00:00\"", 0 },
        { "\"1/1/2026 1:00:00 AM\"", 0 },
        { "\"1/1/2026 1:00:00 XM +00:00\"", 0 },
        { "\"1/1/26 1:00:00 AM +00:00\"", 0 },
    };
    const typeof(rows[0]) *row;

    (void)state;
    for_each_row(row, rows)
    {
        json_t *value = parsed(row->json);
        int64_t epoch = -1;
        bool read = expiry_read(value, NOW, &epoch);

        if (read != (row->epoch != 0) || epoch != row->epoch)
            fail_msg("%s is read as %lld, it should be %lld", row->json, (long long)epoch, (long long)row->epoch);
        json_decref(value);
    }
}

static void what_is_not_there_is_no_point_in_time(void **state)
{
    int64_t epoch = -1, seconds = -1;

    (void)state;
    assert_false(expiry_read(NULL, NOW, &epoch));
    assert_int_equal(epoch, 0);
    assert_false(expiry_seconds(NULL, &seconds));
    assert_int_equal(seconds, 0);
}

static void seconds_come_as_number_or_text(void **state)
{
    static const struct {
        const char *json;
        int64_t seconds; /* -1 = none */
    } rows[] = {
        { "3599", 3599 },  { "\"3599\"", 3599 }, { "3599.9", 3599 },     { "\"3599.9\"", 3599 },
        { "0", 0 },        { "\"0\"", 0 },       { "1e300", INT64_MAX }, { "2000000000", 2000000000 },
        { "-1", -1 },      { "\"-1\"", -1 },     { "\"\"", -1 },         { "\".5\"", -1 },
        { "true", -1 },    { "[]", -1 },         { "null", -1 },         { "\"an hour\"", -1 },
        { "\"1,5\"", -1 },
    };
    const typeof(rows[0]) *row;

    (void)state;
    for_each_row(row, rows)
    {
        json_t *value = parsed(row->json);
        int64_t seconds = -1;
        bool read = expiry_seconds(value, &seconds);

        if (read != (row->seconds >= 0) || seconds != (read ? row->seconds : 0))
            fail_msg("%s is read as %lld seconds, it should be %lld", row->json, (long long)seconds,
                     (long long)row->seconds);
        json_decref(value);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_point_in_time_is_read_in_every_form),
        cmocka_unit_test(what_is_not_there_is_no_point_in_time),
        cmocka_unit_test(seconds_come_as_number_or_text),
    };

    return run_group("expiry", tests);
}
