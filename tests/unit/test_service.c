/* test_service.c - each preset is whole, and endpoints and scopes are made of it as Microsoft documents them. */
#include "credential/options.h"
#include "credential/service.h"
#include "credential/text.h"
#include "tests/unit/scratch.h"

#include <stdlib.h>
#include <string.h>

static void is_words(const char *text)
{
    assert_non_null(text);
    assert_true(text[0] != '\0' && text[0] != ' ' && text[strlen(text) - 1] != ' ');
    assert_null(strstr(text, "  "));
    assert_false(bearer_text_has_control(text, strlen(text)));
}

static void is_resource(const char *text)
{
    assert_non_null(text);
    assert_int_equal(strncmp(text, "https://", 8), 0);
    assert_int_not_equal(text[strlen(text) - 1], '/'); /* the scope's name follows a slash of its own */
    assert_null(strpbrk(text, " \t"));
}

static void every_preset_is_whole(void **state)
{
    const struct bearer_service *row;
    unsigned i;

    (void)state;
    for (i = 0; (row = bearer_service_at(i)) != NULL; i++) {
        struct bearer_error err = BEARER_ERROR_INIT;
        char *endpoint = bearer_service_endpoint(row->token_endpoint, "contoso.com");
        const char *servers = row->servers, *word;
        size_t length;

        assert_int_equal(bearer_option_check(OPT_SERVICE, row->name, &err), BEARER_OK);
        if (row->cloud != NULL)
            assert_int_equal(bearer_option_check(OPT_CLOUD, row->cloud, &err), BEARER_OK);
        assert_int_equal(bearer_url_check(endpoint, &err), BEARER_OK);
        assert_null(strpbrk(endpoint, "{}"));
        assert_int_equal(strstr(row->token_endpoint, BEARER_TENANT) != NULL, row->tenant != NULL);
        assert_int_equal(strstr(row->authorization_endpoint, BEARER_TENANT) != NULL, row->tenant != NULL);
        if (row->device_endpoint != NULL)
            assert_int_equal(strstr(row->device_endpoint, BEARER_TENANT) != NULL, row->tenant != NULL);
        is_words(row->delegated_scopes);
        if (row->delegated_resource != NULL) {
            is_resource(row->delegated_resource);
            assert_non_null(strstr(row->delegated_scopes, "offline_access"));
        }
        if (row->app_only_resource != NULL)
            is_resource(row->app_only_resource);
        is_words(row->servers);
        assert_false(bearer_text_host_in(row->servers, NULL));
        assert_false(bearer_text_host_in(row->servers, "mail.example.com"));
        while (bearer_text_word(&servers, &word, &length))
            assert_true(memchr(word, '.', length) != NULL); /* never a whole top-level domain */
        assert_int_equal(row->long_life_servers != NULL, row->long_life > 0);
        if (row->long_life_servers != NULL)
            is_words(row->long_life_servers);
        for (unsigned j = 0; j < i; j++)
            assert_false(strcmp(row->name, bearer_service_at(j)->name) == 0 &&
                         (row->cloud == NULL || strcmp(row->cloud, bearer_service_at(j)->cloud) == 0));
        free(endpoint);
    }
    assert_true(i > 0);
    assert_null(bearer_service_at(i));
    assert_null(bearer_service_at(1000));
}

static void every_choice_of_service_and_cloud_has_a_preset_but_custom(void **state)
{
    const char *services = bearer_option_row(OPT_SERVICE)->choices, *service;
    size_t service_length, cloud_length;

    (void)state;
    while (bearer_text_word(&services, &service, &service_length)) {
        const char *clouds = bearer_option_row(OPT_CLOUD)->choices, *cloud;

        while (bearer_text_word(&clouds, &cloud, &cloud_length)) {
            const char *name = scratch_text("%.*s", (int)service_length, service);
            const struct bearer_service *row = bearer_service_find(name, scratch_text("%.*s", (int)cloud_length, cloud));

            if (strcmp(name, "custom") == 0)
                assert_null(row);
            else
                assert_string_equal(row->name, name);
        }
    }
    assert_null(bearer_service_find("nonesuch", "public"));
    assert_null(bearer_service_find("microsoft365", "nonesuch"));
}

