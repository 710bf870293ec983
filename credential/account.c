/* account.c - see account.h */
#include "credential/account.h"

#include "credential/secret.h"
#include "credential/text.h"

#include <stdlib.h>
#include <string.h>

#define TOP_SECTION "*"   /* the top of a file covers every name; for people */
#define TOP_KEY ":top"    /* the same for the token file, which a section [*] must not share */
#define NAME_MAX_BYTES 320 /* 64 @ 255, RFC 5321 4.5.3.1 */

struct lookup {
    const struct bearer_config *config;
    bearer_program_option *program_option;
    void *context;
};

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

/* ------------------------------------------------------------------ which value */

static bool sets_credential(const struct bearer_section *level)
{
    return level->values[OPT_CLIENT_SECRET].text != NULL || level->values[OPT_CLIENT_SECRET_FILE].text != NULL;
}

/* Walks from the section outwards.  A section in the system's file never looks into a user's. */
static const char *inherited(const struct bearer_config *config, const struct bearer_section *section,
                             enum bearer_option_id id)
{
    const struct bearer_section *levels[] = { section, &config->levels[section->level].top,
                                              &config->levels[BEARER_LEVEL_SYSTEM].top };
    enum bearer_option_group group = bearer_option_row(id)->group;

    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (i > 0 && levels[i] == levels[i - 1])
            continue;
        if (levels[i]->values[id].text != NULL)
            return levels[i]->values[id].text;
        if (group == OPT_GROUP_CREDENTIAL && sets_credential(levels[i]))
            return NULL;
        if (group != OPT_GROUP_NONE && levels[i]->values[OPT_SERVICE].text != NULL)
            return NULL;
    }
    return NULL;
}

/* What completes an account without a line in sasl.conf: the program's own SASL options, then the environment. */
static const char *completing(const struct lookup *l, enum bearer_option_id id)
{
    const struct bearer_option_row *row = bearer_option_row(id);
    const char *value = NULL;

    if ((row->flags & OPT_COMPLETES) && l->program_option != NULL)
        value = l->program_option(l->context, row->name);
    if (value == NULL && row->environment != NULL)
        value = secure_getenv(row->environment);
    return value != NULL && *value != '\0' ? value : NULL;
}

static enum bearer_status check_completing(enum bearer_option_id id, const char *value, struct bearer_error *err)
{
    enum bearer_status st = bearer_option_check(id, value, err);
    const char *variable = bearer_option_row(id)->environment;

    if (st != BEARER_OK)
        bearer_error_prepend(err, "the program's SASL options%s%s: ", variable != NULL ? " or the environment variable " : "",
                             variable != NULL ? variable : "");
    return st;
}

static enum bearer_status set(struct bearer_account *account, enum bearer_option_id id, const char *value,
                              struct bearer_error *err)
{
    if (value != NULL && (account->values[id] = strdup(value)) == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    return BEARER_OK;
}

static enum bearer_status fill_values(const struct lookup *l, const struct bearer_section *section,
                                      struct bearer_account *account, struct bearer_error *err)
{
    enum bearer_status st = BEARER_OK;

    for (int i = 0; i < OPT_COUNT && st == BEARER_OK; i++) {
        enum bearer_option_id id = (enum bearer_option_id)i;
        const char *value = inherited(l->config, section, id);

        if (value == NULL && id != OPT_IDENTITY && (value = completing(l, id)) != NULL)
            st = check_completing(id, value, err);
        if (st == BEARER_OK)
            st = set(account, id, value != NULL ? value : bearer_option_row(id)->fallback, err);
    }
    return st;
}

/* ------------------------------------------------------------------ presets */

static enum bearer_status replace(char **slot, char *value, struct bearer_error *err)
{
    if (value == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    free(*slot);
    *slot = value;
    return BEARER_OK;
}

/* Completes the service options of an account whose service has a preset. */
static enum bearer_status apply_preset(struct bearer_account *account, struct bearer_error *err)
{
    const struct bearer_service *service = account->service;
    bool per_user = account->provider->flags & BEARER_PER_IDENTITY;
    const char *resource = per_user ? service->delegated_resource : service->app_only_resource;
    const char *names = account->values[OPT_SCOPE];
    char **values = account->values;
    enum bearer_status st = BEARER_OK;

