/* check_configuration.c - which sasl.conf was read, what it comes to and where each value stands, sections that nobody
 * reaches, and whether the files it names are as they must be.
 *
 * A doctor sees what callers of credential/context.h do not: the configuration behind the context. */
#include "credential/account_build.h"
#include "credential/holder.h"
#include "credential/clock.h"
#include "credential/places.h"
#include "credential/text.h"
#include "credential/trusted_file.h"
#include "tool/check.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AREA        "configuration"
#define CONTENT_MAX 65536 /* bytes, as when a login reads them */

static const char *const level_names[BEARER_LEVEL_COUNT] = {
    [BEARER_LEVEL_USER] = "the user's", [BEARER_LEVEL_SYSTEM] = "the system's"
};

/* ------------------------------------------------------------------ files */

/* Whoever may write where sasl.conf is decides what becomes of every token. */
static void look_at_directory(struct check *check, const char *file)
{
    char *copy = strdup(file), *directory = copy != NULL ? dirname(copy) : NULL;
    struct stat status;

    if (directory == NULL || stat(directory, &status) != 0)
        ;
    else if (status.st_mode & (S_IWGRP | S_IWOTH))
        check_say_remedy(check, CHECK_PROBLEM, AREA, bearer_text_format("run chmod go-w '%s'", directory),
                         "the directory '%s' can be written by others than its owner, who could put another sasl.conf there",
                         directory);
    else if (status.st_uid != 0 && status.st_uid != geteuid())
        check_say_remedy(check, CHECK_PROBLEM, AREA, bearer_text_format("run chown on '%s'", directory),
                         "the directory '%s' belongs to user id %lu, who could put another sasl.conf there", directory,
                         (unsigned long)status.st_uid);
    free(copy);
}

static unsigned say_files(struct check *check, enum bearer_level level)
{
    const struct bearer_config_file *file;
    unsigned count = 0;

    for (file = bearer_context_config(check->context)->levels[level].files; file != NULL; file = file->next, count++) {
        if (file->error != NULL)
            check_say(check, CHECK_PROBLEM, AREA, NULL, "%s", file->error); /* which names file, line and remedy */
        else
            check_say(check, CHECK_OK, AREA, NULL, "'%s' was read, %s", file->path, level_names[level]);
        look_at_directory(check, file->path);
    }
    return count;
}

/* A system's file that this user may not read counts as absent, for it may hold other people's secrets. */
static bool say_hidden_file(struct check *check)
{
    static const char path[] = SYSCONFDIR "/sasl2/sasl.conf";

    if (access(path, R_OK) == 0 || errno != EACCES)
        return false;
    check_say(check, CHECK_SKIPPED, AREA, NULL, "'%s' may not be read by this user, for whom it counts as absent", path);
    return true;
}

static void look_at_files(struct check *check)
{
    const char *conf = check->arguments->choice->conf;
    unsigned count = say_files(check, BEARER_LEVEL_SYSTEM) + say_files(check, BEARER_LEVEL_USER);

    if (conf == NULL && say_hidden_file(check))
        return;
    if (count == 0)
        check_say(check, CHECK_PROBLEM, AREA, "run sasl-bearer setup, or write " SYSCONFDIR "/sasl2/sasl.conf: see sasl.conf(5)",
                  "there is no sasl.conf, so the plugin offers nothing to any program");
    else if (!bearer_context_is_configured(check->context))
        check_say(check, CHECK_PROBLEM, AREA, "run sasl-bearer setup, or write a section for the mailboxes: see sasl.conf(5)",
                  "sasl.conf makes no account, so the plugin offers nothing to any program");
}

/* ------------------------------------------------------------------ sections nobody reaches */

/* Writes a name that a pattern covers, each `*` as so many of a letter that no name has. */
static bool write_sample(const char *pattern, size_t stars, char *out, size_t size)
{
    size_t length = 0;

    for (; *pattern != '\0'; pattern++) {
        size_t count = *pattern == '*' ? stars : 1;

        if (length + count + 1 > size)
            return false;
        memset(out + length, *pattern == '*' || *pattern == '?' ? '\1' : *pattern, count);
        length += count;
    }
    out[length] = '\0';
    return true;
}

/* Whether a pattern covers all that another one does: no name, a short and a long one tell. */
static bool covers(const char *pattern, const char *other)
{
    static const size_t stars[] = { 0, 1, 40 };
    char sample[1024];

    for (size_t i = 0; i < sizeof stars / sizeof stars[0]; i++)
        if (!write_sample(other, stars[i], sample, sizeof sample) || !bearer_text_matches(pattern, sample))
            return false;
    return true;
}

/* An exact name is never hidden: it counts wherever it stands. */
static void look_for_hiding(struct check *check, const struct bearer_section *first, const struct bearer_section *section)
{
    if (!bearer_text_is_pattern(section->pattern))
        return;
    for (const struct bearer_section *earlier = first; earlier != section; earlier = earlier->next)
        if (bearer_text_is_pattern(earlier->pattern) && covers(earlier->pattern, section->pattern)) {
            check_say_remedy(
                check, CHECK_WARNING, AREA, bearer_text_format("move [%s] above [%s]", section->pattern, earlier->pattern),
                "%s:%u: section [%s] is never used, for [%s] at %s:%u stands before it and covers all it does",
                section->file->path, section->line, section->pattern, earlier->pattern, earlier->file->path, earlier->line);
            return;
        }
}

