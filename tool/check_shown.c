/* check_shown.c - what --report makes of a check: it begins with versions, and names what must not be shown. */
#include "credential/text.h"
#include "tool/check.h"

#include <pwd.h>
#include <sasl/sasl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* ------------------------------------------------------------------ versions */

/* The value of PRETTY_NAME in os-release(5), without its quotes. */
static void read_distribution(char *out, size_t size)
{
    static const char key[] = "PRETTY_NAME=";
    FILE *file = fopen("/etc/os-release", "re");
    char line[256];

    snprintf(out, size, "unknown");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, key, sizeof key - 1) == 0) {
            char *value = line + sizeof key - 1 + strspn(line + sizeof key - 1, "\"'");

            value[strcspn(value, "\"'\n")] = '\0';
            snprintf(out, size, "%s", value);
        }
    if (file != NULL)
        fclose(file);
}

/* What whoever reads the report wants to know first. */
static void say_versions(struct check *check)
{
    const char *implementation, *version;
    char distribution[128];
    struct utsname system;

    sasl_version_info(&implementation, &version, NULL, NULL, NULL, NULL);
    read_distribution(distribution, sizeof distribution);
    if (uname(&system) != 0)
        return;
    check_say(check, CHECK_OK, "versions", NULL, "sasl-bearer %s, %s %s", PACKAGE_VERSION, implementation, version);
    check_say(check, CHECK_OK, "versions", NULL, "%s, %s %s, %s", distribution, system.sysname, system.release,
              system.machine);
}

/* ------------------------------------------------------------------ names */

/* What this machine and this user are called. */
static void hide_surroundings(struct report *report)
{
    const struct passwd *entry = getpwuid(geteuid());
    struct utsname system;

    report_hide(report, "home", getenv("HOME"));
    report_hide(report, "user", getenv("LOGNAME"));
    report_hide(report, "user", getenv("SUDO_USER"));
    if (entry != NULL) {
        report_hide(report, "home", entry->pw_dir);
        report_hide(report, "user", entry->pw_name);
    }
    if (uname(&system) != 0)
        return;
    report_hide(report, "host", system.nodename);
    system.nodename[strcspn(system.nodename, ".")] = '\0';
    report_hide(report, "host", system.nodename);
}

/* The name of an organisation, which is half of its domain: contoso of contoso.onmicrosoft.com. */
static void hide_domain(struct report *report, const char *domain)
{
    size_t length = domain != NULL ? strcspn(domain, ".") : 0;
    char *name = length >= 4 && domain[length] == '.' ? strndup(domain, length) : NULL;

    report_hide(report, "domain", domain);
    if (name != NULL && bearer_service_cloud(domain) == NULL &&
        !bearer_text_has_word("outlook login gmail imap smtp mail office365", name))
        report_hide(report, "name", name);
    free(name);
}

static void hide_mailbox(struct report *report, const char *name)
{
    const char *at = name != NULL ? strrchr(name, '@') : NULL;

    if (at != NULL)
        hide_domain(report, at + 1);
    report_hide(report, "user", name);
}

static void hide_words(struct report *report, const char *kind, const char *text)
{
    const char *word;
    size_t length;

    while (text != NULL && bearer_text_word(&text, &word, &length)) {
        char *copy = strndup(word, length);

        report_hide(report, kind, copy);
        free(copy);
    }
}

static void hide_section(struct report *report, const struct bearer_section *section)
{
    const struct bearer_config_value *values = section->values;

    hide_mailbox(report, section->pattern);
    hide_mailbox(report, values[OPT_IDENTITY].text);
    hide_domain(report, values[OPT_TENANT].text);
    report_hide(report, "tenant", values[OPT_TENANT].text);
    report_hide(report, "client", values[OPT_CLIENT_ID].text);
    report_hide(report, "identity", values[OPT_MANAGED_IDENTITY].text);
    report_hide(report, "secret", values[OPT_CLIENT_SECRET].text);
    hide_words(report, "scope", values[OPT_SCOPE].text);
}

/* All that sasl.conf says of people, places and applications. */
static void hide_configuration(struct check *check)
{
    bearer_context_hush(check->context); /* it would tell things beside the report */
    report_hide(check->report, "tenant", getenv("AZURE_TENANT_ID"));
    report_hide(check->report, "client", getenv("AZURE_CLIENT_ID"));
    hide_mailbox(check->report, check->user);
    for (int level = 0; level < BEARER_LEVEL_COUNT; level++) {
        hide_section(check->report, &bearer_context_config(check->context)->levels[level].top);
        for (const struct bearer_section *section = bearer_context_config(check->context)->levels[level].sections;
             section != NULL; section = section->next)
            hide_section(check->report, section);
    }
}

/* ------------------------------------------------------------------ the beginning */

bool check_report_begin(struct check *check)
{
    check->report = report_new();
    if (check->report == NULL)
        return false;
    hide_surroundings(check->report);
    hide_configuration(check);
    say_versions(check);
    return true;
}
