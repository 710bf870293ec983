/* check_postfix_jail.c - what smtp(8) finds around it: its jail, its sasl.conf, its environment. */
#include "credential/text.h"
#include "tool/check_postfix.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------------ the jail */

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;

    if (file == NULL)
        return NULL;
    if (getdelim(&text, &size, '\0', file) < 0 && text != NULL)
        *text = '\0';
    fclose(file);
    return text != NULL ? text : strdup("");
}

/* The jail has copies of what names are looked up with; they grow old. */
static void look_at_copy(struct postfix *p, const char *name)
{
    char original[64], *copy = bearer_text_format("%s/etc/%s", p->values[QUEUE_DIRECTORY], name), *outside, *inside;

    snprintf(original, sizeof original, "/etc/%s", name);
    if (copy == NULL)
        return;
    outside = read_file(original);
    inside = read_file(copy);
    if (outside == NULL)
        ; /* works without, inside as well */
    else if (inside == NULL)
        check_say_remedy(p->check, strcmp(name, "resolv.conf") == 0 ? CHECK_PROBLEM : CHECK_WARNING, POSTFIX_AREA,
                         bearer_text_format("run cp -L '%s' '%s', then postfix reload", original, copy),
                         "'%s' is missing in the jail, so names may not be found there", copy);
    else if (strcmp(outside, inside) != 0)
        check_say_remedy(p->check, CHECK_WARNING, POSTFIX_AREA,
                         bearer_text_format("run cp -L '%s' '%s', then postfix reload", original, copy),
                         "'%s' in the jail differs from '%s'", copy, original);
    free(outside);
    free(inside);
    free(copy);
}

