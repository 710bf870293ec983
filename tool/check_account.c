/* check_account.c - which section makes an account, each of its values and where that comes from, and whether the files and
 * commands it names are as they must be. */
#include "credential/account_build.h"
#include "credential/holder.h"
#include "credential/text.h"
#include "credential/trusted_file.h"
#include "tool/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define AREA        "account"
#define FILES       "files"
#define CONTENT_MAX 65536 /* bytes, as when a login reads them */

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

/* Writes where a value comes from.  False: nobody here has set it. */
static bool write_origin(struct check *check, const struct bearer_account *account, enum bearer_option_id id, char *out,
                         size_t size)
{
    const struct bearer_lookup lookup = { bearer_context_config(check->context), NULL, NULL };
    const struct bearer_section *section = section_of(lookup.config, account);
    const struct bearer_config_value *place = section != NULL ? bearer_account_inherited(lookup.config, section, id) : NULL;
    const struct bearer_option_row *row = bearer_option_row(id);
    const char *variable = bearer_account_completing(&lookup, id) != NULL ? row->environment : NULL;

    if (id == OPT_CLOUD && strcmp(account->values[id], row->fallback) != 0)
        variable = "AZURE_AUTHORITY_HOST"; /* which names one without being its value */
    if (place != NULL)
        snprintf(out, size, "%s:%u", place->file->path, place->line);
    else if (variable != NULL)
        snprintf(out, size, "the environment variable %s", variable);
    else if (row->fallback != NULL)
        snprintf(out, size, "the default");
    else
        snprintf(out, size, "the preset of %s", account->values[OPT_SERVICE]);
    return place != NULL || variable != NULL;
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

/* A default may concern nobody here. */
static bool matters(const struct bearer_account *account, enum bearer_option_id id)
{
    if (account->values[id] == NULL || (bearer_option_row(id)->flags & OPT_TOP_ONLY))
        return false;
    if (id == OPT_MANAGED_IDENTITY)
        return strcmp(account->provider_name, "managed_identity") == 0;
    return id != OPT_CLIENT_ASSERTION_ALG || account->values[OPT_CLIENT_CERTIFICATE] != NULL;
}

/* What nobody here has set is for those who want to see all of it. */
static void say_values(struct check *check, const struct bearer_account *account)
{
    bool all = (check->arguments->given & ARG_VERBOSE) || check->report != NULL;
    char value[512], origin[512];
    unsigned left_out = 0;

    for (int i = 0; i < OPT_COUNT; i++) {
        enum bearer_option_id id = (enum bearer_option_id)i;

        if (!matters(account, id))
            continue;
        if (!write_origin(check, account, id, origin, sizeof origin) && !all) {
            left_out++;
            continue;
        }
        write_value(account, id, value, sizeof value);
        check_say(check, CHECK_OK, AREA, NULL, "%s: %s (%s)", bearer_option_row(id)->name, value, origin);
    }
    if (left_out > 0)
        check_say(check, CHECK_OK, AREA, NULL, "%u other options have their defaults, which --verbose shows", left_out);
}

static void say_account(struct check *check, struct bearer_holder *holder, const char *name, void *data)
{
    const struct bearer_account *account = holder->account;

    (void)data;
    report_hide(check->report, "user", account->name);
    if (check->user == NULL || strcasecmp(account->name, name) == 0)
        check_say(check, CHECK_OK, AREA, NULL, "%s: provider %s, section [%s] at %s", name, account->provider_name,
                  account->section, account->origin);
    else
        check_say(check, CHECK_OK, AREA, NULL, "%s is opened with the sign-in of %s: provider %s, section [%s] at %s", name,
                  account->name, account->provider_name, account->section, account->origin);
    if (check->user != NULL)
        say_values(check, account);
}

/* What cannot be used, of the accounts that nobody asked about in particular.  Whole files were told of before. */
static void say_mistake(void *data, struct bearer_holder *holder, const char *name, const struct bearer_error *err)
{
    struct check *check = data;

    if (holder == NULL && name[0] != '/')
        check_say(check, CHECK_PROBLEM, AREA, NULL, "%s: %s", name, err->text);
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
        check_say(check, CHECK_SKIPPED, FILES, NULL, "%s is a URI: only fetching a token shows whether it can be opened",
                  name);
        return;
    }
    if (id == OPT_CLIENT_CERTIFICATE && account->values[OPT_CLIENT_KEY] != NULL)
        rules = 0; /* public by itself */
    if (account->level == BEARER_LEVEL_SYSTEM && access(value, R_OK) != 0 && check_is_unseen(errno))
        check_say_unseen(check, FILES, "%s: this user may not read '%s'", name, value);
    else if (bearer_context_read_file(check->context, value, rules, CONTENT_MAX, &content, &err) != BEARER_OK)
        check_say(check, CHECK_PROBLEM, FILES, NULL, "%s: %s", name, err.text); /* which names the chmod or chown */
    else if (content.length == 0)
        check_say(check, CHECK_PROBLEM, FILES, "put into it what it should hold", "%s: '%s' is empty", name, value);
    else
        check_say(check, CHECK_OK, FILES, NULL, "%s: '%s' can be read, and only by whom it serves", name, value);
    bearer_secret_clear(&content);
}

static void look_at_command(struct check *check, const struct bearer_account *account, enum bearer_option_id id)
{
    const char *value = account->values[id];
    char *program = value != NULL ? strndup(value, strcspn(value, " \t")) : NULL;

    if (program != NULL && access(program, X_OK) != 0 && account->level == BEARER_LEVEL_SYSTEM && check_is_unseen(errno))
        check_say_unseen(check, FILES, "%s: this user may not run '%s'", bearer_option_row(id)->name, program);
    else if (program != NULL && access(program, X_OK) != 0)
        check_say(check, CHECK_PROBLEM, FILES, "install it, or correct its path", "%s: cannot run '%s': %s",
                  bearer_option_row(id)->name, program, strerror(errno));
    else if (program != NULL)
        check_say(check, CHECK_OK, FILES, NULL, "%s: '%s' can be run", bearer_option_row(id)->name, program);
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

void check_account(struct check *check)
{
    unsigned problems;

    if (check->user == NULL)
        bearer_context_each(check->context, say_mistake, check);
    check_each(check, say_account, NULL);
    problems = check->counts[CHECK_PROBLEM];
    check_each(check, look_at_named_files, NULL);
    check->files_amiss = check->counts[CHECK_PROBLEM] > problems;
}
