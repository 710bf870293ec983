/* test_token_file.c - token files of sasl-xoauth2: whom they are believed, what is asked for with them, how they are
 * replaced. */
#include "provider/token_file.h"

#include "credential/clock.h"
#include "provider/http.h"
#include "tests/unit/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENDPOINT  "https://login.example.com/token"
#define CLIENT_ID "\"client_id\": \"of-the-file\""

/* ------------------------------------------------------------------ what is around the provider */

/* The token endpoint: what it was sent, and what it says. */
static struct {
    int asked;
    char text[2048]; /* url, proxy, trust and form, a line each */
    long status;
    const char *body;
} endpoint;

/* The core: what it was told. */
static struct {
    char token[256], text[1024], log[2048];
    int64_t lifetime;
    int grants, failures;
} core;

static bool fsync_fails;

enum bearer_status __wrap_http_send(const struct http_request *request, struct http_reply *reply, struct bearer_error *err);
enum bearer_status __wrap_http_send(const struct http_request *request, struct http_reply *reply, struct bearer_error *err)
{
    size_t n = (size_t)snprintf(endpoint.text, sizeof endpoint.text, "%s\nproxy %s\nca %s\n", request->url,
                                request->proxy != NULL ? request->proxy : "-",
                                request->ca_pem != NULL    ? request->ca_pem
                                : request->ca_file != NULL ? request->ca_file
                                                           : "-");

    endpoint.asked++;
    for (const struct http_field *field = request->form; field->name != NULL; field++)
        if (field->value != NULL)
            n += (size_t)snprintf(endpoint.text + n, sizeof endpoint.text - n, "%s=%s\n", field->name, field->value);
    if (endpoint.body == NULL)
        return bearer_fail(err, BEARER_LATER, "nobody answers");
    reply->status = endpoint.status;
    reply->body = strdup(endpoint.body);
    reply->length = strlen(endpoint.body);
    return BEARER_OK;
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    if (fsync_fails)
        errno = EIO;
    return fsync_fails ? -1 : __real_fsync(fd);
}

static void take_grant(void *context, const struct bearer_grant *grant)
{
    (void)context;
    assert_null(grant->refresh_token);
    snprintf(core.token, sizeof core.token, "%s", grant->access_token);
    core.lifetime = grant->lifetime;
    core.grants++;
}

static void take_failure(void *context, const struct bearer_failure *failure)
{
    (void)context;
    snprintf(core.text, sizeof core.text, "%s", failure->text);
    core.failures++;
}

static void take_log(void *context, enum bearer_log_level level, const char *text)
{
    size_t n = strlen(core.log);

    (void)context;
    if (level == BEARER_LOG_NOTE && strncmp(text, "POST ", 5) == 0)
        return; /* each request is noted */
    snprintf(core.log + n, sizeof core.log - n, "%s %s\n",
             level == BEARER_LOG_ERROR     ? "error"
             : level == BEARER_LOG_WARNING ? "warning"
                                           : "note",
             text);
}

static const struct bearer_option account[] = {
    { .name = "oauth2_provider", .value = "password_field" },
    { .name = "oauth2_client_id", .value = "of-the-account" },
    { .name = "oauth2_client_secret", .value = "hidden" },
    { .name = "oauth2_token_endpoint", .value = ENDPOINT },
    { .name = "oauth2_scope", .value = "mail" },
    { .name = NULL },
};

static enum bearer_status fetch(const struct bearer_option *options, const char *password, int64_t patience)
{
    const struct bearer_request request = {
        .abi = BEARER_PROVIDER_ABI,
        .identity = "*@contoso.com",
        .options = options,
        .password = password,
        .ca_file = "/ca-of-the-account",
        .deadline = bearer_monotonic() + patience,
        .grant = take_grant,
        .fail = take_failure,
        .log = take_log,
    };
    enum bearer_status st;

