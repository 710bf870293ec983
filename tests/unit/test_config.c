/* test_config.c - which files, what stands in them, and the exact words for each mistake: they are what users get. */
#include "credential/config.h"
#include "tests/unit/scratch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct bearer_config *load(const char *system_path, const char *user_directory)
{
    const struct bearer_config_places places = { .system_path = system_path, .user_directory = user_directory };
    struct bearer_config *config;

    assert_int_equal(bearer_config_load(&places, &config, NULL), BEARER_OK);
    assert_non_null(config);
    return config;
}

static struct bearer_config *load_file(const char *path, enum bearer_level level)
{
    const struct bearer_config_places places = { .file = path, .file_level = level };
    struct bearer_config *config;

    assert_int_equal(bearer_config_load(&places, &config, NULL), BEARER_OK);
    return config;
}

static struct bearer_config *load_text(const char *text)
{
    return load_file(scratch_write("sasl.conf", 0600, text), BEARER_LEVEL_SYSTEM);
}

static const struct bearer_section *section_of(const struct bearer_config *config, enum bearer_level level,
                                               const char *pattern)
{
    const struct bearer_section *section = config->levels[level].sections;

    while (section != NULL && strcmp(section->pattern, pattern) != 0)
        section = section->next;
    return section;
}

static const char *file_error(const struct bearer_config *config)
{
    const struct bearer_config_file *file = bearer_config_broken_file(config, BEARER_LEVEL_SYSTEM);

    return file != NULL ? file->error : NULL;
}

static const char *top(const struct bearer_config *config, enum bearer_level level, enum bearer_option_id id)
{
    return config->levels[level].top.values[id].text;
}

/* ------------------------------------------------------------------ syntax */

static void a_whole_file_reads_as_it_looks(void **state)
{
    struct bearer_config *config = load_text("# One application for everybody.\r\n"
                                             "\n"
                                             "oauth2_timeout: 30\n"
                                             "  \t# indented\n"
                                             "[*@Contoso.COM]   # the whole domain\n"
                                             "\toauth2_provider :   app_only  \t\r\n"
                                             "oauth2_tenant:contoso.onmicrosoft.com\n"
                                             "oauth2_client_id:\t4f5a9f88\t \n"
                                             "  [ Info@fabrikam.com ]# shared\n"
                                             "oauth2_identity: Bob@fabrikam.com\n"
                                             "oauth2_scope: https://x/y a:b c#d\n"
                                             "[bob@fabrikam.com]\t# a tab is a blank");
    const struct bearer_section *first, *second, *third;

    (void)state;
    assert_null(file_error(config));
    assert_string_equal(top(config, BEARER_LEVEL_SYSTEM, OPT_TIMEOUT), "30");
    assert_int_equal(config->levels[BEARER_LEVEL_SYSTEM].top.values[OPT_TIMEOUT].line, 3);
    first = config->levels[BEARER_LEVEL_SYSTEM].sections;
    assert_string_equal(first->pattern, "*@contoso.com");
    assert_int_equal(first->line, 5);
    assert_int_equal(first->level, BEARER_LEVEL_SYSTEM);
    assert_string_equal(first->file->path, scratch_path("sasl.conf"));
    assert_string_equal(first->values[OPT_PROVIDER].text, "app_only");
    assert_int_equal(first->values[OPT_PROVIDER].line, 6);
    assert_string_equal(first->values[OPT_TENANT].text, "contoso.onmicrosoft.com");
    assert_string_equal(first->values[OPT_CLIENT_ID].text, "4f5a9f88");
    assert_null(first->values[OPT_TIMEOUT].text);
    second = first->next;
    assert_string_equal(second->pattern, "info@fabrikam.com");
    assert_string_equal(second->values[OPT_IDENTITY].text, "Bob@fabrikam.com"); /* values stay as typed */
    assert_string_equal(second->values[OPT_SCOPE].text, "https://x/y a:b c#d");
    third = second->next;
    assert_string_equal(third->pattern, "bob@fabrikam.com");
    assert_null(third->error);
    assert_null(third->next);
    assert_false(bearer_config_is_empty(config));
    bearer_config_free(&config);
    assert_null(config);
    bearer_config_free(&config);
}