static void microsofts_clouds_have_the_documented_hosts(void **state)
{
    static const struct {
        const char *cloud, *authority, *app_only, *mail_host;
    } table[] = {
        { "public", "login.microsoftonline.com", "https://outlook.office365.com", "smtp.office365.com" },
        { "public", "login.microsoftonline.com", "https://outlook.office365.com", "outlook.office365.com" },
        { "usgov", "login.microsoftonline.us", "https://outlook.office365.us", "outlook.office365.us" },
        { "usgov_dod", "login.microsoftonline.us", "https://outlook.office365.us", "outlook-dod.office365.us" },
        { "china", "login.partner.microsoftonline.cn", "https://partner.outlook.cn", "partner.outlook.cn" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct bearer_service *row = bearer_service_find("microsoft365", table[i].cloud);

        assert_string_equal(row->token_endpoint,
                            scratch_text("https://%s/{tenant}/oauth2/v2.0/token", table[i].authority));
        assert_string_equal(bearer_service_cloud(scratch_text("https://%s/", table[i].authority)),
                            strcmp(table[i].cloud, "usgov_dod") == 0 ? "usgov" : table[i].cloud);
        assert_string_equal(row->app_only_resource, table[i].app_only);
        assert_true(bearer_text_host_in(row->servers, table[i].mail_host));
    }
}

static void a_scope_gets_its_resource_as_the_table_says(void **state)
{
    static const struct {
        const char *resource, *names, *scope;
    } table[] = {
        { "https://outlook.office.com", "SMTP.Send", "https://outlook.office.com/SMTP.Send" },
        { "https://outlook.office.com", "SMTP.Send IMAP.AccessAsUser.All offline_access",
          "https://outlook.office.com/SMTP.Send https://outlook.office.com/IMAP.AccessAsUser.All offline_access" },
        { "https://outlook.office.com", "openid profile email offline_access", "openid profile email offline_access" },
        { "https://outlook.office.com", "https://graph.microsoft.com/Mail.Send", "https://graph.microsoft.com/Mail.Send" },
        { "https://outlook.office.com", "api://id/x SMTP.Send", "api://id/x https://outlook.office.com/SMTP.Send" },
        { "https://outlook.office365.com", ".default", "https://outlook.office365.com/.default" },
        { "https://r", "  a\t b  ", "https://r/a https://r/b" },
        { "https://r", "openid2 emails", "https://r/openid2 https://r/emails" },
        { "https://r", "", "" },
        { NULL, "https://mail.google.com/ plain", "https://mail.google.com/ plain" },
        { NULL, "  a  b ", "a b" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char *scope = bearer_service_scope(table[i].resource, table[i].names);

        assert_string_equal(scope, table[i].scope);
        free(scope);
    }
}

static void only_microsofts_authorities_have_a_cloud(void **state)
{
    (void)state;
    assert_string_equal(bearer_service_cloud("https://login.microsoftonline.us"), "usgov");
    assert_string_equal(bearer_service_cloud("https://LOGIN.microsoftonline.com/"), "public");
    assert_null(bearer_service_cloud("http://login.microsoftonline.com/"));
    assert_null(bearer_service_cloud("https://login.microsoftonline.com.example.org/"));
    assert_null(bearer_service_cloud("https://login.microsoftonline.co"));
    assert_null(bearer_service_cloud("https://"));
    assert_null(bearer_service_cloud(""));
}

static void high_volume_email_wants_tokens_that_live_long(void **state)
{
    const struct bearer_service *row = bearer_service_find("microsoft365", "public");

    (void)state;
    assert_int_equal(row->long_life, 660);
    assert_true(bearer_text_host_in(row->long_life_servers, "smtp.hve.mx.microsoft"));
    assert_true(bearer_text_host_in(row->long_life_servers, "smtp-hve.office365.com"));
    assert_false(bearer_text_host_in(row->long_life_servers, "smtp.office365.com"));
    assert_true(bearer_text_host_in(row->servers, "smtp.hve.mx.microsoft"));
}

static void personal_services_are_as_their_owners_document(void **state)
{
    const struct bearer_service *outlook = bearer_service_find("outlook", "public"), *gmail = bearer_service_find("gmail", "china");

    (void)state;
    assert_string_equal(outlook->tenant, "consumers");
    assert_null(outlook->app_only_resource);
    assert_true(bearer_text_host_in(outlook->servers, "smtp-mail.outlook.com"));
    assert_true(bearer_text_host_in(outlook->servers, "outlook.office365.com"));
    assert_string_equal(gmail->delegated_scopes, "https://mail.google.com/");
    assert_null(gmail->device_endpoint);
    assert_true(bearer_text_host_in(gmail->servers, "imap.gmail.com"));
}

static void an_endpoint_is_made_of_its_form_and_a_tenant(void **state)
{
    char *endpoint = bearer_service_endpoint(bearer_service_find("microsoft365", "public")->device_endpoint, "organizations");

    (void)state;
    assert_string_equal(endpoint, "https://login.microsoftonline.com/organizations/oauth2/v2.0/devicecode");
    free(endpoint);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(every_preset_is_whole),
        scratch_test(every_choice_of_service_and_cloud_has_a_preset_but_custom),
        scratch_test(microsofts_clouds_have_the_documented_hosts),
        cmocka_unit_test(a_scope_gets_its_resource_as_the_table_says),
        cmocka_unit_test(only_microsofts_authorities_have_a_cloud),
        cmocka_unit_test(high_volume_email_wants_tokens_that_live_long),
        cmocka_unit_test(personal_services_are_as_their_owners_document),
        cmocka_unit_test(an_endpoint_is_made_of_its_form_and_a_tenant),
    };

    return run_group("service", tests);
}