    memset(&core, 0, sizeof core);
    st = bearer_provider.fetch(&request);
    assert_int_equal(core.grants, st == BEARER_OK);
    assert_int_equal(core.failures, st != BEARER_OK);
    return st;
}

static int begin(void **state)
{
    memset(&endpoint, 0, sizeof endpoint);
    endpoint.status = 200;
    endpoint.body = "{\"token_type\":\"Bearer\",\"access_token\":\"fresh\",\"expires_in\":3600,\"refresh_token\":\"next\"}";
    fsync_fails = false;
    return scratch_begin(state);
}

#define test(body) cmocka_unit_test_setup_teardown(body, begin, scratch_end)

/* What a file of one expired token says, with more members behind. */
static const char *expired(const char *more)
{
    return scratch_text("{\"access_token\": \"old\", \"refresh_token\": \"first\", \"expiry\": \"0\"%s%s}",
                        *more != '\0' ? ", " : "", more);
}

static const char *content(const char *path)
{
    size_t length;
    unsigned char *bytes = scratch_read(path, &length);
    const char *text = scratch_text("%.*s", (int)length, (char *)bytes);

    free(bytes);
    return text;
}

static int entries(void)
{
    DIR *directory = opendir(scratch_directory());
    int count = -2; /* . and .. */

    assert_non_null(directory);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

/* ------------------------------------------------------------------ the password */

static void a_password_that_is_no_path_is_the_token(void **state)
{
    (void)state;
    assert_int_equal(fetch(account, "abc/def", 1000), BEARER_OK);
    assert_string_equal(core.token, "abc/def");
    assert_int_equal(core.lifetime, 0);
    assert_int_equal(fetch(account, "", 1000), BEARER_USAGE);
    assert_int_equal(fetch(account, NULL, 1000), BEARER_USAGE);
    assert_string_equal(core.text, "provider password_field takes the access token, or the path of a token file, from the "
                                   "program's password, and there is none");
    assert_int_equal(endpoint.asked, 0);
}

/* ------------------------------------------------------------------ reading */

static void a_good_token_is_used_with_what_is_left_of_it(void **state)
{
    static const struct {
        long left;
        const char *format; /* of expiry */
        const char *more;
        bool good;
    } rows[] = {
        { 1000, "\"%lld\"", "", true },
        { 1000, "%lld", "", true },
        { 15, "\"%lld\"", "", true },
        { 5, "\"%lld\"", "", false },
        { -5, "%lld", "", false },
        { 1000, "%lld", ", \"refresh_window\": 1200", false },
        { 1000, "%lld", ", \"refresh_window\": \"1200\"", false },
        { 1000, "%lld", ", \"refresh_window\": 900", true },
        { 4, "%lld", ", \"refresh_window\": 0", true },
        { 1000, "\"\"", "", false },
        { 1000, "\"soon\"", "", false },
        { 1000, "null", "", false },
        { 1000, "%lld", ", \"refresh_window\": 1200, \"manage_token_externally\": \"Yes\"", true },
        { 1000, "%lld", ", \"refresh_window\": 1200, \"manage_token_externally\": true", true },
        { 1000, "%lld", ", \"refresh_window\": 1200, \"manage_token_externally\": \"no\"", false },
        { 1000, "%lld", ", \"refresh_window\": 1200, \"manage_token_externally\": false", false },
    }, *row;

    (void)state;
    for_each_row(row, rows)
    {
        const char *expiry = strstr(row->format, "%") == NULL ? row->format
                             : row->format[0] == '"'          ? scratch_text("\"%lld\"", (long long)bearer_now() + row->left)
                                                              : scratch_text("%lld", (long long)bearer_now() + row->left);
        const char *path = scratch_write(
            "t", 0600,
            scratch_text("{\"access_token\":\"old\",\"refresh_token\":\"r\",\"expiry\":%s%s}", expiry, row->more));

        endpoint.asked = 0;
        assert_int_equal(fetch(account, path, 1000), BEARER_OK);
        if (endpoint.asked != !row->good)
            fail_msg("row %zu", row_i);
        assert_string_equal(core.token, row->good ? "old" : "fresh");
        assert_in_range(core.lifetime, row->good ? row->left - 3 : 3600, row->good ? row->left : 3600);
    }
}

static void a_file_that_cannot_be_believed_is_refused_with_the_remedy(void **state)
{
    static const struct {
        mode_t mode;
        const char *text;
        const char *says; /* after its path */
    } rows[] = {
        { 0644, "{\"access_token\": \"\"}", "' holds a secret and anyone can read it: run chmod o= '" },
        { 0660, "{\"refresh_token\": \"\"}", "' can be written by others than its owner: run chmod go-w '" },
        { 0600, "", "' is not JSON: look at line 1" },
        { 0600, "{\n\"access_token\": \"secret\n", "' is not JSON: look at line 2" },
        { 0600, "{\"a\": 1, \"a\": 2}", "' is not JSON: look at line 1" },
        { 0644, "root:x:0:0", "' is not JSON: look at line 1" },
        { 0644, "{\"debug\": true}", "' is JSON, but no object with access_token and refresh_token" },
        { 0600, "[]", "' is JSON, but no object with access_token and refresh_token" },
        { 0600, "{\"access_token\": \"\", \"client_id\": 5}",
          "' has a client_id that is not a text: put it between quotes" },
        { 0600, "{\"access_token\": \"\", \"refresh_window\": \"soon\"}",
          "' has a refresh_window that is not a number of seconds" },
        { 0600, "{\"refresh_token\": \"r\", \"manage_token_externally\": \"yes\"}",
          "' says manage_token_externally, and has no access_token" },
        { 0600, "{\"access_token\": \"spent\"}",
          "' has expired, and no refresh_token is there: sign in anew with what made the file, or move to sasl-bearer login" },
    }, *row;

    (void)state;
    for_each_row(row, rows)
    {
        const char *path = scratch_write("t", row->mode, row->text);

        chmod(path, row->mode);
        assert_int_not_equal(fetch(account, path, 1000), BEARER_OK);
        if (strstr(core.text, scratch_text("%s%s", path, row->says)) == NULL)
            fail_msg("row %zu: %s", row_i, core.text);
        assert_null(strstr(core.text, "secret\n"));
        unlink(path);
    }
    assert_int_equal(endpoint.asked, 0);
}

static void a_good_token_in_a_refused_file_is_not_used(void **state)
{
    const char *path = scratch_write(
        "t", 0644, scratch_text("{\"access_token\": \"old\", \"expiry\": %lld}", (long long)bearer_now() + 1000));

    (void)state;
    chmod(path, 0644);
    assert_int_equal(fetch(account, path, 1000), BEARER_CONFIG);
}

static void a_file_that_is_none_is_refused(void **state)
{
    char *large = calloc(1, 65538);

    (void)state;
    assert_int_equal(fetch(account, scratch_path("absent"), 1000), BEARER_CONFIG);
    assert_text(core.text, "cannot open '%s': No such file or directory", scratch_path("absent"));
    assert_int_equal(fetch(account, scratch_directory(), 1000), BEARER_CONFIG);
    assert_text(core.text, "'%s' is not a regular file", scratch_directory());
    memset(large, ' ', 65537);
    assert_int_equal(fetch(account, scratch_write("large", 0600, large), 1000), BEARER_CONFIG);
    assert_text(core.text, "'%s' is larger than 65536 bytes", scratch_path("large"));
    free(large);
    if (geteuid() == 0) {
        const char *path = scratch_write("t", 0600, expired(""));

        assert_int_equal(chown(path, 4711, 0), 0);
        assert_int_equal(fetch(account, path, 1000), BEARER_CONFIG);
        assert_text(core.text, "'%s' belongs to user id 4711, not to root or to whom it serves: run chown on it", path);
    }
}

/* ------------------------------------------------------------------ asking */

static void the_file_wins_and_secrets_stay_with_their_client(void **state)
{
    static const struct {
        const char *more, *sent;
    } rows[] = {
        { "", ENDPOINT "\nproxy -\nca /ca-of-the-account\ngrant_type=refresh_token\nclient_id=of-the-account\n"
                       "client_secret=hidden\nrefresh_token=first\nscope=mail\n" },
        { "\"client_id\": \"\", \"client_secret\": \"\", \"proxy\": null",
          ENDPOINT "\nproxy -\nca /ca-of-the-account\ngrant_type=refresh_token\nclient_id=of-the-account\n"
                   "client_secret=hidden\nrefresh_token=first\nscope=mail\n" },
        { CLIENT_ID, ENDPOINT "\nproxy -\nca /ca-of-the-account\ngrant_type=refresh_token\nclient_id=of-the-file\n"
                              "refresh_token=first\nscope=mail\n" },
        { CLIENT_ID ", \"client_secret\": \"own\", \"scope\": \"a b\"",
          ENDPOINT "\nproxy -\nca /ca-of-the-account\ngrant_type=refresh_token\nclient_id=of-the-file\nclient_secret=own\n"
                   "refresh_token=first\nscope=a b\n" },
        { "\"token_endpoint\": \"" ENDPOINT "\", \"client_id\": \"of-the-account\"",
          ENDPOINT "\nproxy -\nca /ca-of-the-account\ngrant_type=refresh_token\nclient_id=of-the-account\n"
                   "client_secret=hidden\nrefresh_token=first\nscope=mail\n" },
        { "\"token_endpoint\": \"https://elsewhere/\"",
          "https://elsewhere/\nproxy -\nca /ca-of-the-account\ngrant_type=refresh_token\nclient_id=of-the-account\n"
          "refresh_token=first\n" },
        { "\"proxy\": \"proxy.example.com:8080\", \"ca_bundle_file\": \"/etc/ca.pem\"",
          ENDPOINT "\nproxy proxy.example.com:8080\nca /etc/ca.pem\ngrant_type=refresh_token\nclient_id=of-the-account\n"
                   "client_secret=hidden\nrefresh_token=first\nscope=mail\n" },
        { "\"use_client_credentials\": \"yes\"",
          ENDPOINT "\nproxy -\nca /ca-of-the-account\ngrant_type=client_credentials\nclient_id=of-the-account\n"
                   "client_secret=hidden\nscope=mail\n" },
    }, *row;

    (void)state;
    for_each_row(row, rows)
    {
        assert_int_equal(fetch(account, scratch_write("t", 0600, expired(row->more)), 1000), BEARER_OK);
        assert_string_equal(endpoint.text, row->sent);
        assert_string_equal(core.log, "");
    }
}

static void what_nobody_says_is_asked_for(void **state)
{
    static const struct bearer_option nothing[] = { { .name = NULL } };

    (void)state;
    assert_int_equal(fetch(nothing, scratch_write("t", 0600, expired("")), 1000), BEARER_CONFIG);
    assert_text(core.text, "'%s' has no client_id: set oauth2_client_id in sasl.conf", scratch_path("t"));
    assert_int_equal(fetch(nothing, scratch_write("t", 0600, expired(CLIENT_ID)), 1000), BEARER_CONFIG);
    assert_text(core.text, "'%s' has no token_endpoint: set oauth2_tenant or oauth2_token_endpoint in sasl.conf",
                scratch_path("t"));
    scratch_write("t", 0600, expired(CLIENT_ID ", \"token_endpoint\": \"https://elsewhere/\""));
    assert_int_equal(fetch(nothing, scratch_path("t"), 1000), BEARER_OK);
    assert_int_equal(endpoint.asked, 1);
}

static void what_has_no_effect_is_told(void **state)
{
    (void)state;
    scratch_write("t", 0600, expired("\"user\": \"info@contoso.com\", \"ca_certs_dir\": \"/etc/ssl/certs\""));
    assert_int_equal(fetch(account, scratch_path("t"), 1000), BEARER_OK);
    assert_text(
        core.log,
        "note user in '%s' is not used: the mailbox is the user name the program gives\n"
        "note ca_certs_dir in '%s' is not used: certificates come from ca_bundle_file, else from where sasl.conf or the "
        "system has them\n",
        scratch_path("t"), scratch_path("t"));
}

static void a_refusal_names_the_file_and_leaves_it(void **state)
{
    const char *path = scratch_write("t", 0600, expired("")), *before = content(path);

    (void)state;
    endpoint.status = 400;
    endpoint.body = "{\"error\":\"invalid_grant\"}";
    assert_int_equal(fetch(account, path, 1000), BEARER_SIGN_IN);
    assert_non_null(strstr(core.text, scratch_text("the refresh token in '%s' works no longer: the identity provider says "
                                                   "invalid_grant; ",
                                                   path)));
    endpoint.body = NULL;
    assert_int_equal(fetch(account, path, 1000), BEARER_LATER);
    assert_text(core.text, "the token in '%s' cannot be renewed: nobody answers", path);
    assert_string_equal(content(path), before);
    assert_int_equal(entries(), 1);
}

static void what_cannot_be_renewed_is_used_to_its_end(void **state)
{
    const char *path = scratch_write("t", 0600,
                                     scratch_text("{\"access_token\": \"old\", \"refresh_token\": \"r\", \"expiry\": %lld, "
                                                  "\"refresh_window\": 600}",
                                                  (long long)bearer_now() + 300));

    (void)state;
    endpoint.body = NULL;
    assert_int_equal(fetch(account, path, 1000), BEARER_OK);
    assert_string_equal(core.token, "old");
    assert_text(core.log, "warning the token in '%s' cannot be renewed: nobody answers\n", path);
}

/* ------------------------------------------------------------------ replacing */

static void a_new_token_takes_the_old_ones_place_and_nothing_else_changes(void **state)
{
    const char *path =
        scratch_write("t", 0640,
                      "{\"z\": [1, {\"b\": 2.5}], \"access_token\": \"old\", \"expiry\": \"0\",\n"
                      "\"refresh_token\": \"first\", \"note\": \"sm\\u00f8rbr\\u00f8d / \\\"\", \"last\": null}");
    struct stat before, after;
    char *expiry;
    long long value;

    (void)state;
    assert_int_equal(chmod(path, 0440), 0);
    if (geteuid() == 0)
        assert_int_equal(chown(path, 0, 4712), 0);
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(fetch(account, path, 1000), BEARER_OK);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_mode, before.st_mode);
    assert_int_equal(after.st_uid, before.st_uid);
    assert_int_equal(after.st_gid, before.st_gid);
    assert_int_not_equal(after.st_ino, before.st_ino);
    expiry = strstr(content(path), "\"expiry\": \"");
    assert_non_null(expiry);
    value = strtoll(expiry + strlen("\"expiry\": \""), NULL, 10);
    assert_in_range(value, bearer_now() + 3590, bearer_now() + 3600);
    assert_text(content(path),
                "{\n    \"z\": [\n        1,\n        {\n            \"b\": 2.5\n        }\n    ],\n"
                "    \"access_token\": \"fresh\",\n    \"expiry\": \"%lld\",\n    \"refresh_token\": \"next\",\n"
                "    \"note\": \"smørbrød / \\\"\",\n    \"last\": null\n}\n",
                value);
    assert_int_equal(entries(), 1);
    assert_int_equal(fetch(account, path, 1000), BEARER_OK);
    assert_int_equal(endpoint.asked, 1);
}

