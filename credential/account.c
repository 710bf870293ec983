/* account.c - whose account it is: the section for a name, and what is asked of an account.  See account.h; what goes into an
 * account is account_build.c's. */
#include "credential/account.h"

#include "credential/account_build.h"
#include "credential/secret.h"
#include "credential/text.h"

#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 320 /* 64 @ 255, RFC 5321 4.5.3.1 */

/* ------------------------------------------------------------------ which section */

static const struct bearer_section *find_in_level(const struct bearer_config *config, enum bearer_level level,
                                                  const char *name)
{
    const struct bearer_section *section;

    for (section = config->levels[level].sections; section != NULL; section = section->next)
        if (strcmp(section->pattern, name) == 0)
            return section;
    for (section = config->levels[level].sections; section != NULL; section = section->next)
        if (bearer_text_is_pattern(section->pattern) && bearer_text_matches(section->pattern, name))
            return section;
    return NULL;
}

static bool sets_anything(const struct bearer_section *section)
{
    for (int id = 0; id < OPT_COUNT; id++)
        if (section->values[id].text != NULL && !(bearer_option_row((enum bearer_option_id)id)->flags & OPT_TOP_ONLY))
            return true;
    return false;
}

/* The top that covers every name: the user's if it says anything, else the system's. */
static const struct bearer_section *top_of(const struct bearer_config *config)
{
    const struct bearer_section *user = &config->levels[BEARER_LEVEL_USER].top;

    return sets_anything(user) ? user : &config->levels[BEARER_LEVEL_SYSTEM].top;
}

/* ------------------------------------------------------------------ finding */

/* The mistake that stands between this section and its use, if any. */
static enum bearer_status section_usable(const struct bearer_config *config, const struct bearer_section *section,
                                         struct bearer_error *err)
{
    const char *mistake = section->error;

    if (mistake == NULL && section->file != NULL)
        mistake = section->file->error;
    if (mistake == NULL)
        mistake = config->levels[section->level].top.error; /* it inherits from there */
    return mistake == NULL ? BEARER_OK : bearer_fail(err, BEARER_CONFIG, "%s", mistake);
}

/* Where no section matches, a broken file may hold the one that was meant, and its top cannot be believed. */
static enum bearer_status nothing_broken(const struct bearer_config *config, struct bearer_error *err)
{
    for (int level = 0; level < BEARER_LEVEL_COUNT; level++) {
        const struct bearer_config_file *file = bearer_config_broken_file(config, (enum bearer_level)level);

        if (file != NULL)
            return bearer_fail(err, BEARER_CONFIG, "%s", file->error);
    }
    return BEARER_OK;
}

static enum bearer_status check_name(const char *user, struct bearer_error *err)
{
    size_t length = strlen(user);

    if (length == 0)
        return bearer_fail(err, BEARER_USAGE, "the user name is empty");
    if (length > NAME_MAX_BYTES || bearer_text_has_control(user, length))
        return bearer_fail(err, BEARER_USAGE, "the user name is longer than %d bytes or holds control characters",
                           NAME_MAX_BYTES);
    return BEARER_OK;
}

/* The section for a lower-case name.  BEARER_OK with a section, or why there is none that can be used. */
static enum bearer_status choose(const struct bearer_lookup *l, const char *name, const struct bearer_section **section_out,
                                 struct bearer_error *err)
{
    const struct bearer_section *section = find_in_level(l->config, BEARER_LEVEL_USER, name);
    enum bearer_status st;

    if (section == NULL)
        section = find_in_level(l->config, BEARER_LEVEL_SYSTEM, name);
    if (section == NULL) {
        if ((st = nothing_broken(l->config, err)) != BEARER_OK)
            return st;
        section = top_of(l->config);
    }
    *section_out = section;
    return section_usable(l->config, section, err);
}

static enum bearer_status no_account(const char *name, struct bearer_error *err)
{
    return bearer_fail(err, BEARER_NO_ACCOUNT, "no section of sasl.conf covers '%s': add one for it, or for its domain",
                       name);
}