static void a_file_without_anything_is_empty(void **state)
{
    static const char *const texts[] = { "", "\n", "\n\n\n", "# nothing\n", "   \t \r\n", "#" };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct bearer_config *config = load_text(texts[i]);

        assert_true(bearer_config_is_empty(config));
        assert_null(file_error(config));
        bearer_config_free(&config);
    }
}

static void anything_at_all_is_not_empty(void **state)
{
    static const char *const texts[] = { "oauth2_timeout: 5\n", "[a]\n", "nonsense\n" };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct bearer_config *config = load_text(texts[i]);

        assert_false(bearer_config_is_empty(config));
        bearer_config_free(&config);
    }
}

static void mistakes_read_as_the_table_says(void **state)
{
    /* Where section is NULL the mistake concerns the file, else that section alone.  Each text goes on where the path ends.
     */
    static const struct {
        const char *text, *section, *error;
    } table[] = {
        { "oauth2_tenent: x\n", NULL, ":1: unknown option 'oauth2_tenent', nearest is 'oauth2_tenant'" },
        { "[a]\nmech_list: plain\n", "a", ":2: unknown option 'mech_list'" },
        { "oauth2_nonesuch_whatever: x\n", NULL, ":1: unknown option 'oauth2_nonesuch_whatever'" },
        { "OAUTH2_TENENT: x\n", NULL, ":1: unknown option 'oauth2_tenent', nearest is 'oauth2_tenant'" },
        { "\n\n[a]\noauth2_tenent: x\n", "a", ":4: unknown option 'oauth2_tenent', nearest is 'oauth2_tenant'" },
        { "oauth2_timeout: 5\noauth2_timeout: 6\n", NULL, ":2: oauth2_timeout is set already at line 1" },
        { "[a]\noauth2_timeout: 5\n#\noauth2_timeout: 5\n", "a", ":4: oauth2_timeout is set already at line 2" },
        { "oauth2_timeout:\n", NULL, ":1: oauth2_timeout has no value: give one or take the line out" },
        { "[a]\noauth2_timeout:  \t\r\n", "a", ":2: oauth2_timeout has no value: give one or take the line out" },
        { "oauth2_nonesuch:\n", NULL, ":1: oauth2_nonesuch has no value: give one or take the line out" },
        { "oauth2_timeout: 5 # seconds\n", NULL,
          ":1: a comment behind the value of oauth2_timeout would become part of it: give it a line of its own" },
        { "[a]\noauth2_scope: x\t#y\n", "a",
          ":2: a comment behind the value of oauth2_scope would become part of it: give it a line of its own" },
        { "oauth2_scope: # the usual\n", NULL,
          ":1: a comment behind the value of oauth2_scope would become part of it: give it a line of its own" },
        { "oauth2_tenant: \"contoso.com\"\n", NULL,
          ":1: the value of oauth2_tenant begins with a quote, which would become part of it: take it out" },
        { "[a]\noauth2_tenant: 'contoso.com'\n", "a",
          ":2: the value of oauth2_tenant begins with a quote, which would become part of it: take it out" },
        { "oauth2_timeout: soon\n", NULL, ":1: oauth2_timeout is 'soon'; it must be a number of seconds from 1 to 600" },
        { "[a]\noauth2_cloud: germany\n", "a", ":2: oauth2_cloud is 'germany'; it can be: public usgov usgov_dod china" },
        { "[a]\noauth2_token_endpoint: http://x.example/\n", "a",
          ":2: oauth2_token_endpoint: 'http://x.example/' would send secrets in the clear; use https://" },
        { "[a]\noauth2_client_secret_file: relay.secret\n", "a",
          ":2: oauth2_client_secret_file is 'relay.secret'; it must be an absolute path, which begins with /, or credential:NAME" },
        { "[a]\noauth2_jailed_programs: smtp\n", "a",
          ":2: oauth2_jailed_programs stands only above the first section of the system's sasl.conf" },
        { "[a]\n[b]\n[A]\n", "a", ":3: section [a] stands already at %s:1; join them" },
        /* a line that cannot be parsed concerns the file, wherever it stands */
        { "[a]\noauth2_timeout 5\n", NULL, ":2: neither 'option: value' nor a [section] nor a # comment" },
        { "mumble\n", NULL, ":1: neither 'option: value' nor a [section] nor a # comment" },
        { "[a]\n oauth2 timeout: 5\n", NULL, ":2: an option is one word followed by a colon" },
        { ": 5\n", NULL, ":1: an option is one word followed by a colon" },
        { "[a\n", NULL, ":1: a section reads [user@domain] or [*@domain]" },
        { "[]\n", NULL, ":1: a section reads [user@domain] or [*@domain]" },
        { "[ ]\n", NULL, ":1: a section reads [user@domain] or [*@domain]" },
        { "[a] b\n", NULL, ":1: a section reads [user@domain] or [*@domain]" },
        { "[a]]\n", NULL, ":1: a section reads [user@domain] or [*@domain]" },
        { "oauth2_scope: a\x01"
          "b\n",
          NULL, ":1: a control character stands in this line" },
        { "[a\x7f]\n", NULL, ":1: a control character stands in this line" },
        { "oauth2_scope: a\rb\n", NULL, ":1: a control character stands in this line" },
        /* the first mistake is told */
        { "oauth2_tenent: x\nmumble\n", NULL, ":1: unknown option 'oauth2_tenent', nearest is 'oauth2_tenant'" },
        { "[a]\noauth2_timeout: 0\noauth2_tenent: x\n", "a",
          ":2: oauth2_timeout is '0'; it must be a number of seconds from 1 to 600" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct bearer_config *config = load_text(table[i].text);
        const char *path = scratch_path("sasl.conf"), *found, *expected = table[i].error;
        const char *name = strstr(expected, "%s");

        if (name != NULL)
            expected = scratch_text("%.*s%s%s", (int)(name - expected), expected, path, name + 2);
        expected = scratch_text("%s%s", path, expected);
        found =
            table[i].section == NULL ? file_error(config) : section_of(config, BEARER_LEVEL_SYSTEM, table[i].section)->error;
        if (found == NULL || strcmp(found, expected) != 0)
            fail_msg("%s\ngives  %s\nnot    %s", table[i].text, found != NULL ? found : "no mistake", expected);
        if (table[i].section != NULL)
            assert_null(file_error(config));
        bearer_config_free(&config);
    }
}

static void libsasl2s_own_options_at_the_top_are_not_ours_to_judge(void **state)
{
    struct bearer_config *config = load_text("mech_list: xoauth2 plain\nlog_level: 7\n[a]\noauth2_client_id: x\n");

    (void)state;
    assert_null(file_error(config));
    assert_null(config->levels[BEARER_LEVEL_SYSTEM].sections->error);
    bearer_config_free(&config);
    config = load_text("log_level: 7\n");
    assert_true(bearer_config_is_empty(config));
    bearer_config_free(&config);
}

static void a_mistake_in_one_section_leaves_the_others_alone(void **state)
{
    struct bearer_config *config = load_text("[a]\noauth2_tenent: x\noauth2_timeout: 5\n[b]\noauth2_timeout: 6\n");

    (void)state;
    assert_null(file_error(config));
    assert_non_null(section_of(config, BEARER_LEVEL_SYSTEM, "a")->error);
    assert_null(section_of(config, BEARER_LEVEL_SYSTEM, "b")->error);
    assert_string_equal(section_of(config, BEARER_LEVEL_SYSTEM, "b")->values[OPT_TIMEOUT].text, "6");
    bearer_config_free(&config);
}

static void a_refused_value_is_not_kept(void **state)
{
    struct bearer_config *config = load_text("oauth2_cloud: germany\noauth2_timeout: 5\noauth2_timeout: 6\n");

    (void)state;
    assert_null(top(config, BEARER_LEVEL_SYSTEM, OPT_CLOUD));
    assert_string_equal(top(config, BEARER_LEVEL_SYSTEM, OPT_TIMEOUT), "5");
    bearer_config_free(&config);
}

static void a_nul_byte_is_told_with_the_name_of_the_file(void **state)
{
    static const char text[] = "oauth2_timeout: 5\noauth2_scope: a\0b\n";
    const char *path = scratch_write_bytes("sasl.conf", 0600, text, sizeof text - 1);
    struct bearer_config *config = load_file(path, BEARER_LEVEL_SYSTEM);

    (void)state;
    assert_non_null(file_error(config));
    assert_non_null(strstr(file_error(config), "NUL byte"));
    assert_non_null(strstr(file_error(config), path));
    bearer_config_free(&config);
}

static void a_line_of_any_length_is_read(void **state)
{
    char *text = malloc(200001);
    struct bearer_config *config;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', 200000);
    text[200000] = '\0';
    memcpy(text, "oauth2_scope: ", 14);
    config = load_text(text);
    assert_null(file_error(config));
    assert_int_equal(strlen(top(config, BEARER_LEVEL_SYSTEM, OPT_SCOPE)), 200000 - 14);
    bearer_config_free(&config);
    memset(text, 'x', 200000);
    text[199999] = ':';
    config = load_text(text);
    assert_non_null(file_error(config));
    bearer_config_free(&config);
    memset(text, 'x', 200000);
    text[0] = '[';
    text[199999] = ']';
    config = load_text(text);
    assert_null(file_error(config));
    bearer_config_free(&config);
    free(text);
}

static void a_file_of_more_than_a_megabyte_is_a_mistake(void **state)
{
    char *text = malloc(1048577);
    const char *path;
    struct bearer_config *config;

    (void)state;
    assert_non_null(text);
    memset(text, '\n', 1048577);
    path = scratch_write_bytes("sasl.conf", 0600, text, 1048577);
    config = load_file(path, BEARER_LEVEL_SYSTEM);
    assert_text(file_error(config), "'%s' is larger than 1048576 bytes", path);
    bearer_config_free(&config);
    config = load_file(scratch_write_bytes("sasl.conf", 0600, text, 1048576), BEARER_LEVEL_SYSTEM);
    assert_null(file_error(config));
    bearer_config_free(&config);
    free(text);
}

/* ------------------------------------------------------------------ which files */

static void without_files_there_is_nothing(void **state)
{
    const char *nowhere = scratch_path("nowhere");
    struct bearer_config *config;

    (void)state;
    for (int i = 0; i < 4; i++) {
        config = load(i & 1 ? nowhere : NULL, i & 2 ? nowhere : NULL);
        assert_true(bearer_config_is_empty(config));
        bearer_config_free(&config);
    }
    config = load("", "");
    assert_true(bearer_config_is_empty(config));
    bearer_config_free(&config);
}

static void the_first_directory_with_a_file_counts(void **state)
{
    struct bearer_config *config;

    (void)state;
    scratch_write("b/sasl.conf", 0600, "oauth2_timeout: 2\n");
    scratch_write("c/sasl.conf", 0600, "oauth2_timeout: 3\n");
    config = load(scratch_text("%s:%s:%s", scratch_path("a"), scratch_path("b"), scratch_path("c")), NULL);
    assert_string_equal(top(config, BEARER_LEVEL_SYSTEM, OPT_TIMEOUT), "2");
    assert_null(config->levels[BEARER_LEVEL_SYSTEM].files->next);
    bearer_config_free(&config);
    scratch_write("b/sasl.conf", 0600, "mumble\n"); /* a broken file counts too: it was the one meant */
    config = load(scratch_text("%s:%s", scratch_path("b"), scratch_path("c")), NULL);
    assert_null(top(config, BEARER_LEVEL_SYSTEM, OPT_TIMEOUT));
    assert_non_null(file_error(config));
    bearer_config_free(&config);
}

static void a_directory_without_a_slash_in_front_is_passed_over(void **state)
{
    struct bearer_config *config;

    (void)state;
    scratch_write("b/sasl.conf", 0600, "oauth2_timeout: 2\n");
    config = load(scratch_text(".:relative::%s:", scratch_path("b")), NULL);
    assert_string_equal(top(config, BEARER_LEVEL_SYSTEM, OPT_TIMEOUT), "2");
    bearer_config_free(&config);
}

static void drop_ins_are_read_after_it_in_order_of_name(void **state)
{
    const struct bearer_section *section;
    struct bearer_config *config;

    (void)state;
    scratch_write("sasl.conf.d/90-c.conf", 0600, "[c]\n");
    scratch_write("sasl.conf.d/10-a.conf", 0600, "oauth2_timeout: 10\n[a]\n");
    scratch_write("sasl.conf.d/B.conf", 0600, "[b]\n"); /* by byte: digits, then capitals */
    scratch_write("sasl.conf", 0600, "oauth2_timeout: 5\noauth2_min_lifetime: 60\n[first]\n");
    scratch_write("sasl.conf.d/.hidden.conf", 0600, "mumble\n");
    scratch_write("sasl.conf.d/backup.conf~", 0600, "mumble\n");
    scratch_write("sasl.conf.d/.conf", 0600, "mumble\n");
    scratch_write("sasl.conf.d/README", 0600, "mumble\n");
    config = load(scratch_directory(), NULL);
    assert_null(file_error(config));
    section = config->levels[BEARER_LEVEL_SYSTEM].sections;
    assert_string_equal(section->pattern, "first");
    assert_string_equal((section = section->next)->pattern, "a");
    assert_string_equal((section = section->next)->pattern, "c");
    assert_string_equal((section = section->next)->pattern, "b");
    assert_null(section->next);
    assert_string_equal(top(config, BEARER_LEVEL_SYSTEM, OPT_TIMEOUT), "10"); /* a later file's top overrides */
    assert_string_equal(top(config, BEARER_LEVEL_SYSTEM, OPT_MIN_LIFETIME), "60");
    bearer_config_free(&config);
}

static void a_drop_in_begins_at_the_top_and_keeps_its_mistakes_to_itself(void **state)
{
    const struct bearer_config_file *file;
    struct bearer_config *config;

    (void)state;
    scratch_write("sasl.conf", 0600, "[a]\noauth2_timeout: 5\n");
    scratch_write("sasl.conf.d/1.conf", 0600, "oauth2_timeout: 6\n[b]\nmumble\n");
    config = load(scratch_directory(), NULL);
    assert_string_equal(top(config, BEARER_LEVEL_SYSTEM, OPT_TIMEOUT), "6");
    file = config->levels[BEARER_LEVEL_SYSTEM].files;
    assert_null(file->error);
    assert_text(file->next->error, "%s:3: neither 'option: value' nor a [section] nor a # comment",
                scratch_path("sasl.conf.d/1.conf"));
    assert_ptr_equal(section_of(config, BEARER_LEVEL_SYSTEM, "a")->file, file);
    assert_ptr_equal(section_of(config, BEARER_LEVEL_SYSTEM, "b")->file, file->next);
    assert_ptr_equal(bearer_config_broken_file(config, BEARER_LEVEL_SYSTEM), file->next);
    bearer_config_free(&config);
}

static void a_section_in_two_files_is_a_mistake_that_names_both(void **state)
{
    struct bearer_config *config;

    (void)state;
    scratch_write("sasl.conf", 0600, "\n[a]\n");
    scratch_write("sasl.conf.d/1.conf", 0600, "[b]\n[a]\noauth2_timeout: 6\n");
    config = load(scratch_directory(), NULL);
    assert_text(section_of(config, BEARER_LEVEL_SYSTEM, "a")->error, "%s:2: section [a] stands already at %s:2; join them",
                scratch_path("sasl.conf.d/1.conf"), scratch_path("sasl.conf"));
    assert_null(section_of(config, BEARER_LEVEL_SYSTEM, "b")->error);
    bearer_config_free(&config);
}

static void the_users_file_is_a_level_of_its_own_without_drop_ins(void **state)
{
    struct bearer_config *config;

    (void)state;
    scratch_write("system/sasl.conf", 0600, "oauth2_timeout: 5\n[a]\n");
    scratch_write("user/sasl.conf", 0600, "oauth2_timeout: 6\n[a]\noauth2_timeout: 7\n");
    scratch_write("user/sasl.conf.d/1.conf", 0600, "oauth2_timeout: 8\n");
    config = load(scratch_path("system"), scratch_path("user"));
    assert_string_equal(top(config, BEARER_LEVEL_SYSTEM, OPT_TIMEOUT), "5");
    assert_string_equal(top(config, BEARER_LEVEL_USER, OPT_TIMEOUT), "6");
    assert_null(section_of(config, BEARER_LEVEL_SYSTEM, "a")->error);
    assert_null(section_of(config, BEARER_LEVEL_SYSTEM, "a")->values[OPT_TIMEOUT].text);
    assert_string_equal(section_of(config, BEARER_LEVEL_USER, "a")->values[OPT_TIMEOUT].text, "7");
    assert_int_equal(section_of(config, BEARER_LEVEL_USER, "a")->level, BEARER_LEVEL_USER);
    assert_null(config->levels[BEARER_LEVEL_USER].files->next);
    bearer_config_free(&config);
}

static void a_named_file_is_read_alone_and_must_exist(void **state)
{
    const char *path = scratch_write("other.conf", 0600, "oauth2_timeout: 9\n");
    struct bearer_config_places places = { .system_path = scratch_directory(),
                                           .user_directory = scratch_directory(),
                                           .file = path,
                                           .file_level = BEARER_LEVEL_USER };
    struct bearer_config *config;

    (void)state;
    scratch_write("sasl.conf", 0600, "oauth2_timeout: 5\n");
    assert_int_equal(bearer_config_load(&places, &config, NULL), BEARER_OK);
    assert_string_equal(top(config, BEARER_LEVEL_USER, OPT_TIMEOUT), "9");
    assert_null(top(config, BEARER_LEVEL_SYSTEM, OPT_TIMEOUT));
    bearer_config_free(&config);
    places.file = scratch_path("nowhere.conf");
    assert_int_equal(bearer_config_load(&places, &config, NULL), BEARER_OK);
    assert_text(bearer_config_broken_file(config, BEARER_LEVEL_USER)->error, "cannot open '%s': No such file or directory",
                places.file);
    bearer_config_free(&config);
}

static void jailed_programs_are_the_systems_business(void **state)
{
    const char *path = scratch_write("sasl.conf", 0600, "oauth2_jailed_programs: smtp\n");
    struct bearer_config *config = load_file(path, BEARER_LEVEL_SYSTEM);

    (void)state;
    assert_null(file_error(config));
    assert_string_equal(top(config, BEARER_LEVEL_SYSTEM, OPT_JAILED_PROGRAMS), "smtp");
    bearer_config_free(&config);
    config = load_file(path, BEARER_LEVEL_USER);
    assert_text(bearer_config_broken_file(config, BEARER_LEVEL_USER)->error,
                "%s:1: oauth2_jailed_programs stands only above the first section of the system's sasl.conf", path);
    bearer_config_free(&config);
}

/* ------------------------------------------------------------------ who may have written and who may read them */

static void a_file_that_others_may_write_is_refused(void **state)
{
    static const mode_t modes[] = { 0620, 0602, 0622, 0666, 0664 };

    (void)state;
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        const char *path = scratch_write("sasl.conf", modes[i], "oauth2_timeout: 5\n");
        struct bearer_config *config = load(scratch_directory(), NULL);

        assert_text(file_error(config), "'%s' can be written by others than its owner: run chmod go-w '%s'", path, path);
        assert_null(top(config, BEARER_LEVEL_SYSTEM, OPT_TIMEOUT));
        assert_false(bearer_config_is_empty(config));
        bearer_config_free(&config);
    }
}