    if (values[OPT_TENANT] == NULL && per_user)
        st = set(account, OPT_TENANT, "organizations", err);
    if (st == BEARER_OK && values[OPT_TOKEN_ENDPOINT] == NULL && values[OPT_TENANT] != NULL)
        st = replace(&values[OPT_TOKEN_ENDPOINT], bearer_service_endpoint(service, values[OPT_TENANT], "token"), err);
    if (st == BEARER_OK && values[OPT_DEVICE_ENDPOINT] == NULL && values[OPT_TENANT] != NULL)
        st = replace(&values[OPT_DEVICE_ENDPOINT], bearer_service_endpoint(service, values[OPT_TENANT], "devicecode"),
                     err);
    if (st == BEARER_OK && values[OPT_SERVERS] == NULL)
        st = set(account, OPT_SERVERS, service->servers, err);
    if (names == NULL)
        names = per_user ? service->delegated_scopes : ".default";
    if (st == BEARER_OK)
        st = replace(&values[OPT_SCOPE], bearer_service_scope(resource, names), err);
    return st;
}

/* ------------------------------------------------------------------ is it complete? */

/* The top of a file that lacks something is no account, only defaults for the sections. */
static enum bearer_status lacks(const struct bearer_account *account, const char *what, struct bearer_error *err)
{
    return bearer_fail(err, account->is_top ? BEARER_NO_ACCOUNT : BEARER_CONFIG, "%s: [%s] lacks %s, which provider %s needs", account->origin, account->section,
                       what, account->provider_name);
}

/* client_credentials is refused on an alias: nobody could tell whose application is meant (MICROSOFT.md 1.2). */
static bool is_tenant_alias(const char *tenant)
{
    return strcmp(tenant, "organizations") == 0 || strcmp(tenant, "common") == 0 || strcmp(tenant, "consumers") == 0;
}

static enum bearer_status check_complete(const struct bearer_account *account, struct bearer_error *err)
{
    static const enum bearer_option_id custom_needs[] = { OPT_TOKEN_ENDPOINT, OPT_SCOPE, OPT_SERVERS };
    const struct bearer_provider_row *provider = account->provider;
    char *const *values = account->values;