static void expiry_stays_a_number(void **state)
{
    const char *path = scratch_write("t", 0600, "{\"refresh_token\": \"first\", \"expiry\": 0}");
    const char *expiry;

    (void)state;
    endpoint.body = "{\"access_token\":\"fresh\"}"; /* no lifetime, and the old refresh token stays good */
    assert_int_equal(fetch(account, path, 1000), BEARER_OK);
    expiry = strstr(content(path), "\"refresh_token\": \"first\",\n    \"expiry\": ");
    assert_non_null(expiry);
    assert_true(strtoll(strstr(expiry, "expiry") + strlen("expiry\": "), NULL, 10) > bearer_now());
    assert_int_equal(fetch(account, path, 1000), BEARER_OK);
    assert_in_range(core.lifetime, 3590, 3600);
    assert_int_equal(endpoint.asked, 1);
}

static void a_refresh_token_is_kept_even_if_the_rest_is_useless(void **state)
{
    const char *path = scratch_write("t", 0600, expired(""));

    (void)state;
    endpoint.body = "{\"refresh_token\":\"next\"}";
    assert_int_equal(fetch(account, path, 1000), BEARER_PEER);
    assert_string_equal(content(path),
                        "{\n    \"access_token\": \"old\",\n    \"refresh_token\": \"next\",\n    \"expiry\": \"0\"\n}\n");
}

