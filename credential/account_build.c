/* account_build.c - see account_build.h */
#include "credential/account_build.h"

#include "credential/crc32c.h"
#include "credential/secret.h"
#include "credential/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOP_KEY ":top" /* the top of a file as what a token is filed under, which a section [*] must not share */

/* ------------------------------------------------------------------ which value */

static bool sets_credential(const struct bearer_section *level)
{
    for (int id = 0; id < OPT_COUNT; id++)
        if (level->values[id].text != NULL && bearer_option_row((enum bearer_option_id)id)->group == OPT_GROUP_CREDENTIAL)
            return true;
    return false;
}

/* Walks from the section outwards.  A section in the system's file never looks into a user's. */
const struct bearer_config_value *bearer_account_inherited(const struct bearer_config *config, const struct bearer_section *section,
                                                           enum bearer_option_id id)
{
    const struct bearer_section *levels[] = { section, &config->levels[section->level].top,
                                              &config->levels[BEARER_LEVEL_SYSTEM].top };
    const struct bearer_option_row *row = bearer_option_row(id);

    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (i > 0 && levels[i] == levels[i - 1])
            continue;
        if ((row->flags & OPT_OWN_LEVEL) && levels[i]->level != section->level)
            return NULL;
        if (levels[i]->values[id].text != NULL)
            return &levels[i]->values[id];
        if (row->group == OPT_GROUP_CREDENTIAL && sets_credential(levels[i]))
            return NULL;
        if (row->group != OPT_GROUP_NONE && levels[i]->values[OPT_SERVICE].text != NULL)
            return NULL;
    }
    return NULL;
}

static const char *inherited(const struct bearer_config *config, const struct bearer_section *section, enum bearer_option_id id)
{
    const struct bearer_config_value *value = bearer_account_inherited(config, section, id);

    return value != NULL ? value->text : NULL;
}

const char *bearer_account_completing(const struct bearer_lookup *l, enum bearer_option_id id)
{
    const struct bearer_option_row *row = bearer_option_row(id);
    const char *value = NULL;

    if ((row->flags & OPT_COMPLETES) && l->program_option != NULL)
        value = l->program_option(l->context, row->name);
    if (value == NULL && row->environment != NULL)
        value = secure_getenv(row->environment);
    return value != NULL && *value != '\0' ? value : NULL;
}

enum bearer_status bearer_account_check_completing(enum bearer_option_id id, const char *value, struct bearer_error *err)
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

/* The application's credentials, of which an account has one. */
static const enum bearer_option_id credentials[] = { OPT_CLIENT_CERTIFICATE, OPT_FEDERATED_TOKEN_FILE, OPT_CLIENT_SECRET,
                                                     OPT_CLIENT_SECRET_FILE, OPT_CLIENT_SECRET_COMMAND };

#define CREDENTIAL_COUNT (sizeof credentials / sizeof credentials[0])

static bool has_credential(const struct bearer_lookup *l, const struct bearer_section *section)
{
    for (size_t i = 0; i < CREDENTIAL_COUNT; i++)
        if (inherited(l->config, section, credentials[i]) != NULL)
            return true;
    return false;
}

/* The environment of workloads in Azure, as Azure's own libraries read it, counts for applications that have no other credential. */
static bool is_workload(const struct bearer_lookup *l, const struct bearer_section *section)
{
    const char *provider = inherited(l->config, section, OPT_PROVIDER);

    return provider != NULL && (bearer_provider_row(provider)->needs & BEARER_NEEDS_CREDENTIAL) && !has_credential(l, section) &&
           bearer_account_completing(l, OPT_FEDERATED_TOKEN_FILE) != NULL;
}

/* AZURE_AUTHORITY_HOST only chooses among the clouds we know: no endpoint is taken from the environment. */
static enum bearer_status workload_cloud(const struct bearer_lookup *l, const struct bearer_section *section, const char **cloud_out,
                                         struct bearer_error *err)
{
    const char *authority = secure_getenv("AZURE_AUTHORITY_HOST");

    if (authority == NULL || *authority == '\0' || inherited(l->config, section, OPT_TOKEN_ENDPOINT) != NULL)
        return BEARER_OK;
    *cloud_out = bearer_service_cloud(authority);
    if (*cloud_out != NULL)
        return BEARER_OK;
    return bearer_fail(err, BEARER_CONFIG, "the environment variable AZURE_AUTHORITY_HOST is '%s', which is no cloud of Microsoft's "
                       "that is known here: set oauth2_token_endpoint", authority);
}

static enum bearer_status complete(const struct bearer_lookup *l, const struct bearer_section *section, enum bearer_option_id id,
                                   const char **value, struct bearer_error *err)
{
    enum bearer_status st = BEARER_OK;

    if (id == OPT_IDENTITY || (id == OPT_FEDERATED_TOKEN_FILE && !is_workload(l, section)))
        return BEARER_OK;
    *value = bearer_account_completing(l, id);
    if (*value == NULL && id == OPT_CLOUD && is_workload(l, section))
        st = workload_cloud(l, section, value, err);
    return *value != NULL ? bearer_account_check_completing(id, *value, err) : st;
}

