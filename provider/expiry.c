/* expiry.c - see expiry.h.  No strptime(), strtod() or timegm(): they follow the host's locale and time zone. */
#include "provider/expiry.h"

#include <stdlib.h>
#include <string.h>

#define YEAR_2001 978307200 /* seconds since the epoch; a smaller number counts from now */
#define DAY       86400

/* ------------------------------------------------------------------ numbers */

/* Digits, and perhaps a fraction that is cut off. */
static bool decimal(const char *text, int64_t *number_out)
{
    size_t digits = strspn(text, "0123456789"), length = digits;

    if (text[length] == '.')
        length += 1 + strspn(text + length + 1, "0123456789");
    if (digits == 0 || text[length] != '\0')
        return false;
    *number_out = digits < 18 ? strtoll(text, NULL, 10) : INT64_MAX;
    return true;
}

bool expiry_seconds(const json_t *value, int64_t *seconds_out)
{
    int64_t number = -1;

    if (json_is_string(value))
        decimal(json_string_value(value), &number);
    else if (json_is_integer(value))
        number = json_integer_value(value);
    else if (json_is_real(value) && json_real_value(value) >= 0)
        number = json_real_value(value) < 9e15 ? (int64_t)json_real_value(value) : INT64_MAX;
    *seconds_out = number >= 0 ? number : 0;
    return number >= 0;
}

static int64_t counted(int64_t number, int64_t now)
{
    return number < YEAR_2001 ? now + number : number;
}

/* ------------------------------------------------------------------ dates */

struct date {
    int64_t year, month, day, hour, minute, second;
    int64_t east; /* minutes that the zone is ahead of UTC */
};

/* Takes a number of so many digits. */
static bool digits(const char **at, int least, int most, int64_t *number_out)
{
    int count = 0;

    for (*number_out = 0; count < most && **at >= '0' && **at <= '9'; count++)
        *number_out = *number_out * 10 + *(*at)++ - '0';
    return count >= least;
}

/* Takes one character if it is one of these. */
static bool one_of(const char **at, const char *characters)
{
    bool found = **at != '\0' && strchr(characters, **at) != NULL;

    *at += found;
    return found;
}

/* hh:mm[:ss[.fraction]] */
static bool time_of_day(const char **at, struct date *date)
{
    if (!digits(at, 1, 2, &date->hour) || !one_of(at, ":") || !digits(at, 2, 2, &date->minute))
        return false;
    if (one_of(at, ":") && !digits(at, 2, 2, &date->second))
        return false;
    if (one_of(at, "."))
        *at += strspn(*at, "0123456789");
    return true;
}

/* AM or PM, if one stands there.  App Service has also written 13:00:00 PM. */
static void half_day(const char **at, struct date *date)
{
    bool afternoon = strncmp(*at, " PM", 3) == 0;

    if (!afternoon && strncmp(*at, " AM", 3) != 0)
        return;
    *at += 3;
    if (afternoon && date->hour < 12)
        date->hour += 12;
    else if (!afternoon && date->hour == 12)
        date->hour = 0;
}

/* Z, +hh:mm, +hhmm or +hh, perhaps behind a blank, and then nothing more. */
static bool zone(const char *at, struct date *date)
{
    int64_t hours, minutes = 0;
    bool west;

    one_of(&at, " ");
    if (one_of(&at, "Zz"))
        return *at == '\0';
    west = *at == '-';
    if (!one_of(&at, "+-") || !digits(&at, 2, 2, &hours))
        return false;
    if ((one_of(&at, ":") || *at != '\0') && !digits(&at, 2, 2, &minutes))
        return false;
    date->east = (hours * 60 + minutes) * (west ? -1 : 1);
    return hours < 24 && minutes < 60 && *at == '\0';
}

static bool iso_8601(const char *at, struct date *date)
{
    return digits(&at, 4, 4, &date->year) && one_of(&at, "-") && digits(&at, 2, 2, &date->month) && one_of(&at, "-") &&
           digits(&at, 2, 2, &date->day) && one_of(&at, "Tt ") && time_of_day(&at, date) && zone(at, date);
}

static bool month_first(const char *at, struct date *date)
{
    if (!digits(&at, 1, 2, &date->month) || !one_of(&at, "/") || !digits(&at, 1, 2, &date->day) || !one_of(&at, "/") ||
        !digits(&at, 4, 4, &date->year) || !one_of(&at, " ") || !time_of_day(&at, date))
        return false;
    half_day(&at, date);
    return zone(at, date);
}

static bool in_calendar(const struct date *date)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = date->year % 4 == 0 && (date->year % 100 != 0 || date->year % 400 == 0);

    return date->year >= 1970 && date->month >= 1 && date->month <= 12 && date->day >= 1 &&
           date->day <= days[date->month - 1] + (leap && date->month == 2) && date->hour < 24 && date->minute < 60 &&
           date->second <= 60;
}

/* Counts years from March on, so that a leap day is a year's last. */
static int64_t epoch_of(const struct date *date)
{
    int64_t year = date->year - (date->month <= 2), month = (date->month + 9) % 12;
    int64_t days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + date->day - 1 - 719468;

    return days * DAY + date->hour * 3600 + (date->minute - date->east) * 60 + date->second;
}

bool expiry_read_text(const char *text, int64_t now, int64_t *epoch_out)
{
    struct date iso = { 0 }, american = { 0 };
    int64_t number;

    *epoch_out = 0;
    if (decimal(text, &number))
        *epoch_out = counted(number, now);
    else if (iso_8601(text, &iso) && in_calendar(&iso))
        *epoch_out = epoch_of(&iso);
    else if (month_first(text, &american) && in_calendar(&american))
        *epoch_out = epoch_of(&american);
    else
        return false;
    return true;
}

bool expiry_read(const json_t *value, int64_t now, int64_t *epoch_out)
{
    int64_t number;

    *epoch_out = 0;
    if (json_is_string(value))
        return expiry_read_text(json_string_value(value), now, epoch_out);
    if (!expiry_seconds(value, &number))
        return false;
    *epoch_out = counted(number, now);
    return true;
}