    for (size_t i = 0; provider->required[i] != OPT_COUNT; i++)
        if (values[provider->required[i]] == NULL)
            return lacks(account, bearer_option_row(provider->required[i])->name, err);
    if (provider->credential_required && values[OPT_CLIENT_SECRET] == NULL && values[OPT_CLIENT_SECRET_FILE] == NULL)
        return lacks(account, "a credential, such as oauth2_client_secret_file", err);
    if (values[OPT_CLIENT_SECRET] != NULL && values[OPT_CLIENT_SECRET_FILE] != NULL)
        return bearer_fail(err, BEARER_CONFIG,
                           "%s: [%s] has both oauth2_client_secret and oauth2_client_secret_file: take one out",
                           account->origin, account->section);
    if (account->service == NULL) {
        for (size_t i = 0; i < sizeof custom_needs / sizeof custom_needs[0]; i++)
            if (values[custom_needs[i]] == NULL && (provider->service_required || custom_needs[i] == OPT_SERVERS))
                return lacks(account, bearer_option_row(custom_needs[i])->name, err);
    } else if (provider->service_required && values[OPT_TENANT] == NULL) {
        return lacks(account, "oauth2_tenant", err);
    } else if (provider->credential_required && is_tenant_alias(values[OPT_TENANT])) {
        return bearer_fail(err, BEARER_CONFIG, "%s: [%s] has oauth2_tenant '%s': provider %s needs the tenant's id or domain",
                           account->origin, account->section, values[OPT_TENANT], account->provider_name);
    }
    return BEARER_OK;
}

/* ------------------------------------------------------------------ building */

/* Where the section stands; the top of a level stands in its first file. */
static char *origin_of(const struct bearer_config *config, const struct bearer_section *section)
{
    const struct bearer_config_file *file = config->levels[section->level].files;

    if (section->pattern != NULL)
        return bearer_text_format("%s:%u", section->file->path, section->line);
    return strdup(file != NULL ? file->path : "sasl.conf");
}

static enum bearer_status name_account(const struct lookup *l, struct bearer_account *account,
                                       const struct bearer_section *section, const char *name, struct bearer_error *err)
{
    const char *pattern = section->pattern != NULL ? section->pattern : TOP_SECTION;

    account->level = section->level;
    account->is_top = section->pattern == NULL;
    account->section = strdup(pattern);
    account->name = strdup(name != NULL ? name : pattern);
    account->origin = origin_of(l->config, section);
    if (account->section == NULL || account->name == NULL || account->origin == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    return BEARER_OK;
}

static const char *shown(const char *value)
{
    return value != NULL ? value : "";
}

static enum bearer_status bind_account(struct bearer_account *account, struct bearer_error *err)
{
    char *const *values = account->values;

    account->key = strdup(account->provider->flags & BEARER_PER_IDENTITY ? account->name
                          : account->is_top                               ? TOP_KEY
                                                                          : account->section);
    account->binding = bearer_text_format("provider %s\nendpoint %s\nclient_id %s\nscope %s\nidentity %s",
                                          account->provider_name, shown(values[OPT_TOKEN_ENDPOINT]),
                                          shown(values[OPT_CLIENT_ID]), shown(values[OPT_SCOPE]), shown(account->key));
    if (account->key == NULL || account->binding == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    account->timeout = strtoll(values[OPT_TIMEOUT], NULL, 10);
    account->min_lifetime = strtoll(values[OPT_MIN_LIFETIME], NULL, 10);
    return BEARER_OK;
}

static enum bearer_status build(const struct lookup *l, const struct bearer_section *section, const char *name,
                                struct bearer_account **account_out, struct bearer_error *err)
{
    struct bearer_account *account = calloc(1, sizeof *account);
    enum bearer_status st;

    if (account == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    if ((st = name_account(l, account, section, name, err)) != BEARER_OK ||
        (st = fill_values(l, section, account, err)) != BEARER_OK)
        goto out;
    account->provider_name = account->values[OPT_PROVIDER];
    account->provider = bearer_provider_row(account->provider_name);
    account->service = bearer_service_find(account->values[OPT_SERVICE], account->values[OPT_CLOUD]);
    if ((account->service != NULL && (st = apply_preset(account, err)) != BEARER_OK) ||
        (st = check_complete(account, err)) != BEARER_OK || (st = bind_account(account, err)) != BEARER_OK)
        goto out;
    *account_out = account;
    account = NULL; /* given */
out:
    bearer_account_free(&account);
    return st;
}

void bearer_account_free(struct bearer_account **account)
{
    if (*account == NULL)
        return;
    bearer_wipe_string((*account)->values[OPT_CLIENT_SECRET]);
    for (int id = 0; id < OPT_COUNT; id++)
        free((*account)->values[id]);
    free((*account)->name);
    free((*account)->section);
    free((*account)->origin);
    free((*account)->key);
    free((*account)->binding);
    free(*account);
    *account = NULL;
}

/* ------------------------------------------------------------------ finding */

/* The mistake that stands between this section and its use, if any. */
static enum bearer_status section_usable(const struct bearer_section *section, struct bearer_error *err)
{
    if (section->error != NULL)
        return bearer_fail(err, BEARER_CONFIG, "%s", section->error);
    if (section->file != NULL && section->file->error != NULL)
        return bearer_fail(err, BEARER_CONFIG, "%s", section->file->error);
    return BEARER_OK;
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
static enum bearer_status choose(const struct lookup *l, const char *name, const struct bearer_section **section_out,
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
    return section_usable(section, err);
}

static enum bearer_status no_account(const char *name, struct bearer_error *err)
{
    return bearer_fail(err, BEARER_NO_ACCOUNT, "no section of sasl.conf covers '%s': add one for it, or for its domain",
                       name);
}

/* Builds from the top of the file. */
static enum bearer_status build_from_top(const struct lookup *l, const struct bearer_section *top, const char *name,
                                         struct bearer_account **account_out, struct bearer_error *err)
{
    struct bearer_error why = BEARER_ERROR_INIT;
    enum bearer_status st;

    if (!sets_anything(top))
        return no_account(name, err);
    st = build(l, top, name, account_out, &why);
    if (st == BEARER_NO_ACCOUNT)
        return no_account(name, err);
    return st == BEARER_OK ? st : bearer_fail(err, st, "%s", why.text);
}

static enum bearer_status build_chosen(const struct lookup *l, const struct bearer_section *section, const char *name,
                                       struct bearer_account **account_out, struct bearer_error *err)
{
    return section->pattern != NULL ? build(l, section, name, account_out, err)
                                    : build_from_top(l, section, name, account_out, err);
}

/* Who signs in for this section's mailboxes, or NULL for themselves. */
static const char *identity_of(const struct lookup *l, const struct bearer_section *section)
{
    const char *identity = section->values[OPT_IDENTITY].text;

    return identity != NULL || section->pattern != NULL ? identity : completing(l, OPT_IDENTITY);
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

static enum bearer_status find_identity(const struct lookup *l, const struct bearer_section *section, const char *identity,
                                        struct bearer_account **account_out, struct bearer_error *err)
{
    char *name;
    const struct bearer_section *target;
    enum bearer_status st;

    if ((st = identity_alone(section, err)) != BEARER_OK || (st = check_completing(OPT_IDENTITY, identity, err)) != BEARER_OK ||
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

static enum bearer_status find_lower(const struct lookup *l, const char *name, struct bearer_account **account_out,
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
    struct lookup l = { config, program_option, context };
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
    struct lookup l = { config, program_option, context };
    enum bearer_status st;

    *account_out = NULL;
    if (section->values[OPT_IDENTITY].text != NULL)
        return bearer_fail(err, BEARER_NO_ACCOUNT, "somebody else signs in for [%s]", shown(section->pattern));
    if ((st = section_usable(section, err)) != BEARER_OK ||
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
    struct lookup l = { config, program_option, context };
    struct bearer_account *account = NULL;
    enum bearer_status st;

    for (int level = 0; level < BEARER_LEVEL_COUNT; level++)
        if (config->levels[level].sections != NULL ||
            bearer_config_broken_file(config, (enum bearer_level)level) != NULL)
            return true;
    st = build_from_top(&l, top_of(config), TOP_SECTION, &account, NULL);
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