static enum bearer_status fill_values(const struct bearer_lookup *l, const struct bearer_section *section,
                                      struct bearer_account *account, struct bearer_error *err)
{
    enum bearer_status st = BEARER_OK;

    for (int i = 0; i < OPT_COUNT && st == BEARER_OK; i++) {
        enum bearer_option_id id = (enum bearer_option_id)i;
        const char *value = inherited(l->config, section, id);

        if (value == NULL)
            st = complete(l, section, id, &value, err);
        if (st == BEARER_OK && id == OPT_MIN_LIFETIME && value != NULL)
            account->margin.demanded = strtoll(value, NULL, 10);
        if (st == BEARER_OK)
            st = set(account, id, value != NULL ? value : bearer_option_row(id)->fallback, err);
    }
    return st;
}

static void take_out(struct bearer_account *account, enum bearer_option_id id)
{
    bearer_wipe_string(account->values[id]);
    free(account->values[id]);
    account->values[id] = NULL;
}

/* Leaves one credential: a certificate wins over a secret, of anything else there must be but one. */
static enum bearer_status choose_credential(struct bearer_account *account, struct bearer_error *err)
{
    enum bearer_option_id chosen = OPT_COUNT;

    for (size_t i = 0; i < CREDENTIAL_COUNT; i++) {
        enum bearer_option_id id = credentials[i];

        if (account->values[id] == NULL)
            continue;
        if (chosen == OPT_COUNT)
            chosen = id;
        else if (chosen == OPT_CLIENT_CERTIFICATE && id != OPT_FEDERATED_TOKEN_FILE)
            take_out(account, id);
        else
            return bearer_fail(err, BEARER_CONFIG, "%s: [%s] has both %s and %s: take one out", account->origin, account->section,
                               bearer_option_row(chosen)->name, bearer_option_row(id)->name);
    }
    return BEARER_OK;
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

static enum bearer_status preset_endpoint(struct bearer_account *account, enum bearer_option_id id, const char *endpoint,
                                          struct bearer_error *err)
{
    const char *tenant = account->values[OPT_TENANT];

    if (account->values[id] != NULL || endpoint == NULL || (tenant == NULL && account->service->tenant != NULL))
        return BEARER_OK;
    return replace(&account->values[id], bearer_service_endpoint(endpoint, tenant), err);
}

/* What the token is for; only providers that ask for something need to say. */
static enum bearer_status preset_scope(struct bearer_account *account, struct bearer_error *err)
{
    const struct bearer_service *service = account->service;
    bool person = account->provider->on_behalf == BEARER_FOR_PERSON;
    const char *resource = person ? service->delegated_resource : service->app_only_resource;
    const char *names = account->values[OPT_SCOPE];

    if (names == NULL && !(account->provider->needs & BEARER_NEEDS_SCOPE))
        return BEARER_OK;
    if (!person && resource == NULL && (account->provider->needs & BEARER_NEEDS_SCOPE))
        return bearer_fail(err, BEARER_CONFIG, "%s: [%s] has oauth2_provider %s, but no application may act on its own at service "
                           "%s: people sign in there (provider delegated)",
                           account->origin, account->section, account->provider_name, service->name);
    if (names == NULL)
        names = person ? service->delegated_scopes : ".default";
    return replace(&account->values[OPT_SCOPE], bearer_service_scope(resource, names), err);
}

/* Completes the service options of an account whose service has a preset. */
static enum bearer_status apply_preset(struct bearer_account *account, struct bearer_error *err)
{
    const struct bearer_service *service = account->service;
    enum bearer_status st = BEARER_OK;

    if (account->values[OPT_TENANT] == NULL && account->provider->on_behalf == BEARER_FOR_PERSON)
        st = set(account, OPT_TENANT, service->tenant, err);
    if (st == BEARER_OK)
        st = preset_endpoint(account, OPT_TOKEN_ENDPOINT, service->token_endpoint, err);
    if (st == BEARER_OK)
        st = preset_endpoint(account, OPT_AUTHORIZATION_ENDPOINT, service->authorization_endpoint, err);
    if (st == BEARER_OK)
        st = preset_endpoint(account, OPT_DEVICE_ENDPOINT, service->device_endpoint, err);
    if (st == BEARER_OK && account->values[OPT_SERVERS] == NULL)
        st = set(account, OPT_SERVERS, service->servers, err);
    return st == BEARER_OK ? preset_scope(account, err) : st;
}

/* ------------------------------------------------------------------ is it complete? */

/* The top of a file that lacks something is no account, only defaults for the sections. */
static enum bearer_status lacks(const struct bearer_account *account, const char *what, struct bearer_error *err)
{
    return bearer_fail(err, account->is_top ? BEARER_NO_ACCOUNT : BEARER_CONFIG, "%s: [%s] lacks %s, which provider %s needs", account->origin, account->section,
                       what, account->provider_name);
}

/* client_credentials is refused on an alias: nobody could tell whose application is meant. */
static bool is_tenant_alias(const char *tenant)
{
    return strcmp(tenant, "organizations") == 0 || strcmp(tenant, "common") == 0 || strcmp(tenant, "consumers") == 0;
}

static bool is_needed(const struct bearer_account *account, enum bearer_option_id id)
{
    unsigned needs = account->provider->needs;

    return id == OPT_SERVERS || (id == OPT_TOKEN_ENDPOINT && (needs & BEARER_NEEDS_ENDPOINT)) ||
           (id == OPT_SCOPE && (needs & BEARER_NEEDS_SCOPE));
}

static enum bearer_status check_custom_service(const struct bearer_account *account, struct bearer_error *err)
{
    static const enum bearer_option_id options[] = { OPT_TOKEN_ENDPOINT, OPT_SCOPE, OPT_SERVERS };

    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (account->values[options[i]] == NULL && is_needed(account, options[i]))
            return lacks(account, bearer_option_row(options[i])->name, err);
    return BEARER_OK;
}

static enum bearer_status check_tenant(const struct bearer_account *account, struct bearer_error *err)
{
    const char *tenant = account->values[OPT_TENANT];

