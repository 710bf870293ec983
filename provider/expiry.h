/* expiry.h - when a token ends, in all the forms in which somebody tells it. */
#ifndef BEARER_EXPIRY_H
#define BEARER_EXPIRY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Reads a point in time, as epoch seconds; now is the time of day.  False (and 0) if it is none.
 *
 *     3599, "3599", 3599.5         below 978307200 (the year 2001): seconds from now
 *     1767229200, "1767229200"     else seconds since the epoch
 *     2026-01-01T01:00:00Z         ISO 8601; the zone is required, seconds and their fraction are not, a blank may stand for
 * T 1/1/2026 1:00:00 AM +00:00   month first, as App Service wrote once; without AM and PM the hour is one of 24
 *
 * A time without a zone is no point in time: whoever wrote it may have meant any. */
bool expiry_read(const json_t *value, int64_t now, int64_t *epoch_out);

/* The same of a text. */
bool expiry_read_text(const char *text, int64_t now, int64_t *epoch_out);

/* Reads a number of seconds that may come as integer, real or string, and cuts it to a whole one.  False (and 0) if it is
 * none of them or negative. */
bool expiry_seconds(const json_t *value, int64_t *seconds_out);

#endif
