/* Changing one section of a sasl.conf: the text that comes of it, what is shown, what is on the disk. */
#include "tests/unit/scratch.h"

#include "tool/conf_writer.h"
#include "tool/whole_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const two_values[OPT_COUNT] = { [OPT_PROVIDER] = "app_only", [OPT_TENANT] = "contoso.com" };

#define ADDED "oauth2_provider: app_only\noauth2_tenant:   contoso.com\n"

/* Opens a sasl.conf that holds this text; NULL = none is there. */
static struct conf_writer open_conf(const char *text)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct conf_writer writer;
    const char *path = text != NULL ? scratch_write("sasl.conf", 0644, text) : scratch_path("new/below/sasl.conf");

    if (conf_writer_open(path, BEARER_LEVEL_SYSTEM, &writer, &err) != BEARER_OK)
        fail_msg("%s", err.text);
    return writer;
}

static void set(struct conf_writer *writer, const char *pattern)
{
    struct bearer_error err = BEARER_ERROR_INIT;

    if (conf_writer_set(writer, pattern, two_values, &err) != BEARER_OK)
        fail_msg("%s", err.text);
}

/* ------------------------------------------------------------------ the text */

static void test_a_section_is_added_or_replaced_and_nothing_else_changes(void **state)
{
    static const struct {
        const char *name, *pattern, *before, *after;
    } rows[] = {
        { "an empty file", "*@contoso.com", "", "[*@contoso.com]\n" ADDED },
        { "behind the others", "*@contoso.com", "# mine\n\n[a@b.c]\noauth2_tenant: x\n",
          "# mine\n\n[a@b.c]\noauth2_tenant: x\n\n[*@contoso.com]\n" ADDED },
        { "no newline at the end", "*@contoso.com", "oauth2_timeout: 9", "oauth2_timeout: 9\n\n[*@contoso.com]\n" ADDED },
        { "one blank line is enough", "*@contoso.com", "oauth2_timeout: 9\n\n", "oauth2_timeout: 9\n\n[*@contoso.com]\n" ADDED },
        { "in place of its own", "*@contoso.com", "[a@b.c]\nx: 1\n[ *@CONTOSO.com ] # we\noauth2_tenant: old\n\n# z\n[z@z.z]\ny: 2\n",
          "[a@b.c]\nx: 1\n[*@contoso.com]\n" ADDED "\n# z\n[z@z.z]\ny: 2\n" },
        { "in place of its own, the last", "*@contoso.com", "[*@contoso.com]\noauth2_tenant: old", "[*@contoso.com]\n" ADDED },
        { "before a pattern that hides it", "*@contoso.com", "[a@b.c]\nx: 1\n\n# all\n[*]\ny: 2\n",
          "[a@b.c]\nx: 1\n\n[*@contoso.com]\n" ADDED "\n# all\n[*]\ny: 2\n" },
        { "a name is hidden by no pattern", "relay@contoso.com", "[*]\ny: 2\n", "[*]\ny: 2\n\n[relay@contoso.com]\n" ADDED },
        { "a name in brackets in a comment", "*@contoso.com", "# [*@contoso.com]\n", "# [*@contoso.com]\n\n[*@contoso.com]\n" ADDED },
        { "lines of Windows", "*@contoso.com", "[*@contoso.com]\r\noauth2_tenant: old\r\n\r\n[b@b.c]\r\nx: 1\r\n",
          "[*@contoso.com]\n" ADDED "\r\n[b@b.c]\r\nx: 1\r\n" },
    }, *row;

    (void)state;
    for_each_row(row, rows)
    {
        struct conf_writer writer = open_conf(row->before);

        set(&writer, row->pattern);
        if (strcmp(writer.after, row->after) != 0)
            fail_msg("%s:\n%s", row->name, writer.after);
        assert_int_equal(conf_writer_has(&writer, row->pattern),
                         strncmp(row->name, "in place", 8) == 0 || strncmp(row->name, "lines", 5) == 0);
        set(&writer, row->pattern);
        assert_string_equal(writer.after, row->after); /* once more changes nothing */
        conf_writer_close(&writer);
    }
}

