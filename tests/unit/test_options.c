/* test_options.c - each row is well-formed; each option takes what is good, in the file too, and refuses the rest by name.
 */
#include "credential/config.h"
#include "credential/options.h"
#include "credential/text.h"
#include "tests/unit/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAXIMUM 16 /* sample values of one option */

/* Values that an option of a type takes, and values that it refuses with a text that ends so. */
struct samples {
    const char *good[MAXIMUM];
    struct {
        const char *value, *complaint;
    } bad[MAXIMUM];
};

static const struct samples word_samples = {
    { "contoso.onmicrosoft.com", "4f5a9f88-1111-1111-1111-bdca9a88c089", "bob@contoso.com", "a", "user+tag@x", "o'brien@x" },
    { { "two words", " is 'two words'; it must be one word without blanks or any of / ? # & = \"" },
      { "tab\there", " is 'tab\there'; it must be one word without blanks or any of / ? # & = \"" },
      { "../x", " is '../x'; it must be one word without blanks or any of / ? # & = \"" },
      { "a?b", " is 'a?b'; it must be one word without blanks or any of / ? # & = \"" },
      { "a&b=c", " is 'a&b=c'; it must be one word without blanks or any of / ? # & = \"" },
      { "a\"", " is 'a\"'; it must be one word without blanks or any of / ? # & = \"" } }
};

static const struct samples url_samples = {
    { "https://login.example.com/token", "https://login.example.com:8443/a/b?c=d", "https://192.0.2.1/",
      "https://[2001:db8::1]/", "https://[2001:db8::1]:8443/", "https://x", "http://localhost/token",
      "http://LOCALHOST:8080/", "http://127.0.0.1:8080/", "http://[::1]:8080/token", "http://[::1]", "http://169.254.169.254/metadata",
      "https://example.com/@path" },
    { { "login.example.com", ": 'login.example.com' is not a URL that begins with https://" },
      { "ftp://example.com/", ": 'ftp://example.com/' is not a URL that begins with https://" },
      { "file:///etc/passwd", ": 'file:///etc/passwd' is not a URL that begins with https://" },
      { "https://", ": 'https://' is not a well-formed URL" },
      { "https:///path", ": 'https:///path' is not a well-formed URL" },
      { "https://:443/path", ": 'https://:443/path' is not a well-formed URL" },
      { "https://exa mple.com/", ": 'https://exa mple.com/' is not a well-formed URL" },
      { "https://example.com\\@evil.example/", ": 'https://example.com\\@evil.example/' is not a well-formed URL" },
      { "https://user:word@example.com/", ": the URL holds a user name or password; take it out" },
      { "http://localhost@evil.example/", ": the URL holds a user name or password; take it out" } }
};

static const struct samples secure_url_samples = {
    { "https://login.example.com/token" },
    { { "http://login.example.com/", ": 'http://login.example.com/' would send secrets in the clear; use https://" },
      { "http://localhost.evil.example/",
        ": 'http://localhost.evil.example/' would send secrets in the clear; use https://" },
      { "http://127.0.0.1.evil.example/",
        ": 'http://127.0.0.1.evil.example/' would send secrets in the clear; use https://" },
      { "http://127.0.0.2/", ": 'http://127.0.0.2/' would send secrets in the clear; use https://" },
      { "http://[::1]evil.example/", ": 'http://[::1]evil.example/' would send secrets in the clear; use https://" },
      { "http://[::1", ": 'http://[::1' would send secrets in the clear; use https://" } }
};

static const struct samples proxy_samples = {
    { "http://proxy.contoso.com:3128", "https://proxy.contoso.com", "http://192.0.2.1:8080", "http://[2001:db8::1]:8080/" },
    { { "proxy.contoso.com:3128", ": 'proxy.contoso.com:3128' is not a URL that begins with https://" },
      { "socks5://proxy.contoso.com", ": 'socks5://proxy.contoso.com' is not a URL that begins with https://" },
      { "http://", ": 'http://' is not a well-formed URL" },
      { "http://proxy contoso/", ": 'http://proxy contoso/' is not a well-formed URL" },
      { "http://user:word@proxy.contoso.com", ": the URL holds a user name or password; take it out" } }
};