void postfix_look_at_jail(struct postfix *p)
{
    static const char *const names[] = { "resolv.conf", "hosts", "services", "nsswitch.conf" };
    const struct bearer_config_value *programs =
        &bearer_context_config(p->check->context)->levels[BEARER_LEVEL_SYSTEM].top.values[OPT_JAILED_PROGRAMS];

    if (p->service == NULL || !p->service->jailed) {
        check_say(p->check, CHECK_OK, POSTFIX_AREA, NULL, "smtp(8) works outside of a chroot jail");
        return;
    }
    check_say(p->check, CHECK_OK, POSTFIX_AREA, NULL, "smtp(8) works in the chroot jail '%s'", p->values[QUEUE_DIRECTORY]);
    if (programs->text != NULL && !bearer_text_has_word(programs->text, "smtp"))
        check_say(p->check, CHECK_PROBLEM, POSTFIX_AREA, "add smtp to it, or take the line out",
                  "%s:%u: oauth2_jailed_programs leaves out smtp, which then finds no token in its jail",
                  programs->file->path, programs->line);
    if (access(p->values[QUEUE_DIRECTORY], X_OK) != 0 && check_is_unseen(errno)) {
        check_say_unseen(p->check, POSTFIX_AREA, "this user may not look into the jail");
        return;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        look_at_copy(p, names[i]);
}

/* ------------------------------------------------------------------ names */

static bool is_in_hosts(const char *host)
{
    FILE *file = fopen("/etc/hosts", "re");
    char *line = NULL;
    size_t size = 0;
    bool found = false;

    while (file != NULL && !found && getline(&line, &size, file) > 0) {
        line[strcspn(line, "#\n")] = '\0';
        found = bearer_text_has_word(line, host);
    }
    free(line);
    if (file != NULL)
        fclose(file);
    return found;
}

/* smtp(8) asks DNS and nothing else, unless it is told. */
static void look_at_name(struct postfix *p, const struct postfix_login *login)
{
    const char *lookup = postfix_setting(p, login->service, HOST_LOOKUP);
    char *host = postfix_bare_host(login->relay);

    if (postfix_is_set(host) && strcmp(host, "localhost") != 0 && postfix_is_set(lookup) &&
        strstr(lookup, "native") == NULL && is_in_hosts(host))
        check_say_remedy(p->check, CHECK_WARNING, POSTFIX_AREA, postfix_set(login->service, HOST_LOOKUP, "native,dns"),
                         "/etc/hosts has an address for %s, but smtp_host_lookup%s is '%s': Postfix does not look there",
                         host, postfix_whose(login->service, HOST_LOOKUP), lookup);
    free(host);
}

void postfix_look_at_names(struct postfix *p)
{
    for (const struct postfix_login *login = p->logins; login != NULL; login = login->next)
        if ((login->service->ours || login->service == p->service) && postfix_is_first(p, login))
            look_at_name(p, login);
}

/* ------------------------------------------------------------------ which sasl.conf */

/* Gives what import_environment sets a variable to: "NAME=VALUE", also in braces.  Free it. */
static char *imported(const struct postfix *p, const char *name)
{
    size_t length = strlen(name);

    for (const char *at = p->values[IMPORT_ENVIRONMENT]; (at = strstr(at, name)) != NULL; at += length)
        if (at[length] == '=' && (at == p->values[IMPORT_ENVIRONMENT] || strchr(" ,{", at[-1]) != NULL))
            return strndup(at + length + 1, strcspn(at + length + 1, " ,}"));
    return NULL;
}

/* What this user may not see may well be there. */
static bool may_be_there(const char *path)
{
    return path != NULL && (access(path, F_OK) == 0 || check_is_unseen(errno));
}

/* Gives the first sasl.conf on a path, or NULL; there may be its drop-ins only.  Free it. */
static char *find_conf(const char *path)
{
    char *copy = strdup(path), *rest = copy, *found = NULL;

    for (const char *directory; rest != NULL && found == NULL && (directory = strsep(&rest, ":")) != NULL;) {
        char *conf = bearer_text_format("%s/sasl.conf", directory),
             *drop_ins = bearer_text_format("%s.d", conf != NULL ? conf : "");

        if (*directory == '/' && (may_be_there(conf) || may_be_there(drop_ins))) {
            found = conf;
            conf = NULL; /* given */
        }
        free(conf);
        free(drop_ins);
    }
    free(copy);
    return found;
}

/* The path on which smtp(8) looks: what it is given, then what it was built with (Debian's begins with its own directory).
 */
static char *postfix_path(const struct postfix *p)
{
    char *wanted = imported(p, "SASL_CONF_PATH"), *path;
    const char *own = p->values[CYRUS_CONFIG_PATH];

    path = bearer_text_format("%s:%s%s:" SYSCONFDIR "/sasl2:/usr/lib/sasl2:/etc/sasl2", wanted != NULL ? wanted : "",
                              postfix_is_set(own) ? own : p->values[CONFIG_DIRECTORY], postfix_is_set(own) ? "" : "/sasl");
    free(wanted);
    return path;
}

void postfix_look_at_conf(struct postfix *p)
{
    const struct bearer_config_file *ours = bearer_context_config(p->check->context)->levels[BEARER_LEVEL_SYSTEM].files;
    char *path = postfix_path(p), *theirs = path != NULL ? find_conf(path) : NULL;

    if (p->check->arguments->choice->conf != NULL)
        check_say(p->check, CHECK_SKIPPED, POSTFIX_AREA, NULL, "Postfix reads %s, not what --conf says",
                  theirs != NULL ? theirs : "no sasl.conf");
    else if (theirs == NULL)
        check_say(p->check, CHECK_PROBLEM, POSTFIX_AREA, "put it into " SYSCONFDIR "/sasl2",
                  "Postfix finds no sasl.conf: it looks in '%s'", path != NULL ? path : "");
    else if (ours == NULL)
        check_say(p->check, CHECK_SKIPPED, POSTFIX_AREA, NULL, "Postfix reads '%s', which this user does not", theirs);
    else if (strncmp(ours->path, theirs, strlen(theirs)) != 0)
        check_say(p->check, CHECK_PROBLEM, POSTFIX_AREA,
                  "have one sasl.conf for all; or say --conf, to look at what Postfix reads",
                  "Postfix reads '%s', this command '%s'", theirs, ours->path);
    else
        check_say(p->check, CHECK_OK, POSTFIX_AREA, NULL, "Postfix reads '%s', too", theirs);
    free(theirs);
    free(path);
}

/* master(8) starts its programs with an environment of its own: what completes an account here is missing there. */
void postfix_look_at_environment(struct postfix *p)
{
    static const char *const variables[] = {
        "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST", "IDENTITY_ENDPOINT",
        "SASL_CONF_PATH",  "SASL_PATH"
    };

    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        if (postfix_is_set(getenv(variables[i])) && strstr(p->values[IMPORT_ENVIRONMENT], variables[i]) == NULL)
            check_say_remedy(
                p->check, CHECK_WARNING, POSTFIX_AREA,
                bearer_text_format("if it is needed, add %s=VALUE to import_environment in main.cf, then restart Postfix",
                                   variables[i]),
                "the environment variable %s is set here, but does not reach Postfix", variables[i]);
}
