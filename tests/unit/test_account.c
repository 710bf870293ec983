/* test_account.c - whose token, got how, from where, for which servers. */
#include "credential/account.h"
#include "tests/unit/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PUBLIC_SERVERS "*.office365.com *.office.com *.outlook.com *.mx.microsoft"
#define DELEGATED_SCOPE                                                                                                     \
    "https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/POP.AccessAsUser.All "                     \
    "https://outlook.office.com/SMTP.Send offline_access"

/* What the program itself says, for these tests. */
struct program {
    const char *name, *value;
};

static const char *program_option(void *context, const char *name)
{
    for (const struct program *p = context; p != NULL && p->name != NULL; p++)
        if (strcmp(p->name, name) == 0)
            return p->value;
    return NULL;
}

/* Writes both levels' files (NULL = none) and reads them. */
static struct bearer_config *load(const char *user_text, const char *system_text)
{
    const struct bearer_config_places places = { .system_path = scratch_path("system"),
                                                 .user_directory = scratch_path("user") };
    struct bearer_config *config;

    if (system_text != NULL)
        scratch_write("system/sasl.conf", 0600, system_text);
    if (user_text != NULL)
        scratch_write("user/sasl.conf", 0600, user_text);
    assert_int_equal(bearer_config_load(&places, &config, NULL), BEARER_OK);
    return config;
}

static int environment_begin(void **state)
{
    unsetenv("AZURE_TENANT_ID");
    unsetenv("AZURE_CLIENT_ID");
    return scratch_begin(state);
}

#define account_test(test) cmocka_unit_test_setup_teardown(test, environment_begin, scratch_end)

/* Gives the account of a name or fails the test. */
static struct bearer_account *find(const struct bearer_config *config, const char *user, const struct program *program)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct bearer_account *account = NULL;

    if (bearer_account_find(config, user, program_option, (void *)(uintptr_t)program, &account, &err) != BEARER_OK)
        fail_msg("%s: %s", user, err.text);
    assert_int_equal(err.status, BEARER_OK);
    assert_non_null(account);
    return account;
}

/* Expects that there is none, for this reason. */
static void refused(const struct bearer_config *config, const char *user, const struct program *program,
                    enum bearer_status status, const char *text)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct bearer_account *account = (void *)&err;

    assert_int_equal(bearer_account_find(config, user, program_option, (void *)(uintptr_t)program, &account, &err), status);
    assert_int_equal(err.status, status);
    assert_null(account);
    if (text != NULL)
        assert_string_equal(err.text, text);
    assert_int_equal(bearer_account_find(config, user, program_option, (void *)(uintptr_t)program, &account, NULL), status);
}

static const char *system_file(void)
{
    return scratch_path("system/sasl.conf");
}

static const char *user_file(void)
{
    return scratch_path("user/sasl.conf");
}

/* ------------------------------------------------------------------ which section */

static void the_section_is_chosen_as_the_table_says(void **state)
{
    static const char *const user_text = "oauth2_client_id: user-top\n"
                                         "[*@users.example]\noauth2_client_id: user-glob\n"
                                         "[bob@users.example]\noauth2_client_id: user-exact\n"
                                         "[*@both.example]\noauth2_client_id: user-both\n";
    static const char *const system_text = "oauth2_client_id: system-top\n"
                                           "[*@both.example]\noauth2_client_id: system-both\n"
                                           "[eve@both.example]\noauth2_client_id: system-exact\n"
                                           "[a*@system.example]\noauth2_client_id: first-glob\n"
                                           "[*@system.example]\noauth2_client_id: second-glob\n"
                                           "[al*@system.example]\noauth2_client_id: third-glob\n"
                                           "[ada@system.example]\noauth2_client_id: system-exact\n";
    static const struct {
        const char *user, *client_id, *section;
        enum bearer_level level;
    } table[] = {
        { "bob@users.example", "user-exact", "bob@users.example", BEARER_LEVEL_USER }, /* exact before an earlier pattern */
        { "BOB@Users.Example", "user-exact", "bob@users.example", BEARER_LEVEL_USER },
        { "ann@users.example", "user-glob", "*@users.example", BEARER_LEVEL_USER },
        { "ann@both.example", "user-both", "*@both.example", BEARER_LEVEL_USER },
        { "eve@both.example", "user-both", "*@both.example",
          BEARER_LEVEL_USER }, /* the user's pattern before the system's exact */
        { "alf@system.example", "first-glob", "a*@system.example", BEARER_LEVEL_SYSTEM },
        { "bea@system.example", "second-glob", "*@system.example", BEARER_LEVEL_SYSTEM },
        { "ada@system.example", "system-exact", "ada@system.example", BEARER_LEVEL_SYSTEM },
        { "ann@elsewhere.example", "user-top", "*", BEARER_LEVEL_USER },
        { "relay", "user-top", "*", BEARER_LEVEL_USER },
    };
    struct bearer_config *config = load(user_text, system_text);

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct bearer_account *account = find(config, table[i].user, NULL);

        assert_string_equal(account->values[OPT_CLIENT_ID], table[i].client_id);
        assert_string_equal(account->section, table[i].section);
        assert_int_equal(account->level, table[i].level);
        bearer_account_free(&account);
        assert_null(account);
    }
    bearer_config_free(&config);
}

static void an_account_is_told_by_name_file_and_line(void **state)
{
    struct bearer_config *config = load(NULL, "\n[*@contoso.com]\noauth2_client_id: x\n");
    struct bearer_account *account = find(config, "Bob@Contoso.com", NULL);

    (void)state;
    assert_string_equal(account->name, "bob@contoso.com");
    assert_text(account->origin, "%s:2", system_file());
    assert_string_equal(account->provider_name, "delegated");
    assert_string_equal(account->provider->name, "delegated");
    assert_int_equal(account->timeout, 20);
    assert_int_equal(account->margin.usual, 300);
    bearer_account_free(&account);
    bearer_account_free(&account);
    bearer_config_free(&config);
    config = load(NULL, "oauth2_client_id: x\noauth2_timeout: 7\noauth2_min_lifetime: 660\n");
    account = find(config, "bob", NULL);
    assert_string_equal(account->origin, system_file()); /* the top stands in the whole file */
    assert_string_equal(account->section, "*");
    assert_int_equal(account->timeout, 7);
    assert_int_equal(account->margin.usual, 660);
    bearer_account_free(&account);
    bearer_config_free(&config);
}