static void a_link_stays_a_link(void **state)
{
    const char *path = scratch_write("real/t", 0600, expired("")), *name = scratch_path("name");
    struct stat status;

    (void)state;
    assert_int_equal(symlink("real/t", name), 0);
    assert_int_equal(fetch(account, name, 1000), BEARER_OK);
    assert_int_equal(lstat(name, &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    assert_non_null(strstr(content(path), "fresh"));
}

static void where_it_cannot_be_saved_the_token_serves_and_the_loss_is_told(void **state)
{
    char name[254];
    const char *path, *before;

    (void)state;
    memset(name, 'n', 250); /* no room for a suffix: this stops root too */
    name[250] = '\0';
    path = scratch_write(name, 0600, expired(""));
    before = content(path);
    assert_int_equal(fetch(account, path, 1000), BEARER_OK);
    assert_string_equal(core.token, "fresh");
    assert_memory_equal(core.log, "error the new refresh token for '/", 34);
    assert_non_null(strstr(core.log, "' is LOST, and the old one may not work again: cannot make a new file in '"));
    assert_non_null(strstr(core.log, scratch_text("user id %lu must be allowed to write there", (unsigned long)geteuid())));
    endpoint.body = "{\"access_token\":\"fresh\",\"refresh_token\":\"first\"}";
    assert_int_equal(fetch(account, path, 1000), BEARER_OK);
    assert_memory_equal(core.log, "warning the new access token for '/", 35);
    assert_string_equal(content(path), before);
    assert_int_equal(entries(), 1);
}

static void a_full_or_broken_disk_leaves_the_old_file(void **state)
{
    const char *path = scratch_write("t", 0600, expired("")), *before = content(path);
    struct rlimit whole, small = { 20, 20 };

    (void)state;
    fsync_fails = true;
    assert_int_equal(fetch(account, path, 1000), BEARER_OK);
    fsync_fails = false;
    assert_non_null(strstr(core.log, scratch_text("cannot write '%s' anew: Input/output error", path)));
    assert_string_equal(content(path), before);
    assert_int_equal(entries(), 1);

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &whole), 0);
    small.rlim_max = whole.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    fetch(account, path, 1000);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &whole), 0);
    assert_string_equal(core.token, "fresh");
    assert_non_null(strstr(core.log, scratch_text("cannot write '%s' anew: File too large", path)));
    assert_string_equal(content(path), before);
    assert_int_equal(entries(), 1);
}

