/* credential_end.c - a word in time before an application's secret or certificate ends. */
#include "credential/clock.h"
#include "credential/renewal.h"
#include "tool/command.h"

#include <stdio.h>
#include <time.h>

bool command_credential_end(const struct bearer_account *account, const struct bearer_token *token, char *out, size_t size)
{
    const char *what;
    int64_t ends = bearer_account_credential_end(account, token, &what), now = bearer_now();
    time_t day = (time_t)ends;
    char date[16] = "", life[32];
    struct tm broken_down;

    if (!bearer_credential_ends_soon(ends, now))
        return false;
    if (gmtime_r(&day, &broken_down) != NULL)
        strftime(date, sizeof date, "%Y-%m-%d", &broken_down);
    if (ends > now)
        snprintf(out, size, "the %s ends in %s, on %s: make a new one, add it to the registration, then put it in place of the old",
                 what, command_duration(ends - now, life, sizeof life), date);
    else
        snprintf(out, size, "the %s ended on %s: make a new one and add it to the registration", what, date);
    return true;
}
