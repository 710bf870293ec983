/* error.h - what went wrong, who must act, and the words for it.
 *
 * Functions that can fail return an enum bearer_status and put a text into *err, which may be NULL.  The first text wins:
 * a caller may put in front where it was, not replace.  Texts read `cannot open '/etc/sasl2/relay.pem': Permission denied`:
 * lower case, what failed, its subject in quotes, the cause last, then the remedy, no full stop.
 */
#ifndef BEARER_ERROR_H
#define BEARER_ERROR_H

#include "credential/provider.h"

#include <stddef.h>
#include <stdint.h>

struct bearer_error {
    enum bearer_status status;
    int64_t retry_after; /* seconds the other side asked us to stay away, 0 = not told */
    char cause[32];      /* one word for machines; empty = the status' name */
    char text[768];
};

#define BEARER_ERROR_INIT { BEARER_OK, 0, "", "" }

/* What a status means to each kind of host. */
struct bearer_status_row {
    const char *name;    /* for `cause=` in logs */
    int sasl_code;       /* the one whose sasl_errstring() fits; never SASL_FAIL, "generic failure" */
    int exit_code;       /* sysexits(3) */
    const char *summary; /* for tables: who must act */
};

/* Lends the row of a status; one that is out of range counts as BEARER_BUG. */
const struct bearer_status_row *bearer_status_row(enum bearer_status status);

/* Sets status and text, unless *err already has one.  Returns status.  %m works as in syslog(3). */
enum bearer_status bearer_fail(struct bearer_error *err, enum bearer_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts words in front of the text. */
void bearer_error_prepend(struct bearer_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The one word for machines. */
const char *bearer_error_cause(const struct bearer_error *err);

void bearer_error_clear(struct bearer_error *err);

#endif