/* Replaces the file again and again, until killed. */
static void replace_for_ever(const char *path)
{
    static const struct bearer_grant grants[] = { { .access_token = "even", .refresh_token = "even" },
                                                  { .access_token = "odd", .refresh_token = "odd" } };
    struct token_file file = TOKEN_FILE_INIT;
    bool locked;

    for (unsigned i = 0;; i++)
        if (token_file_open(&file, path, NULL) != BEARER_OK || token_file_lock(&file, &locked, NULL) != BEARER_OK ||
            !locked || token_file_save(&file, &grants[i % 2], NULL) != BEARER_OK)
            _exit(1);
}

static void assert_whole(const char *path)
{
    struct token_file file = TOKEN_FILE_INIT;

    assert_int_equal(token_file_open(&file, path, NULL), BEARER_OK);
    assert_string_equal(token_file_text(&file, "last"), "member");
    assert_string_equal(token_file_text(&file, "access_token"), token_file_text(&file, "refresh_token"));
    token_file_close(&file);
}

static void readers_and_kills_at_any_time_find_a_whole_file(void **state)
{
    const char *path =
        scratch_write("t", 0600, "{\"access_token\": \"even\", \"refresh_token\": \"even\", \"last\": \"member\"}");
    int status;

    (void)state;
    for (int i = 0; i < 300; i++) {
        pid_t child = fork();

        if (child == 0)
            replace_for_ever(path);
        for (int k = 0; k < i; k++)
            assert_whole(path);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_whole(path);
    }
    assert_non_null(strstr(content(path), "\"expiry\"")); /* it was replaced at all */
}