static void a_file_of_somebody_else_is_refused(void **state)
{
    const char *path = scratch_write("sasl.conf", 0644, "oauth2_timeout: 5\n");
    struct bearer_config *config;

    (void)state;
    if (geteuid() != 0 || chown(path, 12345, (gid_t)-1) != 0)
        skip();
    config = load(scratch_directory(), NULL);
    assert_text(file_error(config), "'%s' belongs to user id 12345, not to root or to whom it serves: run chown on it",
                path);
    assert_null(top(config, BEARER_LEVEL_SYSTEM, OPT_TIMEOUT));
    bearer_config_free(&config);
}

static void what_is_no_file_is_refused(void **state)
{
    struct bearer_config *config;

    (void)state;
    assert_int_equal(mkdir(scratch_path("sasl.conf"), 0755), 0);
    config = load(scratch_directory(), NULL);
    assert_text(file_error(config), "'%s' is not a regular file", scratch_path("sasl.conf"));
    bearer_config_free(&config);
    assert_int_equal(rmdir(scratch_path("sasl.conf")), 0);
    assert_int_equal(mkfifo(scratch_path("sasl.conf"), 0600), 0); /* must not be waited for */
    config = load(scratch_directory(), NULL);
    assert_text(file_error(config), "'%s' is not a regular file", scratch_path("sasl.conf"));
    bearer_config_free(&config);
}