static const struct samples path_samples = {
    { "/etc/sasl2/relay.pem", "/", "/with blank" },
    { { "relay.pem", " is 'relay.pem'; it must be an absolute path, which begins with /" },
      { "~/relay.pem", " is '~/relay.pem'; it must be an absolute path, which begins with /" },
      { "./x", " is './x'; it must be an absolute path, which begins with /" } }
};

static const struct samples date_samples = {
    { "2027-01-31", "2028-02-29", "1999-12-31" },
    { { "2027-02-29", " is '2027-02-29'; it must be a date in the form 2027-01-31" },
      { "2027-1-31", " is '2027-1-31'; it must be a date in the form 2027-01-31" },
      { "31.01.2027", " is '31.01.2027'; it must be a date in the form 2027-01-31" },
      { "2027-13-01", " is '2027-13-01'; it must be a date in the form 2027-01-31" },
      { "2027-01-00", " is '2027-01-00'; it must be a date in the form 2027-01-31" },
      { "2027-01-31x", " is '2027-01-31x'; it must be a date in the form 2027-01-31" },
      { "soon", " is 'soon'; it must be a date in the form 2027-01-31" } }
};

static const struct samples file_samples = {
    { "/etc/sasl2/relay.pem", "/with blank", "credential:relay-secret", "credential:a.pem" },
    { { "credential:", NULL },
      { "credential:../x", NULL },
      { "credential:a/b", NULL },
      { "credential:.", NULL },
      { "file:/etc/x", " is 'file:/etc/x'; write the file's path itself, which begins with /" } }
};

static const struct samples only_file_samples = {
    { NULL },
    { { "relay.pem", " is 'relay.pem'; it must be an absolute path, which begins with /, or credential:NAME" },
      { "pkcs11:object=relay", " is 'pkcs11:object=relay'; it must be an absolute path, which begins with /, or credential:NAME" } }
};

static const struct samples key_samples = {
    { "pkcs11:object=relay;type=cert", "handle:0x81000001" },
    { { "relay.pem", " is 'relay.pem'; it must be an absolute path, which begins with /, or credential:NAME or a URI such as "
                     "pkcs11:..." },
      { "Pkcs11:x", NULL } }
};

static const struct samples command_samples = {
    { "/usr/bin/az account get-access-token --resource https://outlook.office365.com --query x?", "/bin/true" },
    { { "az account", " must begin with the absolute path of a program" },
      { "/bin/sh -c 'echo x'", " is run without a shell, so it can hold none of ' \" \\ ` $ | & ; < >: put the command into a script" },
      { "/bin/echo $HOME", NULL },
      { "/bin/cat x | head", NULL },
      { "/bin/cat < x", NULL } }
};

static const struct samples identity_samples = {
    { "system", "4f5a9f88-1111-1111-1111-bdca9a88c089", "object:4f5a9f88-1111-1111-1111-bdca9a88c089",
      "resource:/subscriptions/x/resourceGroups/y/providers/Microsoft.ManagedIdentity/userAssignedIdentities/z" },
    { { "object:", " is 'object:'; it can be system, a client id, object:ID or resource:ID" },
      { "client:x", " is 'client:x'; it can be system, a client id, object:ID or resource:ID" },
      { "/subscriptions/x", " is '/subscriptions/x'; it can be system, a client id, object:ID or resource:ID" },
      { "two words", NULL },
      { "a&resource=b", NULL } }
};

static const struct samples text_samples = { { "anything at all", "x", "a#b", "a 'quoted' word" }, { { NULL, NULL } } };

static const struct samples store_samples = { { "/var/lib/tokens", "none" },
                                              { { "tokens", " is 'tokens'; it must be an absolute path or none" },
                                                { "None", " is 'None'; it must be an absolute path or none" } } };