static void leftovers_go_when_they_are_old(void **state)
{
    static const struct timespec long_ago[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 } };
    static const char *const names[] = { ".t.abcdef", ".t.abcdefg", ".t.abcde", ".u.abcdef", "t.abcdef" };
    const char *path = scratch_write("t", 0600, expired(""));

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(utimensat(AT_FDCWD, scratch_write(names[i], 0600, ""), long_ago, 0), 0);
    scratch_write(".t.ABCDEF", 0600, "");
    assert_int_equal(fetch(account, path, 1000), BEARER_OK);
    assert_int_equal(access(scratch_path(".t.abcdef"), F_OK), -1);
    assert_int_equal(access(scratch_path(".t.ABCDEF"), F_OK), 0);
    assert_int_equal(entries(), 6);
}

/* ------------------------------------------------------------------ at once */

static void who_has_the_lock_is_waited_for_but_not_for_ever(void **state)
{
    const char *path = scratch_write("t", 0600, expired(""));
    int fd = open(path, O_RDONLY);

    (void)state;
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(fetch(account, path, 50), BEARER_LATER);
    assert_text(core.text, "another process is renewing the token in '%s' and does not come back", path);
    assert_int_equal(endpoint.asked, 0);
    close(fd);
    assert_int_equal(fetch(account, path, 1000), BEARER_OK);
}