static void a_system_file_we_may_not_read_counts_as_absent(void **state)
{
    const uid_t nobody = 65534;
    bool root = geteuid() == 0;
    struct bearer_config *config;

    (void)state;
    scratch_write("a/sasl.conf", root ? 0600 : 0000, "oauth2_timeout: 5\n");
    scratch_write("b/sasl.conf", 0644, "oauth2_timeout: 6\n");
    assert_int_equal(chmod(scratch_directory(), 0755), 0);
    if (root && seteuid(nobody) != 0)
        skip();
    config = load(scratch_path("a"), NULL);
    assert_true(bearer_config_is_empty(config));
    bearer_config_free(&config);
    config = load(scratch_text("%s:%s", scratch_path("a"), scratch_path("b")), NULL);
    assert_null(file_error(config));
    assert_string_equal(top(config, BEARER_LEVEL_SYSTEM, OPT_TIMEOUT), "6");
    bearer_config_free(&config);
    config = load_file(scratch_path("a/sasl.conf"), BEARER_LEVEL_SYSTEM); /* unless somebody named it */
    assert_text(file_error(config), "cannot open '%s': Permission denied", scratch_path("a/sasl.conf"));
    bearer_config_free(&config);
    config = load(NULL, scratch_path("a")); /* or it is the user's own, and no secret from him */
    assert_text(bearer_config_broken_file(config, BEARER_LEVEL_USER)->error, "cannot open '%s': Permission denied",
                scratch_path("a/sasl.conf"));
    bearer_config_free(&config);
    if (root)
        assert_int_equal(seteuid(0), 0);
}