static const struct samples provider_samples = { { "module:acme", "module:acme-2" },
                                                 { { "module:", NULL },
                                                   { "module:../evil", NULL },
                                                   { "module:/evil", NULL },
                                                   { "module:a b", NULL },
                                                   { "Delegated", NULL } } };

typedef void visit_function(enum bearer_option_id id, const char *value, const char *complaint);

static void visit(enum bearer_option_id id, const struct samples *samples, visit_function *good, visit_function *bad)
{
    const char *name = bearer_option_row(id)->name;

    for (size_t i = 0; i < MAXIMUM && samples->good[i] != NULL; i++)
        good(id, samples->good[i], NULL);
    for (size_t i = 0; i < MAXIMUM && samples->bad[i].value != NULL; i++)
        bad(id, samples->bad[i].value,
            samples->bad[i].complaint != NULL ? scratch_text("%s%s", name, samples->bad[i].complaint) : NULL);
}

static void visit_choices(enum bearer_option_id id, visit_function *good, visit_function *bad)
{
    const struct bearer_option_row *row = bearer_option_row(id);
    const char *choices = row->choices, *word;
    size_t length;

    while (bearer_text_word(&choices, &word, &length))
        if (word[length - 1] != ':')
            good(id, scratch_text("%.*s", (int)length, word), NULL);
    bad(id, "nonesuch", scratch_text("%s is 'nonesuch'; it can be: %s", row->name, row->choices));
    bad(id, row->choices, scratch_text("%s is '%s'; it can be: %s", row->name, row->choices, row->choices));
}

static void visit_seconds(enum bearer_option_id id, visit_function *good, visit_function *bad)
{
    const struct bearer_option_row *row = bearer_option_row(id);
    const char *const beside[] = { scratch_text("%lld", (long long)row->minimum - 1),
                                   scratch_text("%lld", (long long)row->maximum + 1),
                                   "-5",
                                   "+5",
                                   "5s",
                                   "5 ",
                                   " 5",
                                   "0x5",
                                   "1e2",
                                   "five",
                                   "99999999999999999999999" };

    good(id, scratch_text("%lld", (long long)row->minimum), NULL);
    good(id, scratch_text("%lld", (long long)row->maximum), NULL);
    good(id, scratch_text("%lld", (long long)(row->minimum + row->maximum) / 2), NULL);
    for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++)
        bad(id, beside[i],
            scratch_text("%s is '%s'; it must be a number of seconds from %lld to %lld", row->name, beside[i],
                         (long long)row->minimum, (long long)row->maximum));
}

/* Shows every sample value of every option. */
static void visit_all(visit_function *good, visit_function *bad)
{
    for (int i = 0; i < OPT_COUNT; i++) {
        enum bearer_option_id id = (enum bearer_option_id)i;

        switch (bearer_option_row(id)->type) {
        case OPT_TYPE_CHOICE:
            visit_choices(id, good, bad);
            break;
        case OPT_TYPE_WORD:
            visit(id, &word_samples, good, bad);
            break;
        case OPT_TYPE_URL:
            visit(id, &url_samples, good, bad);
            visit(id, &secure_url_samples, good, bad);
            break;
        case OPT_TYPE_PROXY:
            visit(id, &proxy_samples, good, bad);
            break;
        case OPT_TYPE_SECONDS:
            visit_seconds(id, good, bad);
            break;
        case OPT_TYPE_PATH:
            visit(id, &path_samples, good, bad);
            break;
        case OPT_TYPE_DATE:
            visit(id, &date_samples, good, bad);
            break;
        case OPT_TYPE_FILE:
            visit(id, &file_samples, good, bad);
            visit(id, &only_file_samples, good, bad);
            break;
        case OPT_TYPE_KEY:
            visit(id, &file_samples, good, bad);
            visit(id, &key_samples, good, bad);
            break;
        case OPT_TYPE_COMMAND:
            visit(id, &command_samples, good, bad);
            break;
        case OPT_TYPE_TEXT:
            visit(id, id == OPT_TOKEN_STORE        ? &store_samples
                      : id == OPT_MANAGED_IDENTITY ? &identity_samples
                                                   : &text_samples, good, bad);
            break;
        case OPT_TYPE_SECRET:
            visit(id, &text_samples, good, bad);
            break;
        }
        if (id == OPT_PROVIDER)
            visit(id, &provider_samples, good, bad);
    }
}