static void test_what_cannot_stand_in_a_file_is_refused_in_its_own_words(void **state)
{
    static const struct {
        const char *pattern;
        enum bearer_option_id id;
        const char *value, *text;
    } rows[] = {
        { "a@b", OPT_TENANT, "two words", "oauth2_tenant is 'two words'; it must be one word without blanks or any of / ? # & = \"" },
        { "a@b", OPT_CLOUD, "mars", "oauth2_cloud is 'mars'; it can be: public usgov usgov_dod china" },
        { "a@b", OPT_CLIENT_SECRET_EXPIRES, "31.1.2027",
          "oauth2_client_secret_expires is '31.1.2027'; it must be a date in the form 2027-01-31" },
        { "a@b", OPT_CLIENT_SECRET_FILE, "relay.secret",
          "oauth2_client_secret_file is 'relay.secret'; it must be an absolute path, which begins with /, or credential:NAME" },
        { "a@b", OPT_CLIENT_SECRET_FILE, "/etc/a #b", "oauth2_client_secret_file is '/etc/a #b'; a value cannot begin or end with a "
                                                      "blank, begin with a quote or #, or hold # after a blank" },
        { "a@b", OPT_TENANT, "a\n[*]", "oauth2_tenant holds a control character" },
        { "a@b", OPT_TENANT, "", "oauth2_tenant has no value" },
        { "a]b", OPT_TENANT, "x", "'a]b' is no name of a section; a section reads [user@domain] or [*@domain]" },
        { "", OPT_TENANT, "x", "'' is no name of a section; a section reads [user@domain] or [*@domain]" },
    }, *row;

    (void)state;
    for_each_row(row, rows)
    {
        struct conf_writer writer = open_conf("");
        struct bearer_error err = BEARER_ERROR_INIT;
        const char *values[OPT_COUNT] = { NULL };

        values[row->id] = row->value;
        assert_int_equal(conf_writer_set(&writer, row->pattern, values, &err), BEARER_USAGE);
        assert_string_equal(err.text, row->text);
        assert_string_equal(writer.after, "");
        conf_writer_close(&writer);
    }
}

static void test_a_file_that_cannot_be_read_as_a_whole_is_not_changed(void **state)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct conf_writer writer;
    const char *path = scratch_write("sasl.conf", 0644, "what is this\n");

    (void)state;
    assert_int_equal(conf_writer_open(path, BEARER_LEVEL_SYSTEM, &writer, &err), BEARER_CONFIG);
    assert_text(err.text, "%s:1: neither 'option: value' nor a [section] nor a # comment", path);
    conf_writer_close(&writer);
    bearer_error_clear(&err);
    path = scratch_write("sasl.conf", 0666, "");
    assert_int_equal(conf_writer_open(path, BEARER_LEVEL_SYSTEM, &writer, &err), BEARER_CONFIG);
    assert_text(err.text, "'%s' can be written by others than its owner: run chmod go-w '%s'", path, path);
    conf_writer_close(&writer);
}

static void test_only_the_difference_is_shown_and_no_secret(void **state)
{
    struct conf_writer writer = open_conf("oauth2_timeout: 9\n[*@contoso.com]\noauth2_provider: app_only\n"
                                          "OAuth2_Client_Secret : hush~hush\n\n[z@z.z]\nx: 1\n");
    char *shown = NULL;
    size_t size;
    FILE *out = open_memstream(&shown, &size);

    (void)state;
    set(&writer, "*@contoso.com");
    conf_writer_show(&writer, out);
    fclose(out);
    assert_text(shown, "%s:\n\n- OAuth2_Client_Secret : ***\n+ oauth2_tenant:   contoso.com\n", writer.path);
    free(shown);
    conf_writer_close(&writer);
}

/* ------------------------------------------------------------------ the disk */

static mode_t mode_of(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 ? status.st_mode & 07777 : 0;
}

static void holds(const char *path, const char *text)
{
    size_t length;
    char *bytes = (char *)scratch_read(path, &length);

    assert_int_equal(length, strlen(text));
    assert_memory_equal(bytes, text, length);
    free(bytes);
}

static void test_a_new_file_can_be_read_by_all_whatever_the_umask(void **state)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    mode_t before = umask(077);
    struct conf_writer writer = open_conf(NULL);
    char *backup;

    (void)state;
    set(&writer, "*@contoso.com");
    assert_int_equal(conf_writer_commit(&writer, &backup, &err), BEARER_OK);
    umask(before);
    assert_null(backup);
    assert_int_equal(mode_of(writer.path), 0644);
    assert_int_equal(mode_of(scratch_path("new/below")), 0755);
    holds(writer.path, "[*@contoso.com]\n" ADDED);
    conf_writer_close(&writer);
}