static void a_name_that_nothing_covers_has_no_account(void **state)
{
    struct bearer_config *config = load(NULL, "[*@contoso.com]\noauth2_client_id: x\n");

    (void)state;
    refused(config, "Bob@Fabrikam.com", NULL, BEARER_NO_ACCOUNT,
            "no section of sasl.conf covers 'bob@fabrikam.com': add one for it, or for its domain");
    bearer_config_free(&config);
}

static void what_is_no_name_is_refused(void **state)
{
    struct bearer_config *config = load(NULL, "oauth2_client_id: x\n");
    char name[322];

    (void)state;
    refused(config, "", NULL, BEARER_USAGE, "the user name is empty");
    refused(config, "a\nb", NULL, BEARER_USAGE, "the user name is longer than 320 bytes or holds control characters");
    refused(config, "a\x7f", NULL, BEARER_USAGE, "the user name is longer than 320 bytes or holds control characters");
    memset(name, 'x', sizeof name);
    name[321] = '\0';
    refused(config, name, NULL, BEARER_USAGE, "the user name is longer than 320 bytes or holds control characters");
    name[320] = '\0';
    {
        struct bearer_account *account = find(config, name, NULL);

        bearer_account_free(&account);
    }
    bearer_config_free(&config);
}

/* ------------------------------------------------------------------ which value */