static void a_secret_stands_only_where_others_do_not_read(void **state)
{
    static const struct {
        mode_t mode;
        bool refused;
    } table[] = { { 0600, false }, { 0400, false }, { 0640, false }, { 0644, true }, { 0604, true } };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const char *path = scratch_write("sasl.conf", table[i].mode, "[a]\noauth2_client_secret: hunter2\n[b]\n");
        struct bearer_config *config = load(scratch_directory(), NULL);
        const struct bearer_section *section = section_of(config, BEARER_LEVEL_SYSTEM, "a");

        if (table[i].refused) {
            assert_text(section->error, "%s:2: oauth2_client_secret in a file that anyone can read: run chmod o= '%s'", path,
                        path);
            assert_null(section->values[OPT_CLIENT_SECRET].text);
        } else {
            assert_null(section->error);
            assert_string_equal(section->values[OPT_CLIENT_SECRET].text, "hunter2");
        }
        assert_null(section_of(config, BEARER_LEVEL_SYSTEM, "b")->error);
        bearer_config_free(&config);
        assert_int_equal(unlink(path), 0);
    }
}

static void a_file_for_everybody_names_the_secrets_file(void **state)
{
    struct bearer_config *config;

    (void)state;
    scratch_write("sasl.conf", 0644, "oauth2_client_secret_file: /etc/sasl2/relay.secret\n");
    config = load(scratch_directory(), NULL);
    assert_null(file_error(config));
    assert_string_equal(top(config, BEARER_LEVEL_SYSTEM, OPT_CLIENT_SECRET_FILE), "/etc/sasl2/relay.secret");
    bearer_config_free(&config);
}