    if (account->service->tenant == NULL || !(account->provider->needs & BEARER_NEEDS_ENDPOINT))
        return BEARER_OK;
    if (tenant == NULL)
        return lacks(account, "oauth2_tenant", err);
    if (account->provider->on_behalf == BEARER_FOR_APPLICATION && is_tenant_alias(tenant))
        return bearer_fail(err, BEARER_CONFIG, "%s: [%s] has oauth2_tenant '%s': provider %s needs the tenant's id or domain",
                           account->origin, account->section, tenant, account->provider_name);
    return BEARER_OK;
}

static enum bearer_status check_credential(const struct bearer_account *account, struct bearer_error *err)
{
    char *const *values = account->values;

    if (values[OPT_CLIENT_KEY] != NULL && values[OPT_CLIENT_CERTIFICATE] == NULL)
        return lacks(account, "oauth2_client_certificate, the other half of oauth2_client_key", err);
    for (size_t i = 0; i < CREDENTIAL_COUNT; i++)
        if (values[credentials[i]] != NULL)
            return BEARER_OK;
    return account->provider->needs & BEARER_NEEDS_CREDENTIAL
               ? lacks(account, "a credential, such as oauth2_client_certificate or oauth2_client_secret_file", err)
               : BEARER_OK;
}

static enum bearer_status check_complete(const struct bearer_account *account, struct bearer_error *err)
{
    const enum bearer_option_id *required = account->provider->required;
    enum bearer_status st;

    for (size_t i = 0; required[i] != OPT_COUNT; i++)
        if (account->values[required[i]] == NULL)
            return lacks(account, bearer_option_row(required[i])->name, err);
    st = check_credential(account, err);
    if (st == BEARER_OK)
        st = account->service == NULL ? check_custom_service(account, err) : check_tenant(account, err);
    return st;
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

static enum bearer_status name_account(const struct bearer_lookup *l, struct bearer_account *account,
                                       const struct bearer_section *section, const char *name, struct bearer_error *err)
{
    const char *pattern = section->pattern != NULL ? section->pattern : BEARER_TOP_SECTION;

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

/* Where the token comes from, for providers that do not ask an endpoint: another source, another token.  A sum of it, for a command's
 * arguments may be private.  0 = none. */
static uint32_t source_of(const struct bearer_account *account)
{
    bool is_identity = strcmp(account->provider_name, "managed_identity") == 0;
    enum bearer_option_id id = is_identity ? OPT_MANAGED_IDENTITY : account->provider->required[0];

    if (id != OPT_MANAGED_IDENTITY && id != OPT_TOKEN_COMMAND && id != OPT_TOKEN_FILE)
        return 0;
    return bearer_crc32c(0, account->values[id], strlen(account->values[id]));
}

static enum bearer_status bind_account(struct bearer_account *account, struct bearer_error *err)
{
    char *const *values = account->values;
    uint32_t source = source_of(account);
    char shown_source[24] = "";

    account->key = strdup(account->provider->flags & BEARER_PER_IDENTITY ? account->name
                          : account->is_top                               ? TOP_KEY
                                                                          : account->section);
    if (source != 0)
        snprintf(shown_source, sizeof shown_source, "\nsource %08x", (unsigned)source);
    account->binding = bearer_text_format("provider %s\nendpoint %s\nclient_id %s\nscope %s\nidentity %s%s",
                                          account->provider_name, shown(values[OPT_TOKEN_ENDPOINT]),
                                          shown(values[OPT_CLIENT_ID]), shown(values[OPT_SCOPE]), shown(account->key), shown_source);
    if (account->key == NULL || account->binding == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    account->timeout = strtoll(values[OPT_TIMEOUT], NULL, 10);
    account->margin.usual = strtoll(values[OPT_MIN_LIFETIME], NULL, 10);
    return BEARER_OK;
}

enum bearer_status bearer_account_build(const struct bearer_lookup *l, const struct bearer_section *section, const char *name,
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
    if ((st = choose_credential(account, err)) != BEARER_OK ||
        (account->service != NULL && (st = apply_preset(account, err)) != BEARER_OK) ||
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