static void values_are_inherited_as_the_table_says(void **state)
{
    static const struct {
        const char *what, *user_text, *system_text;
        enum bearer_option_id id;
        const char *value;
    } table[] = {
        { "the section's own", "oauth2_timeout: 2\n[u]\noauth2_timeout: 1\noauth2_client_id: x\n", "oauth2_timeout: 3\n",
          OPT_TIMEOUT, "1" },
        { "the top of the same file", "oauth2_timeout: 2\n[u]\noauth2_client_id: x\n", "oauth2_timeout: 3\n", OPT_TIMEOUT,
          "2" },
        { "the top of the system's file", "[u]\noauth2_client_id: x\n", "oauth2_timeout: 3\n", OPT_TIMEOUT, "3" },
        { "the default", "[u]\noauth2_client_id: x\n", NULL, OPT_TIMEOUT, "20" },
        { "a system's section never looks into the user's file", "oauth2_timeout: 2\n", "[u]\noauth2_client_id: x\n",
          OPT_TIMEOUT, "20" },
        { "nor for what it lacks", "oauth2_tenant: evil.example\n", "[u]\noauth2_client_id: x\n", OPT_TENANT,
          "organizations" },
        { "a service option comes from outside", "[u]\noauth2_client_id: x\n", "oauth2_tenant: contoso.com\n", OPT_TENANT,
          "contoso.com" },
        { "but not past a level that names a service", "[u]\noauth2_service: microsoft365\noauth2_client_id: x\n",
          "oauth2_tenant: contoso.com\n", OPT_TENANT, "organizations" },
        { "nor past the top that names one", "oauth2_service: microsoft365\n[u]\noauth2_client_id: x\n",
          "oauth2_tenant: contoso.com\n", OPT_TENANT, "organizations" },
        { "beside the service all is inherited", "[u]\noauth2_client_id: x\n",
          "oauth2_service: microsoft365\noauth2_tenant: contoso.com\n", OPT_TENANT, "contoso.com" },
        { "options of no group come past it", "[u]\noauth2_service: microsoft365\noauth2_client_id: x\n",
          "oauth2_timeout: 3\n", OPT_TIMEOUT, "3" },
        { "the cloud is a service option", "[u]\noauth2_service: microsoft365\noauth2_client_id: x\n",
          "oauth2_cloud: china\n", OPT_CLOUD, "public" },
        { "a credential comes from outside", "[u]\noauth2_client_id: x\n", "oauth2_client_secret: s\n", OPT_CLIENT_SECRET,
          "s" },
        { "but not past another", "[u]\noauth2_client_id: x\noauth2_client_secret_file: /f\n", "oauth2_client_secret: s\n",
          OPT_CLIENT_SECRET, NULL },
        { "nor past another at the top", "oauth2_client_secret_file: /f\n[u]\noauth2_client_id: x\n",
          "oauth2_client_secret: s\n", OPT_CLIENT_SECRET, NULL },
        { "nor past a level that names a service", "[u]\noauth2_service: microsoft365\noauth2_client_id: x\n",
          "oauth2_client_secret: s\n", OPT_CLIENT_SECRET, NULL },
        { "the credential of the nearest level", "oauth2_client_secret: t\n[u]\noauth2_client_id: x\n",
          "oauth2_client_secret: s\n", OPT_CLIENT_SECRET, "t" },
        { "a credential stops no service option", "[u]\noauth2_client_secret: t\n", "oauth2_client_id: y\n", OPT_CLIENT_ID,
          "y" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct bearer_config *config;
        struct bearer_account *account;

        unlink(user_file());
        unlink(system_file());
        config = load(table[i].user_text, table[i].system_text);
        account = find(config, "u", NULL);
        if (table[i].value == NULL
                ? account->values[table[i].id] != NULL
                : account->values[table[i].id] == NULL || strcmp(account->values[table[i].id], table[i].value) != 0)
            fail_msg("%s: '%s' instead of '%s'", table[i].what,
                     account->values[table[i].id] != NULL ? account->values[table[i].id] : "none",
                     table[i].value != NULL ? table[i].value : "none");
        bearer_account_free(&account);
        bearer_config_free(&config);
    }
}

static void a_drop_ins_section_inherits_from_the_systems_top(void **state)
{
    struct bearer_config *config;
    struct bearer_account *account;

    (void)state;
    scratch_write("system/sasl.conf.d/1.conf", 0600, "[u]\noauth2_timeout: 9\n");
    config = load(NULL, "oauth2_client_id: x\n");
    account = find(config, "u", NULL);
    assert_string_equal(account->values[OPT_CLIENT_ID], "x");
    assert_int_equal(account->timeout, 9);
    bearer_account_free(&account);
    bearer_config_free(&config);
}

static void a_user_does_not_inherit_the_systems_token_store(void **state)
{
    struct bearer_config *config = load("[u]\noauth2_timeout: 9\n", "oauth2_client_id: x\noauth2_token_store: /system\n[s]\n");
    struct bearer_account *account = find(config, "u", NULL);

    (void)state;
    assert_string_equal(account->values[OPT_CLIENT_ID], "x");
    assert_null(account->values[OPT_TOKEN_STORE]);
    bearer_account_free(&account);
    account = find(config, "s", NULL);
    assert_string_equal(account->values[OPT_TOKEN_STORE], "/system");
    bearer_account_free(&account);
    bearer_config_free(&config);
}

/* ------------------------------------------------------------------ presets */

static void presets_fill_in_as_the_table_says(void **state)
{
    static const struct {
        const char *text, *endpoint, *scope, *servers;
    } table[] = {
        { "oauth2_client_id: x\n", "https://login.microsoftonline.com/organizations/oauth2/v2.0/token", DELEGATED_SCOPE,
          PUBLIC_SERVERS },
        { "oauth2_client_id: x\noauth2_tenant: contoso.com\n",
          "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token", DELEGATED_SCOPE, PUBLIC_SERVERS },
        { "oauth2_provider: app_only\noauth2_client_id: x\noauth2_client_secret: s\noauth2_tenant: contoso.com\n",
          "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token", "https://outlook.office365.com/.default",
          PUBLIC_SERVERS },
        { "oauth2_provider: app_only\noauth2_client_id: x\noauth2_client_secret: s\noauth2_tenant: t\noauth2_cloud: usgov\n",
          "https://login.microsoftonline.us/t/oauth2/v2.0/token", "https://outlook.office365.us/.default",
          "*.office365.us" },
        { "oauth2_provider: app_only\noauth2_client_id: x\noauth2_client_secret: s\noauth2_tenant: t\noauth2_cloud: "
          "usgov_dod\n",
          "https://login.microsoftonline.us/t/oauth2/v2.0/token", "https://outlook.office365.us/.default",
          "*.office365.us webmail.apps.mil" },
        { "oauth2_provider: app_only\noauth2_client_id: x\noauth2_client_secret: s\noauth2_tenant: t\noauth2_cloud: china\n",
          "https://login.partner.microsoftonline.cn/t/oauth2/v2.0/token", "https://partner.outlook.cn/.default",
          "*.outlook.cn" },
        { "oauth2_client_id: x\noauth2_scope: SMTP.Send offline_access\n",
          "https://login.microsoftonline.com/organizations/oauth2/v2.0/token",
          "https://outlook.office.com/SMTP.Send offline_access", PUBLIC_SERVERS },
        { "oauth2_client_id: x\noauth2_token_endpoint: https://e/t\noauth2_scope: https://r/s\noauth2_servers: h\n",
          "https://e/t", "https://r/s", "h" },
        { "oauth2_client_id: x\noauth2_service: custom\noauth2_token_endpoint: https://e/t\noauth2_scope: mail\n"
          "oauth2_servers: h\n",
          "https://e/t", "mail", "h" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct bearer_config *config = load(NULL, table[i].text);
        struct bearer_account *account = find(config, "bob@contoso.com", NULL);

        assert_string_equal(account->values[OPT_TOKEN_ENDPOINT], table[i].endpoint);
        assert_string_equal(account->values[OPT_SCOPE], table[i].scope);
        assert_string_equal(account->values[OPT_SERVERS], table[i].servers);
        bearer_account_free(&account);
        bearer_config_free(&config);
    }
}

static void a_device_endpoint_belongs_to_the_tenant(void **state)
{
    struct bearer_config *config = load(NULL, "oauth2_client_id: x\noauth2_tenant: contoso.com\n");
    struct bearer_account *account = find(config, "bob", NULL);

    (void)state;
    assert_string_equal(account->values[OPT_DEVICE_ENDPOINT],
                        "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/devicecode");
    bearer_account_free(&account);
    bearer_config_free(&config);
}

/* ------------------------------------------------------------------ key and binding */

static void a_persons_token_is_filed_under_the_name_an_applications_under_the_section(void **state)
{
    struct bearer_config *config = load(NULL, "[*@people.example]\noauth2_client_id: x\n"
                                              "[*@app.example]\noauth2_provider: app_only\noauth2_client_id: x\n"
                                              "oauth2_client_secret: s\noauth2_tenant: t\n");
    struct bearer_account *account = find(config, "Bob@people.example", NULL);

    (void)state;
    assert_string_equal(account->key, "bob@people.example");
    assert_text(
        account->binding,
        "provider delegated\nendpoint https://login.microsoftonline.com/organizations/oauth2/v2.0/token\nclient_id x\n"
        "scope %s\nidentity bob@people.example",
        DELEGATED_SCOPE);
    bearer_account_free(&account);
    account = find(config, "bob@app.example", NULL);
    assert_string_equal(account->key, "*@app.example");
    bearer_account_free(&account);
    bearer_config_free(&config);
}

static void a_person_acts_by_name_an_application_by_id(void **state)
{
    struct bearer_config *config =
        load(NULL, "[p]\noauth2_client_id: x\n"
                   "[a]\noauth2_provider: app_only\noauth2_client_id: x\noauth2_client_secret: s\n"
                   "oauth2_tenant: t\n"
                   "[m]\noauth2_provider: module:acme\n"
                   "[i]\noauth2_identity: p\n");
    static const char *const table[][2] = { { "p", "p" }, { "a", "x" }, { "m", "m" }, { "i", "p" } };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct bearer_account *account = find(config, table[i][0], NULL);

        assert_string_equal(bearer_account_actor(account), table[i][1]);
        bearer_account_free(&account);
    }
    bearer_config_free(&config);
}

static void whatever_a_token_is_issued_for_changes_the_binding(void **state)
{
    static const char *const texts[] = {
        "oauth2_client_id: x\n",
        "oauth2_client_id: y\n",
        "oauth2_client_id: x\noauth2_tenant: t\n",
        "oauth2_client_id: x\noauth2_cloud: usgov\n",
        "oauth2_client_id: x\noauth2_scope: SMTP.Send\n",
        "oauth2_client_id: x\noauth2_provider: app_only\noauth2_tenant: t\noauth2_client_secret: s\n",
        "oauth2_client_id: x\noauth2_token_endpoint: https://e/\n",
    };
    enum { COUNT = sizeof texts / sizeof texts[0] };
    char *bindings[COUNT + 1];

    (void)state;
    for (size_t i = 0; i <= COUNT; i++) { /* the last: what has no part in it */
        struct bearer_config *config = load(NULL, i < COUNT ? texts[i] : "oauth2_client_id: x\noauth2_timeout: 5\n");
        struct bearer_account *account = find(config, "bob", NULL);

        bindings[i] = strdup(account->binding);
        bearer_account_free(&account);
        bearer_config_free(&config);
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(bindings[i], bindings[j]);
    assert_string_equal(bindings[COUNT], bindings[0]);
    for (size_t i = 0; i <= COUNT; i++)
        free(bindings[i]);
}

/* ------------------------------------------------------------------ identity */

static void an_identity_is_looked_up_in_the_mailboxes_place(void **state)
{
    struct bearer_config *config = load(NULL, "[*@contoso.com]\noauth2_client_id: x\n"
                                              "[info@contoso.com]\noauth2_identity: Bob@Contoso.com\n"
                                              "[*@shared.example]\noauth2_identity: bob@contoso.com\n");
    struct bearer_account *account = find(config, "info@contoso.com", NULL);

    (void)state;
    assert_string_equal(account->name, "bob@contoso.com");
    assert_string_equal(account->key, "bob@contoso.com");
    assert_string_equal(account->section, "*@contoso.com");
    bearer_account_free(&account);
    account = find(config, "sales@shared.example", NULL);
    assert_string_equal(account->name, "bob@contoso.com");
    bearer_account_free(&account);
    bearer_config_free(&config);
}

static void an_identity_at_the_top_signs_in_for_all_that_have_no_section(void **state)
{
    struct bearer_config *config =
        load(NULL, "oauth2_identity: bob@contoso.com\noauth2_client_id: x\n[eve]\noauth2_timeout: 5\n");
    struct bearer_account *account = find(config, "info@contoso.com", NULL);

    (void)state;
    assert_string_equal(account->name, "bob@contoso.com");
    bearer_account_free(&account);
    account = find(config, "eve", NULL);
    assert_string_equal(account->name, "eve");
    bearer_account_free(&account);
    bearer_config_free(&config);
}

static void mistakes_with_identities_read_as_the_table_says(void **state)
{
    static const struct {
        const char *text, *user;
        enum bearer_status status;
        const char *error; /* %s = the file */
    } table[] = {
        { "[info]\noauth2_identity: bob\noauth2_timeout: 5\n[bob]\noauth2_client_id: x\n", "info", BEARER_CONFIG,
          "%s:3: oauth2_timeout beside oauth2_identity: the account is looked up under that name; set it there" },
        { "[info]\noauth2_client_id: x\noauth2_identity: bob\n[bob]\noauth2_client_id: x\n", "info", BEARER_CONFIG,
          "%s:2: oauth2_client_id beside oauth2_identity: the account is looked up under that name; set it there" },
        { "[a]\noauth2_identity: b\n[b]\noauth2_identity: c\n[c]\noauth2_client_id: x\n", "a", BEARER_CONFIG,
          "%s:3: somebody else signs in for 'b', who was to sign in for others: name that one in oauth2_identity" },
        { "[a]\noauth2_identity: nobody\n", "a", BEARER_NO_ACCOUNT,
          "no section of sasl.conf covers 'nobody': add one for it, or for its domain" },
        { "[a]\noauth2_identity: b\n[b]\noauth2_tenent: x\n", "a", BEARER_CONFIG,
          "%s:4: unknown option 'oauth2_tenent', nearest is 'oauth2_tenant'" },
        { "[a]\noauth2_identity: b c\n", "a", BEARER_CONFIG,
          "%s:2: oauth2_identity is 'b c'; it must be one word without blanks or any of / ? # & = \"" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct bearer_config *config = load(NULL, table[i].text);
        const char *after = strncmp(table[i].error, "%s", 2) == 0 ? table[i].error + 2 : NULL;

        refused(config, table[i].user, NULL, table[i].status,
                after != NULL ? scratch_text("%s%s", system_file(), after) : table[i].error);
        bearer_config_free(&config);
    }
}

static void two_identities_that_name_each_other_end(void **state)
{
    struct bearer_config *config = load(NULL, "[a]\noauth2_identity: b\n[b]\noauth2_identity: a\n");

    (void)state;
    refused(config, "a", NULL, BEARER_CONFIG, NULL);
    refused(config, "b", NULL, BEARER_CONFIG, NULL);
    bearer_config_free(&config);
}

/* ------------------------------------------------------------------ completeness */

static void what_an_account_lacks_reads_as_the_table_says(void **state)
{
    static const struct {
        const char *text;  /* of [u] */
        const char *error; /* behind FILE:1: [u] */
    } table[] = {
        { "oauth2_timeout: 5\n", " lacks oauth2_client_id, which provider delegated needs" },
        { "oauth2_provider: app_only\n", " lacks oauth2_client_id, which provider app_only needs" },
        { "oauth2_provider: app_only\noauth2_client_id: x\n",
          " lacks a credential, such as oauth2_client_certificate or oauth2_client_secret_file, which provider app_only needs" },
        { "oauth2_provider: app_only\noauth2_client_id: x\noauth2_client_secret: s\n",
          " lacks oauth2_tenant, which provider app_only needs" },
        { "oauth2_provider: app_only\noauth2_client_id: x\noauth2_client_secret: s\noauth2_tenant: organizations\n",
          " has oauth2_tenant 'organizations': provider app_only needs the tenant's id or domain" },
        { "oauth2_provider: app_only\noauth2_client_id: x\noauth2_client_secret: s\noauth2_tenant: common\n",
          " has oauth2_tenant 'common': provider app_only needs the tenant's id or domain" },
        { "oauth2_provider: app_only\noauth2_client_id: x\noauth2_client_secret: s\noauth2_tenant: consumers\n",
          " has oauth2_tenant 'consumers': provider app_only needs the tenant's id or domain" },
        { "oauth2_client_id: x\noauth2_client_secret: s\noauth2_client_secret_file: /f\n",
          " has both oauth2_client_secret and oauth2_client_secret_file: take one out" },
        { "oauth2_service: custom\noauth2_client_id: x\n", " lacks oauth2_token_endpoint, which provider delegated needs" },
        { "oauth2_service: custom\noauth2_client_id: x\noauth2_token_endpoint: https://e/\n",
          " lacks oauth2_scope, which provider delegated needs" },
        { "oauth2_service: custom\noauth2_client_id: x\noauth2_token_endpoint: https://e/\noauth2_scope: s\n",
          " lacks oauth2_servers, which provider delegated needs" },
        { "oauth2_service: custom\noauth2_provider: password_field\n",
          " lacks oauth2_servers, which provider password_field needs" },
        { "oauth2_service: custom\noauth2_provider: module:acme\n",
          " lacks oauth2_servers, which provider module:acme needs" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct bearer_config *config = load(NULL, scratch_text("[u]\n%s", table[i].text));

        refused(config, "u", NULL, BEARER_CONFIG, scratch_text("%s:1: [u]%s", system_file(), table[i].error));
        bearer_config_free(&config);
    }
}

static void what_is_enough_for_an_account_is_enough(void **state)
{
    static const char *const texts[] = {
        "oauth2_client_id: x\n",
        "oauth2_client_id: x\noauth2_tenant: common\n",
        "oauth2_provider: app_only\noauth2_client_id: x\noauth2_client_secret: s\noauth2_tenant: contoso.com\n",
        "oauth2_provider: app_only\noauth2_client_id: x\noauth2_client_secret_file: /f\noauth2_tenant: contoso.com\n",
        ("oauth2_provider: app_only\noauth2_client_id: x\noauth2_client_secret: s\noauth2_service: custom\n"
         "oauth2_token_endpoint: https://e/\noauth2_scope: s\noauth2_servers: h\n"),
        "oauth2_provider: password_field\n",
        "oauth2_provider: module:acme\n",
        "oauth2_provider: password_field\noauth2_service: custom\noauth2_servers: h\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        for (int at_top = 0; at_top < 2; at_top++) {
            struct bearer_config *config = load(NULL, at_top ? texts[i] : scratch_text("[u]\n%s", texts[i]));
            struct bearer_account *account = find(config, "u", NULL);

            assert_true(bearer_account_any(config, program_option, NULL));
            bearer_account_free(&account);
            bearer_config_free(&config);
        }
}

static void a_top_that_lacks_something_is_no_account(void **state)
{
    static const char *const texts[] = {
        "oauth2_timeout: 5\n",
        "oauth2_tenant: contoso.com\n",
        "oauth2_provider: app_only\noauth2_client_id: x\n",
        "oauth2_jailed_programs: smtp\n",
        "# nothing\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct bearer_config *config = load(NULL, texts[i]);

        refused(config, "u", NULL, BEARER_NO_ACCOUNT,
                "no section of sasl.conf covers 'u': add one for it, or for its domain");
        assert_false(bearer_account_any(config, program_option, NULL));
        bearer_config_free(&config);
    }
}

static void a_top_with_a_mistake_is_told_of(void **state)
{
    static const struct {
        const char *text, *error;
    } table[] = {
        { "oauth2_provider: app_only\noauth2_client_id: x\noauth2_client_secret: s\noauth2_tenant: common\n",
          ": [*] has oauth2_tenant 'common': provider app_only needs the tenant's id or domain" },
        { "oauth2_client_id: x\noauth2_client_secret: s\noauth2_client_secret_file: /f\n",
          ": [*] has both oauth2_client_secret and oauth2_client_secret_file: take one out" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct bearer_config *config = load(NULL, table[i].text);

        refused(config, "u", NULL, BEARER_CONFIG, scratch_text("%s%s", system_file(), table[i].error));
        assert_true(bearer_account_any(config, program_option, NULL));
        bearer_config_free(&config);
    }
}

static void without_any_configuration_there_is_no_account(void **state)
{
    static const struct program program[] = { { "oauth2_client_id", "x" }, { NULL, NULL } };
    struct bearer_config *config = load(NULL, NULL);

    (void)state;
    setenv("AZURE_CLIENT_ID", "x", 1);
    setenv("AZURE_TENANT_ID", "t", 1);
    assert_false(bearer_account_any(config, program_option, (void *)(uintptr_t)program));
    assert_false(bearer_account_any(config, NULL, NULL));
    refused(config, "u", program, BEARER_NO_ACCOUNT, NULL);
    bearer_config_free(&config);
}

/* ------------------------------------------------------------------ what completes an account */

static void program_and_environment_complete_an_account_as_the_table_says(void **state)
{
    static const struct program says[] = { { "oauth2_tenant", "program.example" },
                                           { "oauth2_client_id", "program-id" },
                                           { "oauth2_timeout", "44" },
                                           { "oauth2_min_lifetime", "55" },
                                           { "oauth2_cloud", "usgov" },
                                           /* what a program has no say in */
                                           { "oauth2_client_secret", "stolen" },
                                           { "oauth2_token_endpoint", "https://evil.example/" },
                                           { "oauth2_servers", "*" },
                                           { "oauth2_token_store", "/tmp" },
                                           { "oauth2_ca_file", "/tmp/ca" },
                                           { "oauth2_provider", "module:evil" },
                                           { NULL, NULL } };
    static const struct program empty[] = { { "oauth2_tenant", "" }, { "oauth2_client_id", "" }, { NULL, NULL } };
    struct bearer_config *config = load(NULL, "[a]\noauth2_timeout: 5\noauth2_provider: delegated\n"
                                              "[b]\noauth2_tenant: file.example\noauth2_client_id: file-id\n");
    struct bearer_account *account = find(config, "a", says);

    (void)state;
    assert_string_equal(account->values[OPT_TENANT], "program.example");
    assert_string_equal(account->values[OPT_CLIENT_ID], "program-id");
    assert_int_equal(account->timeout, 5); /* the file was first */
    assert_int_equal(account->margin.usual, 55);
    assert_string_equal(account->values[OPT_TOKEN_ENDPOINT],
                        "https://login.microsoftonline.us/program.example/oauth2/v2.0/token");
    assert_null(account->values[OPT_CLIENT_SECRET]);
    assert_null(account->values[OPT_TOKEN_STORE]);
    assert_null(account->values[OPT_CA_FILE]);
    assert_string_equal(account->values[OPT_SERVERS], "*.office365.us");
    assert_string_equal(account->provider_name, "delegated");
    bearer_account_free(&account);
    account = find(config, "b", says);
    assert_string_equal(account->values[OPT_TENANT], "file.example");
    assert_string_equal(account->values[OPT_CLIENT_ID], "file-id");
    bearer_account_free(&account);

    setenv("AZURE_TENANT_ID", "environment.example", 1);
    setenv("AZURE_CLIENT_ID", "environment-id", 1);
    account = find(config, "a", NULL);
    assert_string_equal(account->values[OPT_TENANT], "environment.example");
    assert_string_equal(account->values[OPT_CLIENT_ID], "environment-id");
    bearer_account_free(&account);
    account = find(config, "a", says); /* the program before the environment */
    assert_string_equal(account->values[OPT_TENANT], "program.example");
    bearer_account_free(&account);
    account = find(config, "b", NULL);
    assert_string_equal(account->values[OPT_TENANT], "file.example");
    bearer_account_free(&account);
    setenv("AZURE_TENANT_ID", "", 1); /* empty is as not set */
    account = find(config, "a", NULL);
    assert_string_equal(account->values[OPT_TENANT], "organizations");
    bearer_account_free(&account);
    unsetenv("AZURE_CLIENT_ID");
    refused(config, "a", empty, BEARER_CONFIG, NULL);
    bearer_config_free(&config);
}

static void what_completes_an_account_is_checked_too(void **state)
{
    static const struct program bad[] = { { "oauth2_timeout", "soon" }, { NULL, NULL } };
    struct bearer_config *config = load(NULL, "[a]\noauth2_client_id: x\n");

    (void)state;
    refused(config, "a", bad, BEARER_CONFIG,
            "the program's SASL options: oauth2_timeout is 'soon'; it must be a number of seconds from 1 to 600");
    setenv("AZURE_TENANT_ID", "../evil", 1);
    refused(
        config, "a", NULL, BEARER_CONFIG,
        "the program's SASL options or the environment variable AZURE_TENANT_ID: oauth2_tenant is '../evil'; it must be one "
        "word without blanks or any of / ? # & = \"");
    bearer_config_free(&config);
}

static void a_program_names_who_signs_in_for_what_has_no_section(void **state)
{
    static const struct program says[] = { { "oauth2_identity", "Bob@contoso.com" }, { NULL, NULL } };
    struct bearer_config *config = load(NULL, "[*@contoso.com]\noauth2_client_id: x\n[eve]\noauth2_client_id: y\n");
    struct bearer_account *account = find(config, "info@elsewhere.example", says);

    (void)state;
    assert_string_equal(account->name, "bob@contoso.com");
    assert_string_equal(account->section, "*@contoso.com");
    bearer_account_free(&account);
    account = find(config, "eve", says);
    assert_string_equal(account->name, "eve");
    bearer_account_free(&account);
    bearer_config_free(&config);
}

static void a_program_that_names_an_identity_with_an_identity_is_refused(void **state)
{
    static const struct program says[] = { { "oauth2_identity", "bob" }, { NULL, NULL } };
    struct bearer_config *config = load(NULL, "[bob]\noauth2_identity: carol\n[carol]\noauth2_client_id: x\n");

    (void)state;
    refused(config, "info", says, BEARER_CONFIG,
            scratch_text(
                "%s:1: somebody else signs in for 'bob', who was to sign in for others: name that one in oauth2_identity",
                system_file()));
    bearer_config_free(&config);
}

static void an_identity_from_a_program_is_checked_too(void **state)
{
    static const struct program bad[] = { { "oauth2_identity", "bob smith" }, { NULL, NULL } };
    static const struct program worse[] = { { "oauth2_identity", "bob\ncause:none" }, { NULL, NULL } };
    struct bearer_config *config = load(NULL, "oauth2_client_id: x\n");

    (void)state;
    refused(
        config, "info", bad, BEARER_CONFIG,
        "the program's SASL options: oauth2_identity is 'bob smith'; it must be one word without blanks or any of / ? # & = "
        "\"");
    refused(config, "info", worse, BEARER_USAGE, NULL);
    bearer_config_free(&config);
}

/* ------------------------------------------------------------------ mistakes in the file */

static void a_mistake_in_a_section_is_the_answer_to_its_names_only(void **state)
{
    struct bearer_config *config = load(NULL, "[a]\noauth2_client_id: x\noauth2_tenent: y\n[b]\noauth2_client_id: x\n");
    struct bearer_account *account;

    (void)state;
    refused(config, "a", NULL, BEARER_CONFIG,
            scratch_text("%s:3: unknown option 'oauth2_tenent', nearest is 'oauth2_tenant'", system_file()));
    account = find(config, "b", NULL);
    bearer_account_free(&account);
    refused(config, "c", NULL, BEARER_NO_ACCOUNT, NULL);
    bearer_config_free(&config);
}

static void a_broken_file_is_the_answer_to_all_its_names_and_to_unknown_ones(void **state)
{
    static const char *const texts[] = {
        "[a]\noauth2_client_id: x\nmumble\n", "\n\nmumble\n[a]\noauth2_client_id: x\n",
        "\n\noauth2_tenent: x\n[a]\noauth2_client_id: x\n", /* the top is everybody's */
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct bearer_config *config = load("[u]\noauth2_client_id: y\n", texts[i]);
        const char *error = scratch_text("%s:3: %s", system_file(),
                                         i < 2 ? "neither 'option: value' nor a [section] nor a # comment"
                                               : "unknown option 'oauth2_tenent', nearest is 'oauth2_tenant'");
        struct bearer_account *account;

        refused(config, "a", NULL, BEARER_CONFIG, error);
        refused(config, "unknown", NULL, BEARER_CONFIG, error);
        assert_true(bearer_account_any(config, program_option, NULL));
        account = find(config, "u", NULL); /* the other file is whole */
        bearer_account_free(&account);
        bearer_config_free(&config);
    }
}

static void a_broken_users_file_leaves_the_systems_sections_alone(void **state)
{
    struct bearer_config *config = load("mumble\n", "[a]\noauth2_client_id: x\n");
    struct bearer_account *account = find(config, "a", NULL);

    (void)state;
    bearer_account_free(&account);
    refused(config, "b", NULL, BEARER_CONFIG,
            scratch_text("%s:1: neither 'option: value' nor a [section] nor a # comment", user_file()));
    bearer_config_free(&config);
}

static void a_broken_top_is_the_answer_to_all_who_inherit_from_it(void **state)
{
    const char *drop_in = scratch_path("system/sasl.conf.d/1.conf");
    struct bearer_config *config;

    (void)state;
    scratch_write("system/sasl.conf.d/1.conf", 0600, "[b]\noauth2_client_id: x\n");
    config = load(NULL, "oauth2_serverz: mail.example\n[a]\noauth2_client_id: x\n");
    refused(config, "b", NULL, BEARER_CONFIG,
            scratch_text("%s:1: unknown option 'oauth2_serverz', nearest is 'oauth2_servers'", system_file()));
    bearer_config_free(&config);
    scratch_write("system/sasl.conf.d/1.conf", 0600, "mumble\n[b]\noauth2_client_id: x\n");
    config = load(NULL, "[a]\noauth2_client_id: x\n");
    refused(config, "a", NULL, BEARER_CONFIG,
            scratch_text("%s:1: neither 'option: value' nor a [section] nor a # comment", drop_in));
    bearer_config_free(&config);
}

static void a_broken_drop_in_leaves_the_other_files_alone(void **state)
{
    struct bearer_config *config;
    struct bearer_account *account;

    (void)state;
    scratch_write("system/sasl.conf.d/1.conf", 0600, "[b]\noauth2_client_id: x\nmumble\n");
    config = load(NULL, "[a]\noauth2_client_id: x\n");
    account = find(config, "a", NULL);
    bearer_account_free(&account);
    refused(config, "b", NULL, BEARER_CONFIG,
            scratch_text("%s:3: neither 'option: value' nor a [section] nor a # comment",
                         scratch_path("system/sasl.conf.d/1.conf")));
    bearer_config_free(&config);
}

/* ------------------------------------------------------------------ sections without a user */

static void a_section_has_an_account_of_its_own_where_one_token_serves_all(void **state)
{
    struct bearer_config *config = load(NULL, "[*@app.example]\noauth2_provider: app_only\noauth2_client_id: x\n"
                                              "oauth2_client_secret: s\noauth2_tenant: t\n"
                                              "[*@people.example]\noauth2_client_id: x\n"
                                              "[info]\noauth2_identity: bob@people.example\n"
                                              "[bad]\noauth2_tenent: x\n");
    const struct bearer_section *section = config->levels[BEARER_LEVEL_SYSTEM].sections;
    struct bearer_error err = BEARER_ERROR_INIT;
    struct bearer_account *account, *same;

    (void)state;
    assert_int_equal(bearer_account_of_section(config, section, program_option, NULL, &account, &err), BEARER_OK);
    assert_string_equal(account->key, "*@app.example");
    same = find(config, "anyone@app.example", NULL);
    assert_string_equal(same->binding, account->binding); /* whoever asks, it is that token */
    assert_string_equal(same->key, account->key);
    bearer_account_free(&same);
    bearer_account_free(&account);
    section = section->next;
    assert_int_equal(bearer_account_of_section(config, section, program_option, NULL, &account, &err), BEARER_NO_ACCOUNT);
    assert_null(account);
    section = section->next;
    assert_int_equal(bearer_account_of_section(config, section, program_option, NULL, &account, NULL), BEARER_NO_ACCOUNT);
    section = section->next;
    bearer_error_clear(&err);
    assert_int_equal(bearer_account_of_section(config, section, program_option, NULL, &account, &err), BEARER_CONFIG);
    assert_text(err.text, "%s:11: unknown option 'oauth2_tenent', nearest is 'oauth2_tenant'", system_file());
    bearer_config_free(&config);
}

static void the_top_has_an_account_of_its_own_where_one_token_serves_all(void **state)
{
    struct bearer_config *config = load(NULL, "oauth2_provider: app_only\noauth2_client_id: x\noauth2_client_secret: s\n"
                                              "oauth2_tenant: t\n[*]\noauth2_client_id: y\n");
    struct bearer_account *account, *all;

    (void)state;
    assert_int_equal(
        bearer_account_of_section(config, &config->levels[BEARER_LEVEL_SYSTEM].top, program_option, NULL, &account, NULL),
        BEARER_OK);
    all = find(config, "anyone", NULL);
    assert_true(account->is_top && !all->is_top);
    assert_string_equal(account->section, "*");
    assert_string_equal(all->key, "*");
    assert_string_not_equal(account->key, all->key); /* [*] is another section than the top */
    bearer_account_free(&all);
    bearer_account_free(&account);
    assert_int_equal(
        bearer_account_of_section(config, &config->levels[BEARER_LEVEL_USER].top, program_option, NULL, &account, NULL),
        BEARER_NO_ACCOUNT);
    bearer_config_free(&config);
}

/* ------------------------------------------------------------------ where a token may go */

static void a_server_outside_the_list_is_refused_with_the_line_to_add(void **state)
{
    struct bearer_config *config = load(NULL, "\n[*@contoso.com]\noauth2_client_id: x\n");
    struct bearer_account *account = find(config, "bob@contoso.com", NULL);
    struct bearer_error err = BEARER_ERROR_INIT;

    (void)state;
    assert_int_equal(bearer_account_may_go_to(account, "smtp.office365.com", &err), BEARER_OK);
    assert_int_equal(bearer_account_may_go_to(account, "Outlook.Office365.COM.", &err), BEARER_OK);
    assert_int_equal(err.status, BEARER_OK);
    assert_int_equal(bearer_account_may_go_to(account, "mail.example.com", &err), BEARER_NO_ACCOUNT);
    assert_text(err.text,
                "server 'mail.example.com' is not among those that may be sent this token (%s); if it should be, add "
                "'oauth2_servers: mail.example.com' in %s:2",
                PUBLIC_SERVERS, system_file());
    bearer_error_clear(&err);
    assert_int_equal(bearer_account_may_go_to(account, "evil\nhost\xff", &err), BEARER_NO_ACCOUNT);
    assert_non_null(strstr(err.text, "server 'evil?host?' is not among"));
    for (int empty = 0; empty < 2; empty++) {
        bearer_error_clear(&err);
        assert_int_equal(bearer_account_may_go_to(account, empty ? "" : NULL, &err), BEARER_NO_ACCOUNT);
        assert_text(err.text,
                    "the program does not say which server it talks to, so the token stays here; if that is meant, set "
                    "'oauth2_servers: *' in %s:2",
                    system_file());
    }
    assert_int_equal(bearer_account_may_go_to(account, "localhost", NULL), BEARER_NO_ACCOUNT);
    bearer_account_free(&account);
    bearer_config_free(&config);
}

static void servers_set_in_the_file_replace_the_presets(void **state)
{
    struct bearer_config *config = load(NULL, "oauth2_client_id: x\noauth2_servers: localhost relay.contoso.com\n");
    struct bearer_account *account = find(config, "bob", NULL);

    (void)state;
    assert_int_equal(bearer_account_may_go_to(account, "localhost", NULL), BEARER_OK);
    assert_int_equal(bearer_account_may_go_to(account, "relay.contoso.com", NULL), BEARER_OK);
    assert_int_equal(bearer_account_may_go_to(account, "smtp.office365.com", NULL), BEARER_NO_ACCOUNT);
    bearer_account_free(&account);
    bearer_config_free(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        account_test(the_section_is_chosen_as_the_table_says),
        account_test(an_account_is_told_by_name_file_and_line),
        account_test(a_name_that_nothing_covers_has_no_account),
        account_test(what_is_no_name_is_refused),
        account_test(values_are_inherited_as_the_table_says),
        account_test(a_drop_ins_section_inherits_from_the_systems_top),
        account_test(a_user_does_not_inherit_the_systems_token_store),
        account_test(presets_fill_in_as_the_table_says),
        account_test(a_device_endpoint_belongs_to_the_tenant),
        account_test(a_persons_token_is_filed_under_the_name_an_applications_under_the_section),
        account_test(a_person_acts_by_name_an_application_by_id),
        account_test(whatever_a_token_is_issued_for_changes_the_binding),
        account_test(an_identity_is_looked_up_in_the_mailboxes_place),
        account_test(an_identity_at_the_top_signs_in_for_all_that_have_no_section),
        account_test(mistakes_with_identities_read_as_the_table_says),
        account_test(two_identities_that_name_each_other_end),
        account_test(what_an_account_lacks_reads_as_the_table_says),
        account_test(what_is_enough_for_an_account_is_enough),
        account_test(a_top_that_lacks_something_is_no_account),
        account_test(a_top_with_a_mistake_is_told_of),
        account_test(without_any_configuration_there_is_no_account),
        account_test(program_and_environment_complete_an_account_as_the_table_says),
        account_test(what_completes_an_account_is_checked_too),
        account_test(a_program_names_who_signs_in_for_what_has_no_section),
        account_test(a_program_that_names_an_identity_with_an_identity_is_refused),
        account_test(an_identity_from_a_program_is_checked_too),
        account_test(a_mistake_in_a_section_is_the_answer_to_its_names_only),
        account_test(a_broken_file_is_the_answer_to_all_its_names_and_to_unknown_ones),
        account_test(a_broken_users_file_leaves_the_systems_sections_alone),
        account_test(a_broken_top_is_the_answer_to_all_who_inherit_from_it),
        account_test(a_broken_drop_in_leaves_the_other_files_alone),
        account_test(a_section_has_an_account_of_its_own_where_one_token_serves_all),
        account_test(the_top_has_an_account_of_its_own_where_one_token_serves_all),
        account_test(a_server_outside_the_list_is_refused_with_the_line_to_add),
        account_test(servers_set_in_the_file_replace_the_presets),
    };

    return run_group("account", tests);
}