/* As an editor does that knows nothing of us. */
static void write_text(int fd, const char *text)
{
    assert_int_equal(pwrite(fd, text, strlen(text), 0), (ssize_t)strlen(text));
}

static void *replace_file(void *path)
{
    scratch_write("new", 0600,
                  scratch_text("{\"access_token\": \"theirs\", \"refresh_token\": \"r\", \"expiry\": %lld}",
                               (long long)bearer_now() + 1000));
    bearer_sleep(50);
    rename(scratch_path("new"), path);
    return NULL;
}

static void what_another_renewed_is_used(void **state)
{
    const char *path = scratch_write("t", 0600, expired(""));
    int fd = open(path, O_RDONLY);
    pthread_t other;

    (void)state;
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(pthread_create(&other, NULL, replace_file, (void *)(uintptr_t)path), 0);
    assert_int_equal(fetch(account, path, 20000), BEARER_OK); /* though the old file stays locked */
    pthread_join(other, NULL);
    close(fd);
    assert_string_equal(core.token, "theirs");
    assert_int_equal(endpoint.asked, 0);
}

static void a_lock_on_a_file_that_was_replaced_is_none(void **state)
{
    struct token_file file = TOKEN_FILE_INIT;
    const char *path = scratch_write("t", 0600, expired(""));
    bool locked = true;

    (void)state;
    assert_int_equal(token_file_open(&file, path, NULL), BEARER_OK);
    rename(scratch_write("new", 0600, expired("")), path);
    assert_int_equal(token_file_lock(&file, &locked, NULL), BEARER_OK);
    assert_false(locked);
    assert_int_equal(token_file_open(&file, path, NULL), BEARER_OK);
    assert_int_equal(token_file_lock(&file, &locked, NULL), BEARER_OK);
    assert_true(locked);
    token_file_close(&file);
}