/* Builds from the top of the file. */
static enum bearer_status build_from_top(const struct bearer_lookup *l, const struct bearer_section *top, const char *name,
                                         struct bearer_account **account_out, struct bearer_error *err)
{
    struct bearer_error why = BEARER_ERROR_INIT;
    enum bearer_status st;

    if (!sets_anything(top))
        return no_account(name, err);
    st = bearer_account_build(l, top, name, account_out, &why);
    if (st == BEARER_NO_ACCOUNT)
        return no_account(name, err);
    return st == BEARER_OK ? st : bearer_fail(err, st, "%s", why.text);
}

static enum bearer_status build_chosen(const struct bearer_lookup *l, const struct bearer_section *section, const char *name,
                                       struct bearer_account **account_out, struct bearer_error *err)
{
    return section->pattern != NULL ? bearer_account_build(l, section, name, account_out, err)
                                    : build_from_top(l, section, name, account_out, err);
}

/* Who signs in for this section's mailboxes, or NULL for themselves. */
static const char *identity_of(const struct bearer_lookup *l, const struct bearer_section *section)
{
    const char *identity = section->values[OPT_IDENTITY].text;

    return identity != NULL || section->pattern != NULL ? identity : bearer_account_completing(l, OPT_IDENTITY);
}

static enum bearer_status identity_alone(const struct bearer_section *section, struct bearer_error *err)
{
    for (int id = 0; id < OPT_COUNT; id++)
        if (id != OPT_IDENTITY && section->pattern != NULL && section->values[id].text != NULL)
            return bearer_fail(err, BEARER_CONFIG,
                               "%s:%u: %s beside oauth2_identity: the account is looked up under that name; set it there",
                               section->values[id].file->path, section->values[id].line,
                               bearer_option_row((enum bearer_option_id)id)->name);
    return BEARER_OK;
}

static enum bearer_status find_identity(const struct bearer_lookup *l, const struct bearer_section *section, const char *identity,
                                        struct bearer_account **account_out, struct bearer_error *err)
{
    char *name;
    const struct bearer_section *target;
    enum bearer_status st;

    if ((st = identity_alone(section, err)) != BEARER_OK || (st = bearer_account_check_completing(OPT_IDENTITY, identity, err)) != BEARER_OK ||
        (st = check_name(identity, err)) != BEARER_OK)
        return st;
    name = bearer_text_lower(identity);
    if (name == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    if ((st = choose(l, name, &target, err)) == BEARER_OK) {
        if (target != section && target->values[OPT_IDENTITY].text != NULL)
            st = bearer_fail(err, BEARER_CONFIG, "%s:%u: somebody else signs in for '%s', who was to sign in for others: name "
                             "that one in oauth2_identity",
                             target->file->path, target->line, name);
        else
            st = build_chosen(l, target, name, account_out, err);
    }
    free(name);
    return st;
}

static enum bearer_status find_lower(const struct bearer_lookup *l, const char *name, struct bearer_account **account_out,
                                     struct bearer_error *err)
{
    const struct bearer_section *section;
    const char *identity;
    enum bearer_status st = choose(l, name, &section, err);

    if (st != BEARER_OK)
        return st;
    identity = identity_of(l, section);
    if (identity != NULL)
        return find_identity(l, section, identity, account_out, err);
    return build_chosen(l, section, name, account_out, err);
}

enum bearer_status bearer_account_find(const struct bearer_config *config, const char *user,
                                       bearer_program_option *program_option, void *context,
                                       struct bearer_account **account_out, struct bearer_error *err)
{
    struct bearer_lookup l = { config, program_option, context };
    enum bearer_status st;
    char *name;

    *account_out = NULL;
    if ((st = check_name(user, err)) != BEARER_OK)
        return st;
    name = bearer_text_lower(user);
    if (name == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    st = find_lower(&l, name, account_out, err);
    free(name);
    return st;
}

enum bearer_status bearer_account_of_section(const struct bearer_config *config, const struct bearer_section *section,
                                             bearer_program_option *program_option, void *context,
                                             struct bearer_account **account_out, struct bearer_error *err)
{
    struct bearer_lookup l = { config, program_option, context };
    enum bearer_status st;