static void look_at_sections(struct check *check)
{
    for (int level = 0; level < BEARER_LEVEL_COUNT; level++) {
        const struct bearer_section *first = bearer_context_config(check->context)->levels[level].sections;

        for (const struct bearer_section *section = first; section != NULL; section = section->next)
            look_for_hiding(check, first, section);
    }
}

/* ------------------------------------------------------------------ an account's values */

/* The section an account was made of. */
static const struct bearer_section *section_of(const struct bearer_config *config, const struct bearer_account *account)
{
    const struct bearer_section *section = config->levels[account->level].sections;

    if (account->is_top)
        return &config->levels[account->level].top;
    while (section != NULL && strcmp(section->pattern, account->section) != 0)
        section = section->next;
    return section;
}

/* Where sasl.conf sets an account's value: the section, or a top that it inherits from.  What a top says may not be
 * inherited (see account.h), but then the account has another value, or none; only scopes change on their way. */
static const struct bearer_config_value *place_of(const struct bearer_config *config, const struct bearer_account *account,
                                                  enum bearer_option_id id)
{
    const struct bearer_section *section = section_of(config, account);
    const struct bearer_section *levels[] = { section, &config->levels[account->level].top,
                                              &config->levels[BEARER_LEVEL_SYSTEM].top };
    bool other_service = section != NULL && section->values[OPT_SERVICE].text != NULL;

    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        const struct bearer_config_value *value = levels[i] != NULL ? &levels[i]->values[id] : NULL;

        if (value != NULL && value->text != NULL &&
            (strcmp(value->text, account->values[id]) == 0 || (id == OPT_SCOPE && (i == 0 || !other_service))))
            return value;
    }
    return NULL;
}

/* Writes where a value comes from. */
static void write_origin(struct check *check, const struct bearer_account *account, enum bearer_option_id id, char *out,
                         size_t size)
{
    const struct bearer_lookup lookup = { bearer_context_config(check->context), NULL, NULL };
    const struct bearer_config_value *place = place_of(bearer_context_config(check->context), account, id);
    const struct bearer_option_row *row = bearer_option_row(id);
    const char *completing = bearer_account_completing(&lookup, id);

    if (place != NULL)
        snprintf(out, size, "%s:%u", place->file->path, place->line);
    else if (completing != NULL && strcmp(completing, account->values[id]) == 0)
        snprintf(out, size, "the environment variable %s", row->environment);
    else if (row->fallback != NULL && strcmp(row->fallback, account->values[id]) == 0)
        snprintf(out, size, "the default");
    else if (account->service != NULL)
        snprintf(out, size, "the preset of %s", account->service->name);
    else
        snprintf(out, size, "the program");
}

/* A command's arguments may be private, a secret is. */
static void write_value(const struct bearer_account *account, enum bearer_option_id id, char *out, size_t size)
{
    const char *value = account->values[id];

    switch (bearer_option_row(id)->type) {
    case OPT_TYPE_SECRET:
        snprintf(out, size, "***");
        break;
    case OPT_TYPE_COMMAND:
        snprintf(out, size, "%.*s%s", (int)strcspn(value, " \t"), value, strpbrk(value, " \t") != NULL ? " ..." : "");
        break;
    case OPT_TYPE_KEY:
        snprintf(out, size, "%.*s%s", bearer_option_is_uri(value) ? (int)strcspn(value, ":") + 1 : (int)strlen(value), value,
                 bearer_option_is_uri(value) ? "***" : "");
        break;
    default:
        snprintf(out, size, "%s", value);
    }
}

static void say_values(struct check *check, const struct bearer_account *account)
{
    char value[512], origin[512];

    for (int i = 0; i < OPT_COUNT; i++) {
        enum bearer_option_id id = (enum bearer_option_id)i;

        if (account->values[id] == NULL || (bearer_option_row(id)->flags & OPT_TOP_ONLY))
            continue;
        if (id == OPT_MANAGED_IDENTITY && strcmp(account->provider_name, "managed_identity") != 0)
            continue; /* its default concerns nobody else */
        if (id == OPT_CLIENT_ASSERTION_ALG && account->values[OPT_CLIENT_CERTIFICATE] == NULL)
            continue;
        write_value(account, id, value, sizeof value);
        write_origin(check, account, id, origin, sizeof origin);
        check_say(check, CHECK_OK, "account", NULL, "%s: %s (%s)", bearer_option_row(id)->name, value, origin);
    }
}