static void what_was_written_before_the_lock_counts(void **state)
{
    struct token_file file = TOKEN_FILE_INIT;
    const char *path = scratch_write("t", 0600, expired(""));
    int fd = open(path, O_WRONLY | O_TRUNC);
    bool locked;

    (void)state;
    write_text(fd, "{\"refresh_token\": \"first\"}");
    assert_int_equal(token_file_open(&file, path, NULL), BEARER_OK);
    write_text(fd, "{\"refresh_token\": \"other\"}");
    assert_int_equal(token_file_lock(&file, &locked, NULL), BEARER_OK);
    assert_true(locked);
    assert_string_equal(token_file_text(&file, "refresh_token"), "other");
    token_file_close(&file);
    close(fd);
}

static void a_lock_ends_though_a_child_shares_it(void **state)
{
    struct token_file file = TOKEN_FILE_INIT;
    const char *path = scratch_write("t", 0600, expired(""));
    bool locked;
    pid_t child;
    int end[2];
    char byte;

    (void)state;
    assert_int_equal(pipe(end), 0);
    assert_int_equal(token_file_open(&file, path, NULL), BEARER_OK);
    assert_int_equal(token_file_lock(&file, &locked, NULL), BEARER_OK);
    assert_true(locked);
    child = fork();
    if (child == 0) {
        close(end[1]);
        _exit((int)read(end[0], &byte, 1)); /* until the parent is done */
    }
    token_file_close(&file);
    assert_int_equal(token_file_open(&file, path, NULL), BEARER_OK);
    assert_int_equal(token_file_lock(&file, &locked, NULL), BEARER_OK);
    assert_true(locked);
    token_file_close(&file);
    close(end[0]);
    close(end[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_password_that_is_no_path_is_the_token),
        test(a_good_token_is_used_with_what_is_left_of_it),
        test(a_file_that_cannot_be_believed_is_refused_with_the_remedy),
        test(a_good_token_in_a_refused_file_is_not_used),
        test(a_file_that_is_none_is_refused),
        test(the_file_wins_and_secrets_stay_with_their_client),
        test(what_nobody_says_is_asked_for),
        test(what_has_no_effect_is_told),
        test(a_refusal_names_the_file_and_leaves_it),
        test(what_cannot_be_renewed_is_used_to_its_end),
        test(a_new_token_takes_the_old_ones_place_and_nothing_else_changes),
        test(expiry_stays_a_number),
        test(a_refresh_token_is_kept_even_if_the_rest_is_useless),
        test(a_link_stays_a_link),
        test(where_it_cannot_be_saved_the_token_serves_and_the_loss_is_told),
        test(a_full_or_broken_disk_leaves_the_old_file),
        test(readers_and_kills_at_any_time_find_a_whole_file),
        test(leftovers_go_when_they_are_old),
        test(who_has_the_lock_is_waited_for_but_not_for_ever),
        test(what_another_renewed_is_used),
        test(a_lock_on_a_file_that_was_replaced_is_none),
        test(what_was_written_before_the_lock_counts),
        test(a_lock_ends_though_a_child_shares_it),
    };

    return run_group("token files", tests);
}