    *account_out = NULL;
    if (section->values[OPT_IDENTITY].text != NULL)
        return bearer_fail(err, BEARER_NO_ACCOUNT, "somebody else signs in for [%s]", section->pattern);
    if ((st = section_usable(config, section, err)) != BEARER_OK ||
        (section->pattern == NULL && (st = nothing_broken(config, err)) != BEARER_OK) ||
        (st = build_chosen(&l, section, NULL, account_out, err)) != BEARER_OK)
        return st;
    if ((*account_out)->provider->flags & BEARER_PER_IDENTITY) {
        bearer_account_free(account_out);
        return bearer_fail(err, BEARER_NO_ACCOUNT, "every name has a token of its own");
    }
    return BEARER_OK;
}

bool bearer_account_any(const struct bearer_config *config, bearer_program_option *program_option, void *context)
{
    struct bearer_lookup l = { config, program_option, context };
    struct bearer_account *account = NULL;
    enum bearer_status st;

    for (int level = 0; level < BEARER_LEVEL_COUNT; level++)
        if (config->levels[level].sections != NULL ||
            bearer_config_broken_file(config, (enum bearer_level)level) != NULL)
            return true;
    st = build_from_top(&l, top_of(config), BEARER_TOP_SECTION, &account, NULL);
    bearer_account_free(&account);
    return st != BEARER_NO_ACCOUNT;
}

const char *bearer_account_actor(const struct bearer_account *account)
{
    const char *application = account->values[OPT_CLIENT_ID];

    return account->provider->flags & BEARER_PER_IDENTITY || application == NULL ? account->name : application;
}

enum bearer_status bearer_account_may_go_to(const struct bearer_account *account, const char *host,
                                            struct bearer_error *err)
{
    char name[256];

    if (bearer_text_host_in(account->values[OPT_SERVERS], host))
        return BEARER_OK;
    if (host == NULL || *host == '\0')
        return bearer_fail(err, BEARER_NO_ACCOUNT,
                           "the program does not say which server it talks to, so the token stays here; if that is meant, "
                           "set 'oauth2_servers: *' in %s",
                           account->origin);
    bearer_text_printable(name, sizeof name, host, strlen(host));
    return bearer_fail(err, BEARER_NO_ACCOUNT,
                       "server '%s' is not among those that may be sent this token (%s); if it should be, add "
                       "'oauth2_servers: %s' in %s",
                       name, account->values[OPT_SERVERS], name, account->origin);
}

struct bearer_margin bearer_account_margin(const struct bearer_account *account, const char *host, int64_t left)
{
    const struct bearer_service *service = account->service;
    struct bearer_margin margin = account->margin;

    if (service == NULL || service->long_life_servers == NULL || left > 2 * service->long_life ||
        !bearer_text_host_in(service->long_life_servers, host))
        return margin;
    if (margin.demanded < service->long_life)
        margin.demanded = service->long_life;
    return margin;
}

int64_t bearer_account_credential_end(const struct bearer_account *account, const struct bearer_token *token, const char **what_out)
{
    const char *date = account->values[OPT_CLIENT_SECRET_EXPIRES];
    bool is_certificate = account->values[OPT_CLIENT_CERTIFICATE] != NULL;

    *what_out = is_certificate ? "certificate" : "client secret";
    return date != NULL && !is_certificate ? bearer_date_parse(date) : token->credential_expires;
}

const char *bearer_account_jail_obstacle(const struct bearer_account *account)
{
    static const enum bearer_option_id outside[] = { OPT_CLIENT_SECRET_COMMAND, OPT_FEDERATED_TOKEN_FILE };
    static const enum bearer_option_id keys[] = { OPT_CLIENT_CERTIFICATE, OPT_CLIENT_KEY };

    if (account->provider->needs & BEARER_NEEDS_FREEDOM)
        return bearer_option_row(account->provider->required[0])->name;
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
        if (account->values[outside[i]] != NULL)
            return bearer_option_row(outside[i])->name;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (account->values[keys[i]] != NULL && bearer_option_is_uri(account->values[keys[i]]))
            return bearer_option_row(keys[i])->name;
    return NULL;
}