static void say_account(struct check *check, struct bearer_holder *holder, const char *name, void *data)
{
    const struct bearer_account *account = holder->account;

    (void)data;
    report_hide(check->report, "user", account->name);
    if (check->user == NULL || strcasecmp(account->name, name) == 0)
        check_say(check, CHECK_OK, "account", NULL, "%s: provider %s, section [%s] at %s", name, account->provider_name,
                  account->section, account->origin);
    else
        check_say(check, CHECK_OK, "account", NULL, "%s is opened with the sign-in of %s: provider %s, section [%s] at %s",
                  name, account->name, account->provider_name, account->section, account->origin);
    if (check->user != NULL)
        say_values(check, account);
}

/* What cannot be used, of the accounts that nobody asked about in particular.  Whole files were told of before. */
static void say_mistake(void *data, struct bearer_holder *holder, const char *name, const struct bearer_error *err)
{
    struct check *check = data;

    if (holder == NULL && name[0] != '/')
        check_say(check, CHECK_PROBLEM, "account", NULL, "%s: %s", name, err->text);
}

/* ------------------------------------------------------------------ the files it names */

static const struct {
    enum bearer_option_id id;
    unsigned rules;
} named_files[] = {
    { OPT_CLIENT_SECRET_FILE, BEARER_FILE_SECRET },
    { OPT_CLIENT_CERTIFICATE, BEARER_FILE_SECRET },
    { OPT_CLIENT_KEY, BEARER_FILE_SECRET },
    { OPT_CLIENT_KEY_PASSPHRASE_FILE, BEARER_FILE_SECRET },
    { OPT_FEDERATED_TOKEN_FILE, 0 },
    { OPT_TOKEN_FILE, BEARER_FILE_SECRET },
};

static void look_at_named_file(struct check *check, const struct bearer_account *account, enum bearer_option_id id,
                               unsigned rules)
{
    const char *name = bearer_option_row(id)->name, *value = account->values[id];
    struct bearer_secret content = BEARER_SECRET_INIT;
    struct bearer_error err = BEARER_ERROR_INIT;

    if (bearer_option_row(id)->type == OPT_TYPE_KEY && bearer_option_is_uri(value)) {
        check_say(check, CHECK_SKIPPED, "files", NULL, "%s is a URI: only fetching a token shows whether it can be opened",
                  name);
        return;
    }
    if (id == OPT_CLIENT_CERTIFICATE && account->values[OPT_CLIENT_KEY] != NULL)
        rules = 0; /* public by itself */
    if (bearer_context_read_file(check->context, value, rules, CONTENT_MAX, &content, &err) != BEARER_OK)
        check_say(check, CHECK_PROBLEM, "files", NULL, "%s: %s", name, err.text); /* which names the chmod or chown */
    else if (content.length == 0)
        check_say(check, CHECK_PROBLEM, "files", "put into it what it should hold", "%s: '%s' is empty", name, value);
    else
        check_say(check, CHECK_OK, "files", NULL, "%s: '%s' can be read, and only by whom it serves", name, value);
    bearer_secret_clear(&content);
}

static void look_at_command(struct check *check, const struct bearer_account *account, enum bearer_option_id id)
{
    const char *value = account->values[id];
    char *program = value != NULL ? strndup(value, strcspn(value, " \t")) : NULL;

    if (program != NULL && access(program, X_OK) != 0)
        check_say(check, CHECK_PROBLEM, "files", "install it, or correct its path", "%s: cannot run '%s': %s",
                  bearer_option_row(id)->name, program, strerror(errno));
    else if (program != NULL)
        check_say(check, CHECK_OK, "files", NULL, "%s: '%s' can be run", bearer_option_row(id)->name, program);
    free(program);
}

static void look_at_named_files(struct check *check, struct bearer_holder *holder, const char *name, void *data)
{
    const struct bearer_account *account = holder->account;

    (void)name;
    (void)data;
    for (size_t i = 0; i < sizeof named_files / sizeof named_files[0]; i++)
        if (account->values[named_files[i].id] != NULL)
            look_at_named_file(check, account, named_files[i].id, named_files[i].rules);
    look_at_command(check, account, OPT_CLIENT_SECRET_COMMAND);
    look_at_command(check, account, OPT_TOKEN_COMMAND);
}

/* ------------------------------------------------------------------ what a report hides */

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

void check_configuration_hide(struct check *check)
{
    bearer_context_hush(check->context); /* it would tell things beside the report */
    report_hide(check->report, "tenant", getenv("AZURE_TENANT_ID"));
    report_hide(check->report, "client", getenv("AZURE_CLIENT_ID"));
    hide_mailbox(check->report, check->user);
    for (int level = 0; level < BEARER_LEVEL_COUNT; level++) {
        hide_section(check->report, &bearer_context_config(check->context)->levels[level].top);
        for (const struct bearer_section *section = bearer_context_config(check->context)->levels[level].sections; section != NULL;
             section = section->next)
            hide_section(check->report, section);
    }
}

void check_configuration(struct check *check)
{
    look_at_files(check);
    look_at_sections(check);
    if (check->user == NULL)
        bearer_context_each(check->context, say_mistake, check);
    check_each(check, say_account, NULL);
    check_each(check, look_at_named_files, NULL);
}