static void test_the_old_file_is_kept_with_each_change(void **state)
{
    static const char *const backups[] = { "sasl.conf.bak", "sasl.conf.bak2" };
    struct bearer_error err = BEARER_ERROR_INIT;

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct conf_writer writer = open_conf(scratch_text("oauth2_timeout: %d\n", i + 1));
        char *backup;

        assert_int_equal(chmod(writer.path, 0640), 0);
        conf_writer_close(&writer);
        assert_int_equal(conf_writer_open(scratch_path("sasl.conf"), BEARER_LEVEL_SYSTEM, &writer, &err), BEARER_OK);
        set(&writer, "*@contoso.com");
        assert_int_equal(conf_writer_commit(&writer, &backup, &err), BEARER_OK);
        assert_string_equal(backup, scratch_path("%s", backups[i]));
        holds(backup, scratch_text("oauth2_timeout: %d\n", i + 1));
        assert_int_equal(mode_of(writer.path), 0640);
        assert_int_equal(mode_of(backup), 0640);
        free(backup);
        conf_writer_close(&writer);
        unlink(scratch_path("sasl.conf"));
    }
}

static void test_a_symbolic_link_stays_one(void **state)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct conf_writer writer;
    struct stat status;
    const char *path = scratch_path("link.conf");
    char *backup;

    (void)state;
    scratch_write("real.conf", 0644, "oauth2_timeout: 1\n");
    assert_int_equal(symlink("real.conf", path), 0);
    assert_int_equal(conf_writer_open(path, BEARER_LEVEL_SYSTEM, &writer, &err), BEARER_OK);
    set(&writer, "*@contoso.com");
    assert_int_equal(conf_writer_commit(&writer, &backup, &err), BEARER_OK);
    assert_true(lstat(path, &status) == 0 && S_ISLNK(status.st_mode));
    holds(scratch_path("real.conf"), "oauth2_timeout: 1\n\n[*@contoso.com]\n" ADDED);
    free(backup);
    conf_writer_close(&writer);
}

static void test_what_somebody_else_wrote_meanwhile_is_not_lost(void **state)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct conf_writer writer = open_conf("oauth2_timeout: 1\n");
    char *backup;

    (void)state;
    set(&writer, "*@contoso.com");
    scratch_write("sasl.conf", 0644, "oauth2_timeout: 1234\n");
    assert_int_equal(conf_writer_commit(&writer, &backup, &err), BEARER_LOCAL);
    assert_text(err.text, "'%s' was changed by somebody else meanwhile: try again", writer.path);
    assert_null(backup);
    holds(writer.path, "oauth2_timeout: 1234\n");
    conf_writer_close(&writer);
}

static void test_a_file_that_came_meanwhile_is_not_lost(void **state)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct conf_writer writer = open_conf(NULL);
    char *backup;

    (void)state;
    set(&writer, "*@contoso.com");
    scratch_write("new/below/sasl.conf", 0644, "oauth2_timeout: 1234\n");
    assert_int_equal(conf_writer_commit(&writer, &backup, &err), BEARER_LOCAL);
    assert_text(err.text, "'%s' is there already, and is not replaced", writer.path);
    holds(writer.path, "oauth2_timeout: 1234\n");
    conf_writer_close(&writer);
}

/* ------------------------------------------------------------------ a disk that fails */

static int fsync_error;

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    if (fsync_error == 0)
        return __real_fsync(fd);
    errno = fsync_error;
    return -1;
}

static void test_a_write_that_fails_leaves_nothing_behind(void **state)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct conf_writer writer = open_conf("oauth2_timeout: 1\n");
    enum bearer_status st;
    char *backup;

    (void)state;
    set(&writer, "*@contoso.com");
    fsync_error = ENOSPC;
    st = conf_writer_commit(&writer, &backup, &err);
    fsync_error = 0;
    assert_int_equal(st, BEARER_LOCAL);
    assert_text(err.text, "cannot write '%s': No space left on device", writer.path);
    holds(writer.path, "oauth2_timeout: 1\n");
    assert_int_equal(unlink(writer.path), 0);
    assert_int_equal(rmdir(scratch_directory()), 0); /* there was nothing else */
    assert_int_equal(mkdir(scratch_directory(), 0700), 0);
    conf_writer_close(&writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_a_section_is_added_or_replaced_and_nothing_else_changes),
        scratch_test(test_what_cannot_stand_in_a_file_is_refused_in_its_own_words),
        scratch_test(test_a_file_that_cannot_be_read_as_a_whole_is_not_changed),
        scratch_test(test_only_the_difference_is_shown_and_no_secret),
        scratch_test(test_a_new_file_can_be_read_by_all_whatever_the_umask),
        scratch_test(test_the_old_file_is_kept_with_each_change),
        scratch_test(test_a_symbolic_link_stays_one),
        scratch_test(test_what_somebody_else_wrote_meanwhile_is_not_lost),
        scratch_test(test_a_file_that_came_meanwhile_is_not_lost),
        scratch_test(test_a_write_that_fails_leaves_nothing_behind),
    };

    return run_group("conf_writer", tests);
}