static void a_symbolic_link_leads_to_what_is_judged(void **state)
{
    const char *path = scratch_write("real.conf", 0644, "oauth2_timeout: 5\n");
    struct bearer_config *config;

    (void)state;
    assert_int_equal(symlink(path, scratch_path("sasl.conf")), 0);
    config = load(scratch_directory(), NULL);
    assert_string_equal(top(config, BEARER_LEVEL_SYSTEM, OPT_TIMEOUT), "5");
    bearer_config_free(&config);
    assert_int_equal(chmod(path, 0666), 0);
    config = load(scratch_directory(), NULL);
    assert_non_null(file_error(config));
    bearer_config_free(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(a_whole_file_reads_as_it_looks),
        scratch_test(a_file_without_anything_is_empty),
        scratch_test(anything_at_all_is_not_empty),
        scratch_test(mistakes_read_as_the_table_says),
        scratch_test(libsasl2s_own_options_at_the_top_are_not_ours_to_judge),
        scratch_test(a_mistake_in_one_section_leaves_the_others_alone),
        scratch_test(a_refused_value_is_not_kept),
        scratch_test(a_nul_byte_is_told_with_the_name_of_the_file),
        scratch_test(a_line_of_any_length_is_read),
        scratch_test(a_file_of_more_than_a_megabyte_is_a_mistake),
        scratch_test(without_files_there_is_nothing),
        scratch_test(the_first_directory_with_a_file_counts),
        scratch_test(a_directory_without_a_slash_in_front_is_passed_over),
        scratch_test(drop_ins_are_read_after_it_in_order_of_name),
        scratch_test(a_drop_in_begins_at_the_top_and_keeps_its_mistakes_to_itself),
        scratch_test(a_section_in_two_files_is_a_mistake_that_names_both),
        scratch_test(the_users_file_is_a_level_of_its_own_without_drop_ins),
        scratch_test(a_named_file_is_read_alone_and_must_exist),
        scratch_test(jailed_programs_are_the_systems_business),
        scratch_test(a_file_that_others_may_write_is_refused),
        scratch_test(a_file_of_somebody_else_is_refused),
        scratch_test(what_is_no_file_is_refused),
        scratch_test(a_system_file_we_may_not_read_counts_as_absent),
        scratch_test(a_secret_stands_only_where_others_do_not_read),
        scratch_test(a_file_for_everybody_names_the_secrets_file),
        scratch_test(a_symbolic_link_leads_to_what_is_judged),
    };

    return run_group("config", tests);
}