static void every_row_is_well_formed(void **state)
{
    (void)state;
    for (int i = 0; i < OPT_COUNT; i++) {
        const struct bearer_option_row *row = bearer_option_row((enum bearer_option_id)i);
        const char *nearest;

        assert_non_null(row->name);
        assert_int_equal(strncmp(row->name, "oauth2_", 7), 0);
        assert_int_equal(strspn(row->name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(row->name));
        assert_true(strlen(row->name) < 64); /* or it could never be found similar */
        assert_int_equal(bearer_option_find(row->name, &nearest), i);
        assert_non_null(row->summary);
        assert_true(strlen(row->summary) > 5);
        assert_int_not_equal(row->summary[strlen(row->summary) - 1], '.');
        assert_int_equal(row->choices != NULL, row->type == OPT_TYPE_CHOICE);
        assert_int_equal(row->maximum != 0, row->type == OPT_TYPE_SECONDS);
        assert_true(row->minimum <= row->maximum);
        if (row->fallback != NULL)
            assert_int_equal(bearer_option_check((enum bearer_option_id)i, row->fallback, NULL), BEARER_OK);
        if (row->type == OPT_TYPE_CHOICE || row->type == OPT_TYPE_SECONDS)
            assert_non_null(row->fallback);
        if (row->environment != NULL)
            assert_true((row->flags & OPT_COMPLETES) || i == OPT_FEDERATED_TOKEN_FILE);
    }
}

static void nothing_that_runs_reads_or_reveals_comes_from_a_program(void **state)
{
    (void)state;
    for (int i = 0; i < OPT_COUNT; i++) {
        const struct bearer_option_row *row = bearer_option_row((enum bearer_option_id)i);

        if (!(row->flags & OPT_COMPLETES))
            continue;
        assert_int_not_equal(row->group, OPT_GROUP_CREDENTIAL);
        assert_true(row->type == OPT_TYPE_WORD || row->type == OPT_TYPE_SECONDS || row->type == OPT_TYPE_CHOICE);
        assert_int_not_equal(i, OPT_PROVIDER);
    }
    assert_true(bearer_option_row(OPT_TENANT)->flags & OPT_COMPLETES);
    assert_true(bearer_option_row(OPT_CLIENT_ID)->flags & OPT_COMPLETES);
    assert_string_equal(bearer_option_row(OPT_TENANT)->environment, "AZURE_TENANT_ID");
    assert_string_equal(bearer_option_row(OPT_CLIENT_ID)->environment, "AZURE_CLIENT_ID");
}

static void takes(enum bearer_option_id id, const char *value, const char *complaint)
{
    struct bearer_error err = BEARER_ERROR_INIT;

    (void)complaint;
    if (bearer_option_check(id, value, &err) != BEARER_OK)
        fail_msg("%s refuses '%s': %s", bearer_option_row(id)->name, value, err.text);
    assert_int_equal(err.status, BEARER_OK);
}

static void refuses(enum bearer_option_id id, const char *value, const char *complaint)
{
    struct bearer_error err = BEARER_ERROR_INIT;

    if (bearer_option_check(id, value, &err) != BEARER_CONFIG)
        fail_msg("%s takes '%s'", bearer_option_row(id)->name, value);
    assert_int_equal(err.status, BEARER_CONFIG);
    assert_non_null(strstr(err.text, bearer_option_row(id)->name));
    if (complaint != NULL)
        assert_string_equal(err.text, complaint);
    assert_int_equal(bearer_option_check(id, value, NULL), BEARER_CONFIG);
}

static void good_values_are_taken_and_bad_ones_refused_by_name(void **state)
{
    (void)state;
    visit_all(takes, refuses);
}

static struct bearer_config *load_line(const char *line)
{
    const struct bearer_config_places places = { .file = scratch_write("sasl.conf", 0600, line),
                                                 .file_level = BEARER_LEVEL_SYSTEM };
    struct bearer_config *config;

    assert_int_equal(bearer_config_load(&places, &config, NULL), BEARER_OK);
    return config;
}

/* Puts the value at the top and looks whether it, and it alone, is there. */
static void lands(enum bearer_option_id id, const char *value, const char *complaint)
{
    const char *name = bearer_option_row(id)->name;
    struct bearer_config *config = load_line(scratch_text("%s: %s\n", name, value));
    const struct bearer_section *top = &config->levels[BEARER_LEVEL_SYSTEM].top;

    (void)complaint;
    if (config->levels[BEARER_LEVEL_SYSTEM].files->error != NULL)
        fail_msg("%s", config->levels[BEARER_LEVEL_SYSTEM].files->error);
    for (int i = 0; i < OPT_COUNT; i++)
        if (i == (int)id)
            assert_string_equal(top->values[i].text, value);
        else
            assert_null(top->values[i].text);
    assert_int_equal(top->values[id].line, 1);
    bearer_config_free(&config);
}

static void does_not_land(enum bearer_option_id id, const char *value, const char *complaint)
{
    const char *name = bearer_option_row(id)->name;
    struct bearer_config *config = load_line(scratch_text("\n%s: %s\n", name, value));

    if (strcspn(value, " ") == strlen(value)) { /* the file's own blanks around a value do not count */
        assert_null(config->levels[BEARER_LEVEL_SYSTEM].top.values[id].text);
        assert_non_null(config->levels[BEARER_LEVEL_SYSTEM].files->error);
        if (complaint != NULL && strpbrk(value, "\t") == NULL)
            assert_text(config->levels[BEARER_LEVEL_SYSTEM].files->error, "%s:2: %s", scratch_path("sasl.conf"), complaint);
    }
    bearer_config_free(&config);
}

static void each_option_lands_where_it_belongs(void **state)
{
    (void)state;
    visit_all(lands, does_not_land);
}

static void a_refused_secret_is_not_shown(void **state)
{
    (void)state;
    for (int i = 0; i < OPT_COUNT; i++)
        if (bearer_option_row((enum bearer_option_id)i)->type == OPT_TYPE_SECRET) {
            struct bearer_config *config =
                load_line(scratch_text("%s: 'hunter2' # mine\n", bearer_option_row((enum bearer_option_id)i)->name));

            assert_null(strstr(config->levels[BEARER_LEVEL_SYSTEM].files->error, "hunter2"));
            bearer_config_free(&config);
        }
}

static void the_nearest_option_is_found_as_the_table_says(void **state)
{
    static const struct {
        const char *name, *nearest;
    } table[] = {
        { "oauth2_tenent", "oauth2_tenant" },
        { "oauth2_clientid", "oauth2_client_id" },
        { "oauth2_cient_secret", "oauth2_client_secret" },
        { "oauth_provider", "oauth2_provider" },
        { "OAUTH2_TENANT", NULL },
        { "mech_list", NULL },
        { "x", NULL },
        { "", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const char *nearest = "untouched";

        assert_int_equal(bearer_option_find(table[i].name, &nearest), OPT_COUNT);
        if (table[i].nearest == NULL)
            assert_null(nearest);
        else
            assert_string_equal(nearest, table[i].nearest);
    }
}

static void no_option_is_near_to_a_very_long_word(void **state)
{
    char name[400];
    const char *nearest = "untouched";

    (void)state;
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(bearer_option_find(name, &nearest), OPT_COUNT);
    assert_null(nearest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_well_formed),
        cmocka_unit_test(nothing_that_runs_reads_or_reveals_comes_from_a_program),
        scratch_test(good_values_are_taken_and_bad_ones_refused_by_name),
        scratch_test(each_option_lands_where_it_belongs),
        scratch_test(a_refused_secret_is_not_shown),
        cmocka_unit_test(the_nearest_option_is_found_as_the_table_says),
        cmocka_unit_test(no_option_is_near_to_a_very_long_word),
    };

    return run_group("options", tests);
}
