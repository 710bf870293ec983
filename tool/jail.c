/* jail.c - see jail.h */
#include "tool/jail.h"

#include "credential/text.h"
#include "tool/check_probe.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------------ asking */

/* Writes what postconf says to these arguments.  False: nothing, or more than there is room for. */
static bool ask(const char *arguments, char *out, size_t size)
{
    char *program = probe_find("postconf");
    char *output = program != NULL ? probe_run("%s %s", program, arguments) : NULL;
    bool known = output != NULL && (size_t)snprintf(out, size, "%s", output) < size;

    if (!known)
        out[0] = '\0';
    free(output);
    free(program);
    return known;
}

/* `-` in master.cf means no since Postfix 3.0, unless main.cf is older. */
static bool is_jailed(void)
{
    char chroot_field[16], level[32];

    if (!ask("-Fh smtp/unix/chroot", chroot_field, sizeof chroot_field))
        return false;
    if (chroot_field[0] != '-')
        return chroot_field[0] == 'y';
    return ask("-h compatibility_level", level, sizeof level) && strcmp(level, "0") == 0;
}

bool jail_find(struct jail *jail)
{
    const struct passwd *owner;

    *jail = (struct jail){ .uid = 0 };
    if (!ask("-xh mail_owner", jail->user, sizeof jail->user) || (owner = getpwnam(jail->user)) == NULL ||
        owner->pw_uid == 0 || !ask("-xh import_environment", jail->environment, sizeof jail->environment))
        return false;
    jail->uid = owner->pw_uid;
    jail->gid = owner->pw_gid;
    (void)ask("-xh smtp_tls_CAfile", jail->ca_file, sizeof jail->ca_file); /* which may be empty */
    return !is_jailed() || ask("-xh queue_directory", jail->directory, sizeof jail->directory);
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
    if (jail->directory[0] != '\0' && (chroot(jail->directory) != 0 || chdir("/") != 0))
        return bearer_fail(err, BEARER_LOCAL, "cannot enter the jail '%s': %m", jail->directory);
    if (setgid(jail->gid) != 0 || setgroups(1, &jail->gid) != 0 || setuid(jail->uid) != 0)
        return bearer_fail(err, BEARER_LOCAL, "cannot become user '%s': %m", jail->user);
    return BEARER_OK;
}
