/* jail.c - see jail.h */
#include "tool/jail.h"

#include "credential/text.h"
#include "tool/check_postfix.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------------ asking */

/* False: there is more of it than room. */
static bool take(const char *value, char *out, size_t size)
{
    return (size_t)snprintf(out, size, "%s", value) < size;
}

static bool take_owner(struct jail *jail, const char *name)
{
    const struct passwd *owner = getpwnam(name);

    if (owner == NULL || owner->pw_uid == 0 || !take(name, jail->user, sizeof jail->user))
        return false;
    jail->uid = owner->pw_uid;
    jail->gid = owner->pw_gid;
    return true;
}

bool jail_find(struct jail *jail)
{
    struct postfix p = { .check = NULL };
    bool found;

    *jail = (struct jail){ .uid = 0 };
    found = postfix_ask(&p) && take_owner(jail, p.values[MAIL_OWNER]) &&
            take(p.values[IMPORT_ENVIRONMENT], jail->environment, sizeof jail->environment) &&
            take(postfix_setting(&p, p.service, TLS_CA_FILE), jail->ca_file, sizeof jail->ca_file);
    if (found && p.service != NULL && p.service->jailed)
        found = take(p.values[QUEUE_DIRECTORY], jail->directory, sizeof jail->directory);
    postfix_clear(&p);
    return found;
}

/* ------------------------------------------------------------------ the environment */

/* Takes one element of the list: a word, or anything between braces. */
static bool next_element(char **rest, char **element)
{
    char *start = *rest + strspn(*rest, ", \t\r\n");
    bool braced = *start == '{';
    char *end;

    if (*start == '\0')
        return false;
    start += braced ? 1 + strspn(start + 1, " \t") : 0;
    end = start + strcspn(start, braced ? "}" : ", \t\r\n");
    *rest = *end != '\0' ? end + 1 : end;
    *end = '\0';
    while (braced && end > start && strchr(" \t", end[-1]) != NULL)
        *--end = '\0';
    *element = start;
    return true;
}

/* NAME keeps a variable as it is, NAME=VALUE sets it (postconf(5), import_environment). */
void jail_set_environment(const struct jail *jail)
{
    char list[sizeof jail->environment], *rest = list, *element;
    char *kept[64];
    size_t count = 0;

    memcpy(list, jail->environment, sizeof list);
    while (count < sizeof kept / sizeof kept[0] && next_element(&rest, &element)) {
        const char *value = strchr(element, '=') == NULL ? getenv(element) : NULL;
        char *variable = strchr(element, '=') != NULL ? strdup(element)
                         : value != NULL              ? bearer_text_format("%s=%s", element, value)
                                                      : NULL;

        if (variable != NULL)
            kept[count++] = variable;
    }
    clearenv();
    for (size_t i = 0; i < count; i++)
        putenv(kept[i]); /* which keeps it */
    setenv("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin", 0);
}

/* ------------------------------------------------------------------ entering */

enum bearer_status jail_enter(const struct jail *jail, struct bearer_error *err)
{
    /* The groups first, as Postfix does: inside there may be no /etc/group. */
    if (setgid(jail->gid) != 0 || initgroups(jail->user, jail->gid) != 0)
        return bearer_fail(err, BEARER_LOCAL, "cannot take the groups of user '%s': %m", jail->user);
    if (jail->directory[0] != '\0' && (chroot(jail->directory) != 0 || chdir("/") != 0))
        return bearer_fail(err, BEARER_LOCAL, "cannot enter the jail '%s': %m", jail->directory);
    if (setuid(jail->uid) != 0)
        return bearer_fail(err, BEARER_LOCAL, "cannot become user '%s': %m", jail->user);
    return BEARER_OK;
}
