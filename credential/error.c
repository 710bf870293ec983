/* error.c - see error.h */
#include "credential/error.h"

#include <sasl/sasl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static const struct bearer_status_row status_rows[BEARER_STATUS_COUNT] = {
    [BEARER_OK] = { "ok", SASL_OK, EX_OK, "nobody" },
    [BEARER_LATER] = { "later", SASL_UNAVAIL, EX_TEMPFAIL, "nobody: it passes" },
    [BEARER_SIGN_IN] = { "sign_in", SASL_EXPIRED, EX_NOPERM, "the user: sign in" },
    [BEARER_REFUSED] = { "refused", SASL_BADAUTH, EX_NOPERM, "the administrator in Entra" },
    [BEARER_CONFIG] = { "config", SASL_CONFIGERR, EX_CONFIG, "the administrator here" },
    [BEARER_NO_ACCOUNT] = { "no_account", SASL_NOUSER, EX_CONFIG, "the administrator here" },
    [BEARER_PEER] = { "peer", SASL_UNAVAIL, EX_TEMPFAIL, "the server's people" },
    [BEARER_LOCAL] = { "local", SASL_UNAVAIL, EX_TEMPFAIL, "the administrator here" },
    [BEARER_USAGE] = { "usage", SASL_BADPARAM, EX_USAGE, "the calling program" },
    [BEARER_NOMEM] = { "nomem", SASL_NOMEM, EX_TEMPFAIL, "the administrator here" },
    [BEARER_BUG] = { "bug", SASL_BADPARAM, EX_SOFTWARE, "the authors of sasl-bearer" },
};

const struct bearer_status_row *bearer_status_row(enum bearer_status status)
{
    if ((unsigned)status >= BEARER_STATUS_COUNT)
        status = BEARER_BUG;
    return &status_rows[status];
}

enum bearer_status bearer_fail(struct bearer_error *err, enum bearer_status status, const char *format, ...)
{
    va_list arguments;

    if (err == NULL || err->status != BEARER_OK)
        return status;
    err->status = status;
    va_start(arguments, format);
    vsnprintf(err->text, sizeof err->text, format, arguments);
    va_end(arguments);
    return status;
}

void bearer_error_prepend(struct bearer_error *err, const char *format, ...)
{
    char text[sizeof err->text];
    va_list arguments;
    int length;

    if (err == NULL)
        return;
    memcpy(text, err->text, sizeof text);
    va_start(arguments, format);
    length = vsnprintf(err->text, sizeof err->text, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length < sizeof err->text)
        snprintf(err->text + length, sizeof err->text - (size_t)length, "%s", text);
}

const char *bearer_error_cause(const struct bearer_error *err)
{
    return err->cause[0] != '\0' ? err->cause : bearer_status_row(err->status)->name;
}

void bearer_error_clear(struct bearer_error *err)
{
    if (err != NULL)
        *err = (struct bearer_error)BEARER_ERROR_INIT;
}
