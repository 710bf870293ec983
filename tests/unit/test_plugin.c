/* test_plugin.c - the mechanisms as programs meet them: through libsasl2 itself.  Tokens come from a store filled
 * beforehand, so no provider is needed. */
#include "credential/account.h"
#include "credential/clock.h"
#include "credential/places.h"
#include "credential/store.h"
#include "plugin/prompts.h"
#include "tests/unit/scratch.h"

#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SERVER     "outlook.office365.com"
#define LINES_KEPT 64

sasl_client_plug_init_t sasl_client_plug_init;

/* ------------------------------------------------------------------ a program that uses libsasl2 */

/* What the program answers; NULL = it has no answer. */
static struct {
    const char *user, *mailbox, *password;
    const char *option, *option_value; /* one of its own SASL options */
} program;

/* What it was told. */
static struct {
    int level;
    char *text;
} lines[LINES_KEPT];
static unsigned line_count;

static sasl_conn_t *conn;
static unsigned initialised; /* sasl_client_init() calls that sasl_done() has to follow */

static int keep_line(void *context, int level, const char *text)
{
    (void)context;
    if (line_count < LINES_KEPT) {
        lines[line_count].level = level;
        lines[line_count].text = strdup(text);
        line_count++;
    }
    return SASL_OK;
}

static int no_plugins(void *context, const char **path)
{
    (void)context;
    *path = "/nonexistent";
    return SASL_OK;
}

static int get_option(void *context, const char *plugin, const char *name, const char **value, unsigned *length)
{
    (void)context;
    (void)plugin;
    if (program.option == NULL || strcmp(name, program.option) != 0)
        return SASL_FAIL;
    *value = program.option_value;
    if (length != NULL)
        *length = (unsigned)strlen(program.option_value);
    return SASL_OK;
}

static int get_name(void *context, int id, const char **result, unsigned *length)
{
    const char *name = id == SASL_CB_AUTHNAME ? program.user : program.mailbox;

    (void)context;
    *result = name;
    if (length != NULL)
        *length = name != NULL ? (unsigned)strlen(name) : 0;
    return SASL_OK;
}

static int get_password(sasl_conn_t *connection, void *context, int id, sasl_secret_t **result)
{
    static union {
        sasl_secret_t secret;
        char room[sizeof(sasl_secret_t) + 256];
    } kept;
    size_t length = strlen(program.password);

    (void)connection;
    (void)context;
    (void)id;
    kept.secret.len = length;
    memcpy(kept.secret.data, program.password, length);
    memcpy(kept.secret.data + length, "garbage", 8); /* len is the end, not a NUL */
    *result = &kept.secret;
    return SASL_OK;
}

#define CALLBACK(function) ((sasl_callback_ft)(void *)(function))

static const sasl_callback_t global_callbacks[] = {
    { SASL_CB_GETPATH, CALLBACK(no_plugins), NULL },
    { SASL_CB_GETOPT, CALLBACK(get_option), NULL },
    { SASL_CB_LOG, CALLBACK(keep_line), NULL },
    { SASL_CB_LIST_END, NULL, NULL },
};

/* Answers by callback. */
static const sasl_callback_t answers[] = {
    { SASL_CB_AUTHNAME, CALLBACK(get_name), NULL },
    { SASL_CB_USER, CALLBACK(get_name), NULL },
    { SASL_CB_PASS, CALLBACK(get_password), NULL },
    { SASL_CB_LIST_END, NULL, NULL },
};

/* Wants to be asked with SASL_INTERACT. */
static const sasl_callback_t questions[] = {
    { SASL_CB_AUTHNAME, NULL, NULL },
    { SASL_CB_USER, NULL, NULL },
    { SASL_CB_PASS, NULL, NULL },
    { SASL_CB_LIST_END, NULL, NULL },
};

static int plugin_begin(void **state)
{
    if (scratch_begin(state) != 0)
        return -1;
    memset(&program, 0, sizeof program);
    program.user = "bob@contoso.com";
    setenv("SASL_CONF_PATH", scratch_path("conf"), 1);
    setenv("XDG_CONFIG_HOME", scratch_path("home/config"), 1);
    setenv("XDG_STATE_HOME", scratch_path("home/state"), 1);
    unsetenv("AZURE_TENANT_ID");
    unsetenv("AZURE_CLIENT_ID");
    return mkdir(scratch_path("store"), 0700);
}

static void forget_lines(void)
{
    while (line_count > 0)
        free(lines[--line_count].text);
}

static int plugin_end(void **state)
{
    if (conn != NULL)
        sasl_dispose(&conn);
    for (; initialised > 0; initialised--)
        sasl_done();
    forget_lines();
    return scratch_end(state);
}

#define plugin_test(test) cmocka_unit_test_setup_teardown(test, plugin_begin, plugin_end)

static void initialise(void)
{
    assert_int_equal(sasl_client_init(global_callbacks), SASL_OK);
    initialised++;
}

static void finish(void)
{
    if (conn != NULL)
        sasl_dispose(&conn);
    sasl_done();
    initialised--;
}

/* Begins as a program does that finds this sasl.conf. */
static void begin(const char *configuration)
{
    scratch_write("conf/sasl.conf", 0600, configuration);
    initialise();
    assert_int_equal(sasl_client_add_plugin("saslbearer", sasl_client_plug_init), SASL_OK);
}

static void connect_to(const char *server, const sasl_callback_t *callbacks)
{
    if (conn != NULL)
        sasl_dispose(&conn);
    assert_int_equal(sasl_client_new("imap", server, NULL, NULL, callbacks, 0, &conn), SASL_OK);
}

/* What a start came to. */
struct start {
    int result;
    const char *mechanism, *out;
    unsigned length;
};

static struct start start_with(const char *mechanisms, sasl_interact_t **prompts)
{
    struct start start = { .result = SASL_FAIL };

    start.result = sasl_client_start(conn, mechanisms, prompts, &start.out, &start.length, &start.mechanism);
    return start;
}

/* Connects to the usual server and starts. */
static struct start start(const char *mechanisms)
{
    connect_to(SERVER, answers);
    return start_with(mechanisms, NULL);
}

/* The line that tells of a failure, or NULL.  It is one line, in the log and in the error's detail. */
static const char *told(int level)
{
    const char *found = NULL;

    for (unsigned i = 0; i < line_count; i++)
        if (strstr(lines[i].text, " account=") != NULL) {
            assert_null(found);
            assert_int_equal(lines[i].level, level);
            found = lines[i].text;
        }
    if (found != NULL)
        assert_non_null(strstr(sasl_errdetail(conn), found));
    return found;
}

static const char *usual(void)
{
    return scratch_text("[*@contoso.com]\noauth2_client_id: 4f5a\noauth2_token_store: %s\n", scratch_path("store"));
}

static const char *option_for_seed(void *context, const char *name)
{
    (void)context;
    return program.option != NULL && strcmp(name, program.option) == 0 ? program.option_value : NULL;
}

/* Fills the store of a user's account with a token of that age. */
static void seed(const char *configuration, const char *user, const char *token_text, int64_t age)
{
    const struct bearer_config_places places = { .file = scratch_write("seed.conf", 0600, configuration),
                                                 .file_level = BEARER_LEVEL_SYSTEM };
    struct bearer_token token = BEARER_TOKEN_INIT;
    struct bearer_config *config;
    struct bearer_account *account;
    struct bearer_store *store;
    char *path;

    assert_int_equal(bearer_config_load(&places, &config, NULL), BEARER_OK);
    assert_int_equal(bearer_account_find(config, user, option_for_seed, NULL, &account, NULL), BEARER_OK);
    path = bearer_store_path(scratch_path("store"), account->provider_name, account->key);
    assert_int_equal(bearer_store_open(path, BEARER_STORE_CREATE, &store, NULL), BEARER_OK);
    bearer_secret_set(&token.access_token, token_text, strlen(token_text), NULL);
    bearer_secret_set(&token.refresh_token, "refresh", 7, NULL);
    bearer_token_set_text(&token.binding, account->binding, NULL);
    token.issued = bearer_now() - age;
    token.expires = bearer_now() + 3600;
    assert_true(bearer_store_lock(store));
    assert_int_equal(bearer_store_write(store, &token, NULL, NULL), BEARER_OK);
    bearer_store_unlock(store);
    bearer_token_clear(&token);
    bearer_store_free(&store);
    bearer_account_free(&account);
    bearer_config_free(&config);
    free(path);
}

static void sends(const struct start *start, const char *expected)
{
    if (start->result != SASL_CONTINUE)
        fail_msg("%s", sasl_errdetail(conn));
    assert_int_equal(start->length, strlen(expected));
    assert_memory_equal(start->out, expected, start->length);
}

/* ------------------------------------------------------------------ other mechanisms beside ours */

static int other_new(void *context, sasl_client_params_t *params, void **session)
{
    (void)params;
    *session = context;
    return SASL_OK;
}

static int other_step(void *session, sasl_client_params_t *params, const char *in, unsigned in_length,
                      sasl_interact_t **prompts, const char **out, unsigned *length, sasl_out_params_t *oparams)
{
    (void)session;
    (void)params;
    (void)in;
    (void)in_length;
    (void)prompts;
    (void)oparams;
    *out = "";
    *length = 0;
    return SASL_CONTINUE;
}

static const unsigned long nothing_required[] = { SASL_CB_LIST_END };

/* Flags as in libsasl2's own plugins. */
static sasl_client_plug_t others[] = {
    { .mech_name = "PLAIN",
      .security_flags = SASL_SEC_NOANONYMOUS | SASL_SEC_PASS_CREDENTIALS,
      .features = SASL_FEAT_WANT_CLIENT_FIRST | SASL_FEAT_ALLOWS_PROXY,
      .required_prompts = nothing_required,
      .mech_new = other_new,
      .mech_step = other_step },
    { .mech_name = "LOGIN",
      .security_flags = SASL_SEC_NOANONYMOUS | SASL_SEC_PASS_CREDENTIALS,
      .features = SASL_FEAT_SERVER_FIRST,
      .required_prompts = nothing_required,
      .mech_new = other_new,
      .mech_step = other_step },
    { .mech_name = "SCRAM-SHA-256",
      .security_flags = SASL_SEC_NOPLAINTEXT | SASL_SEC_NOACTIVE | SASL_SEC_NOANONYMOUS | SASL_SEC_MUTUAL_AUTH,
      .features = SASL_FEAT_ALLOWS_PROXY | SASL_FEAT_CHANNEL_BINDING,
      .required_prompts = nothing_required,
      .mech_new = other_new,
      .mech_step = other_step },
};

static int others_init(const sasl_utils_t *utils, int max_version, int *version, sasl_client_plug_t **list, int *count)
{
    (void)utils;
    (void)max_version;
    *version = SASL_CLIENT_PLUG_VERSION;
    *list = others;
    *count = 3;
    return SASL_OK;
}

static void libsasl2_prefers_us_as_the_table_says(void **state)
{
    static const struct {
        const char *offered, *chosen;
    } table[] = {
        { "PLAIN LOGIN XOAUTH2", "XOAUTH2" },
        { "XOAUTH2 LOGIN PLAIN", "XOAUTH2" },
        { "PLAIN OAUTHBEARER", "OAUTHBEARER" },
        { "OAUTHBEARER XOAUTH2", "XOAUTH2" },
        { "XOAUTH2 OAUTHBEARER", "XOAUTH2" },
        { "OAUTHBEARER", "OAUTHBEARER" },
        { "XOAUTH2 SCRAM-SHA-256 PLAIN", "SCRAM-SHA-256" },
        { "PLAIN LOGIN", "PLAIN" },
    };

    (void)state;
    seed(usual(), "bob@contoso.com", "t", 0);
    for (int ours_first = 0; ours_first < 2; ours_first++) {
        scratch_write("conf/sasl.conf", 0600, usual());
        initialise();
        if (ours_first)
            assert_int_equal(sasl_client_add_plugin("saslbearer", sasl_client_plug_init), SASL_OK);
        assert_int_equal(sasl_client_add_plugin("others", others_init), SASL_OK);
        if (!ours_first)
            assert_int_equal(sasl_client_add_plugin("saslbearer", sasl_client_plug_init), SASL_OK);
        for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
            struct start s = start(table[i].offered);

            if (s.result != SASL_CONTINUE)
                fail_msg("%s: %s", table[i].offered, sasl_errdetail(conn));
            assert_string_equal(s.mechanism, table[i].chosen);
        }
        finish();
    }
}

/* ------------------------------------------------------------------ what goes out */

static void a_login_sends_the_token_in_the_store(void **state)
{
    struct start s;

    (void)state;
    seed(usual(), "bob@contoso.com", "the-token", 0);
    begin(usual());
    s = start("XOAUTH2");
    sends(&s, "user=bob@contoso.com\001auth=Bearer the-token\001\001");
    s = start("OAUTHBEARER");
    sends(&s, "n,a=bob@contoso.com,\001host=" SERVER "\001auth=Bearer the-token\001\001");
    assert_null(told(SASL_LOG_ERR));
}

static void the_port_goes_along_where_the_program_tells_it(void **state)
{
    struct start s;

    (void)state;
    seed(usual(), "bob@contoso.com", "t", 0);
    begin(usual());
    assert_int_equal(sasl_client_new("imap", SERVER, "192.0.2.1;40000", "192.0.2.2;993", answers, 0, &conn), SASL_OK);
    s = start_with("OAUTHBEARER", NULL);
    sends(&s, "n,a=bob@contoso.com,\001host=" SERVER "\001port=993\001auth=Bearer t\001\001");
}

static void the_server_gets_the_name_as_typed(void **state)
{
    struct start s;

    (void)state;
    seed(usual(), "bob@contoso.com", "t", 0);
    begin(usual());
    program.user = "Bob@Contoso.COM";
    s = start("XOAUTH2");
    sends(&s, "user=Bob@Contoso.COM\001auth=Bearer t\001\001");
}

static void an_authorization_id_is_the_mailbox(void **state)
{
    struct start s;

    (void)state;
    seed(usual(), "bob@contoso.com", "bobs-token", 0);
    begin(usual());
    program.mailbox = "Info@contoso.com";
    s = start("XOAUTH2");
    sends(&s, "user=Info@contoso.com\001auth=Bearer bobs-token\001\001");
    s = start("OAUTHBEARER");
    sends(&s, "n,a=Info@contoso.com,\001host=" SERVER "\001auth=Bearer bobs-token\001\001");
    program.mailbox = "";
    s = start("XOAUTH2");
    sends(&s, "user=bob@contoso.com\001auth=Bearer bobs-token\001\001");
}

static void an_identity_in_the_file_opens_the_mailbox_asked_for(void **state)
{
    const char *configuration = scratch_text("%s[info@contoso.com]\noauth2_identity: bob@contoso.com\n", usual());
    struct start s;

    (void)state;
    seed(configuration, "bob@contoso.com", "bobs-token", 0);
    begin(configuration);
    program.user = "info@contoso.com";
    s = start("XOAUTH2");
    sends(&s, "user=info@contoso.com\001auth=Bearer bobs-token\001\001");
}

static void a_programs_own_option_completes_the_account(void **state)
{
    const char *configuration = scratch_text("[*@contoso.com]\noauth2_token_store: %s\n", scratch_path("store"));
    struct start s;

    (void)state;
    program.option = "oauth2_client_id";
    program.option_value = "from-the-program";
    seed(configuration, "bob@contoso.com", "t", 0);
    begin(configuration);
    s = start("XOAUTH2");
    sends(&s, "user=bob@contoso.com\001auth=Bearer t\001\001");
}

static void a_token_stored_later_is_sent_next(void **state)
{
    struct start s;

    (void)state;
    seed(usual(), "bob@contoso.com", "first", 0);
    begin(usual());
    s = start("XOAUTH2");
    sends(&s, "user=bob@contoso.com\001auth=Bearer first\001\001");
    seed(usual(), "bob@contoso.com", "second", 0);
    s = start("XOAUTH2");
    sends(&s, "user=bob@contoso.com\001auth=Bearer second\001\001");
}

/* ------------------------------------------------------------------ asking */

static void answer(sasl_interact_t *prompts, unsigned long id, const char *text)
{
    while (prompts->id != SASL_CB_LIST_END && prompts->id != id)
        prompts++;
    assert_int_equal(prompts->id, id);
    assert_non_null(prompts->prompt);
    assert_true(prompts->prompt[0] != '\0');
    prompts->result = text;
    prompts->len = text != NULL ? (unsigned)strlen(text) : 0;
}

static unsigned count_of(const sasl_interact_t *prompts)
{
    unsigned count = 0;

    while (prompts[count].id != SASL_CB_LIST_END)
        count++;
    return count;
}

static void a_program_that_wants_to_be_asked_is_asked_for_both_names(void **state)
{
    sasl_interact_t *prompts = NULL;
    struct start s;

    (void)state;
    seed(usual(), "bob@contoso.com", "t", 0);
    begin(usual());
    connect_to(SERVER, questions);
    s = start_with("XOAUTH2", &prompts);
    assert_int_equal(s.result, SASL_INTERACT);
    assert_int_equal(count_of(prompts), 2);
    answer(prompts, SASL_CB_AUTHNAME, "bob@contoso.com");
    answer(prompts, SASL_CB_USER, "info@contoso.com");
    s = start_with("XOAUTH2", &prompts);
    assert_null(prompts);
    sends(&s, "user=info@contoso.com\001auth=Bearer t\001\001");
}

static void a_question_left_open_is_an_error_that_says_so(void **state)
{
    static const char *const empty[] = { NULL, "" };

    (void)state;
    begin(usual());
    for (int i = 0; i < 2; i++) {
        sasl_interact_t *prompts = NULL;

        forget_lines();
        connect_to(SERVER, questions);
        assert_int_equal(start_with("XOAUTH2", &prompts).result, SASL_INTERACT);
        answer(prompts, SASL_CB_AUTHNAME, empty[i]);
        assert_int_equal(start_with("XOAUTH2", &prompts).result, SASL_BADPARAM);
        assert_null(prompts);
        assert_string_equal(told(SASL_LOG_ERR),
                            "the program did not say which user to log in as account= provider=none cause=usage");
    }
}

static void a_program_that_cannot_be_asked_gets_an_error_that_says_so(void **state)
{
    struct start s;

    (void)state;
    begin(usual());
    connect_to(SERVER, questions);
    s = start_with("XOAUTH2", NULL); /* as Postfix does */
    assert_int_equal(s.result, SASL_BADPARAM);
    assert_string_equal(told(SASL_LOG_ERR), "the program did not say which user to log in as, and cannot be asked account= "
                                            "provider=none cause=usage");
}

static const char *password_field(void)
{
    return "[*@contoso.com]\noauth2_provider: password_field\n";
}

static void the_password_is_asked_for_only_where_it_is_the_token(void **state)
{
    sasl_interact_t *prompts = NULL;

    (void)state;
    begin(password_field());
    connect_to(SERVER, questions);
    assert_int_equal(start_with("XOAUTH2", &prompts).result, SASL_INTERACT);
    assert_int_equal(count_of(prompts), 2);
    answer(prompts, SASL_CB_AUTHNAME, "bob@contoso.com");
    assert_int_equal(start_with("XOAUTH2", &prompts).result, SASL_INTERACT);
    assert_int_equal(count_of(prompts), 1);
    answer(prompts, SASL_CB_PASS, "");
    assert_int_equal(start_with("XOAUTH2", &prompts).result, SASL_BADPARAM);
    assert_null(prompts);
    assert_string_equal(told(SASL_LOG_ERR),
                        "provider password_field expects the access token, or its file's path, as the program's password, which is empty "
                        "account=bob@contoso.com provider=password_field cause=usage");
}

static void a_password_that_cannot_be_asked_for_is_told_of(void **state)
{
    static const sasl_callback_t name_only[] = {
        { SASL_CB_AUTHNAME, CALLBACK(get_name), NULL },
        { SASL_CB_PASS, NULL, NULL },
        { SASL_CB_LIST_END, NULL, NULL },
    };

    (void)state;
    begin(password_field());
    connect_to(SERVER, name_only);
    assert_int_equal(start_with("XOAUTH2", NULL).result, SASL_BADPARAM);
    assert_non_null(strstr(told(SASL_LOG_ERR), "expects the access token, or its file's path, as the program's password"));
}

static void the_password_is_the_token_to_its_last_byte_and_no_further(void **state)
{
    const char *module = scratch_text("%s/password_field.so", bearer_provider_directory());
    struct start s;

    (void)state;
    program.password = "token-in-the-password-field";
    begin(password_field());
    s = start("XOAUTH2");
    if (access(module, R_OK) == 0) {
        sends(&s, "user=bob@contoso.com\001auth=Bearer token-in-the-password-field\001\001");
    } else { /* not installed yet */
        assert_int_equal(s.result, SASL_CONFIGERR);
        assert_non_null(strstr(told(SASL_LOG_ERR), "cannot load provider password_field: "));
    }
}

static int answers_only(sasl_conn_t *connection, unsigned long id, sasl_callback_ft *function, void **context)
{
    (void)connection;
    *context = NULL;
    *function = id == SASL_CB_PASS ? CALLBACK(get_password) : CALLBACK(get_name);
    return SASL_OK;
}

static void a_password_ends_where_its_length_says(void **state)
{
    const sasl_utils_t utils = { .getcallback = answers_only };
    struct bearer_answer asked[] = { { .id = SASL_CB_AUTHNAME, .prompt = "name" },
                                     { .id = SASL_CB_PASS, .prompt = "word" } };

    (void)state;
    program.password = "the-token";
    assert_int_equal(bearer_ask(&utils, NULL, asked, 2), SASL_OK);
    assert_string_equal(bearer_secret_reveal(&asked[0].value), "bob@contoso.com");
    assert_string_equal(bearer_secret_reveal(&asked[1].value), "the-token");
    bearer_answers_clear(asked, 2);
    assert_string_equal(bearer_secret_reveal(&asked[1].value), "");
}

/* ------------------------------------------------------------------ the second step */

static void seeded_start(const char *mechanism, int64_t age)
{
    forget_lines();
    seed(usual(), "bob@contoso.com", "t", age);
    assert_int_equal(start(mechanism).result, SASL_CONTINUE);
}

static void any_end_is_a_good_end_and_answered_in_each_mechanisms_way(void **state)
{
    static const struct {
        const char *in;
        unsigned length;
    } table[] = {
        { NULL, 0 },                        /* mbsync after OK */
        { "", 0 },                          /* an empty challenge */
        { "A001 OK AUTHENTICATE\r\n", 22 }, /* bytes left in mutt's buffer */
        { "\0\0\0\0", 4 },
        { "   ", 3 },
        { "\r\n", 2 },
        { "x{", 2 },
    };

    (void)state;
    begin(usual());
    for (int bearer = 0; bearer < 2; bearer++)
        for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
            const char *out = "untouched";
            unsigned length = 99;

            seeded_start(bearer ? "OAUTHBEARER" : "XOAUTH2", 0);
            assert_int_equal(sasl_client_step(conn, table[i].in, table[i].length, NULL, &out, &length), SASL_OK);
            assert_int_equal(length, bearer);
            assert_non_null(out);
            if (bearer)
                assert_int_equal(out[0], 1);
            assert_null(told(SASL_LOG_ERR));
        }
}

/* mutt and nmh would take the server's last word for one more challenge. */
static void by_pop3_and_smtp_the_first_step_may_be_all_but_need_not(void **state)
{
    static const char *const services[] = { "pop", "smtp", "lmtp" };

    (void)state;
    begin(usual());
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        struct start started;
        const char *out;
        unsigned length;

        forget_lines();
        seed(usual(), "bob@contoso.com", "t", 0);
        if (conn != NULL)
            sasl_dispose(&conn);
        assert_int_equal(sasl_client_new(services[i], SERVER, NULL, NULL, answers, 0, &conn), SASL_OK);
        started = start_with("XOAUTH2", NULL);
        assert_int_equal(started.result, SASL_OK);
        assert_string_equal(started.out, "user=bob@contoso.com\001auth=Bearer t\001\001");
        assert_int_equal(sasl_client_step(conn, "{\"status\":\"400\"}", 16, NULL, &out, &length), SASL_OK);
        assert_int_equal(length, 0);
        assert_non_null(told(SASL_LOG_ERR));
    }
}

/* RFC 5034 section 4: what does not fit the line of the command waits for the server's challenge. */
static void a_token_too_long_for_the_first_line_waits_until_it_is_asked_for(void **state)
{
    static const struct {
        const char *service;
        size_t longest; /* bytes of the longest message that fits, with "AUTH XOAUTH2 " and CRLF, in base64; 0 = any */
    } table[] = { { "pop", 180 }, { "smtp", 0 }, { "imap", 0 } };
    static const size_t frame = sizeof "user=bob@contoso.com\001auth=Bearer \001\001" - 1;

    (void)state;
    begin(usual());
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        for (int longer = 0; longer < 2; longer++) {
            size_t length = (table[i].longest > 0 ? table[i].longest + (size_t)longer : 2000) - frame;
            bool waits = table[i].longest > 0 && longer;
            char token[2048];
            struct start started;

            memset(token, 't', length);
            token[length] = '\0';
            seed(usual(), "bob@contoso.com", token, 0);
            if (conn != NULL)
                sasl_dispose(&conn);
            assert_int_equal(sasl_client_new(table[i].service, SERVER, NULL, NULL, answers, 0, &conn), SASL_OK);
            started = start_with("XOAUTH2", NULL);
            assert_int_equal(started.out == NULL, waits);
            if (waits) {
                assert_int_equal(started.result, SASL_CONTINUE);
                started.result = sasl_client_step(conn, "", 0, NULL, &started.out, &started.length);
            }
            assert_int_equal(started.result, strcmp(table[i].service, "imap") != 0 ? SASL_OK : SASL_CONTINUE);
            assert_int_equal(started.length, frame + length);
            assert_int_equal(sasl_client_step(conn, NULL, 0, NULL, &started.out, &started.length), SASL_OK);
            assert_int_equal(started.length, 0);
        }
}

static void an_error_challenge_is_answered_and_told(void **state)
{
    static const char challenge[] = "{\"status\":\"401\",\"schemes\":\"bearer\"}";

    (void)state;
    begin(usual());
    for (int bearer = 0; bearer < 2; bearer++) {
        const char *out = "untouched";
        unsigned length = 99;

        seeded_start(bearer ? "OAUTHBEARER" : "XOAUTH2", 0);
        assert_int_equal(sasl_client_step(conn, challenge, sizeof challenge - 1, NULL, &out, &length), SASL_OK);
        assert_int_equal(length, bearer);
        if (bearer)
            assert_int_equal(out[0], 1);
        assert_text(
            told(SASL_LOG_ERR),
            "the mail server refuses mailbox 'bob@contoso.com' to bob@contoso.com, whose token is kept: check who may "
            "open it (%s) account=bob@contoso.com provider=delegated cause=mailbox_refused",
            challenge);
    }
    program.mailbox = "Info@contoso.com";
    {
        const char *out;
        unsigned length;

        seeded_start("XOAUTH2", 0);
        assert_int_equal(sasl_client_step(conn, challenge, sizeof challenge - 1, NULL, &out, &length), SASL_OK);
        assert_non_null(strstr(told(SASL_LOG_ERR), "refuses mailbox 'Info@contoso.com' to bob@contoso.com"));
    }
}

static void an_error_challenge_is_known_by_its_first_byte_that_is_not_blank(void **state)
{
    const char *out;
    unsigned length;

    (void)state;
    begin(usual());
    seeded_start("XOAUTH2", 0);
    assert_int_equal(sasl_client_step(conn, " \t\r\n{}", 6, NULL, &out, &length), SASL_OK);
    assert_non_null(told(SASL_LOG_ERR));
}

static void an_error_challenge_is_made_printable_and_cut(void **state)
{
    char challenge[3000];
    const char *out, *line;
    unsigned length;

    (void)state;
    memset(challenge, 'x', sizeof challenge);
    memcpy(challenge, "{\"a\":\"\x1b[31m\r\n\0\xff%s%n", 19);
    begin(usual());
    seeded_start("XOAUTH2", 0);
    assert_int_equal(sasl_client_step(conn, challenge, sizeof challenge, NULL, &out, &length), SASL_OK);
    line = told(SASL_LOG_ERR);
    assert_non_null(line);
    assert_non_null(strstr(line, "({\"a\":\"?[31m????%s%nxxx"));
    assert_true(strlen(line) < 600);
    for (const char *p = line; *p != '\0'; p++)
        assert_true(*p >= ' ' && *p < 0x7f);
    assert_string_equal(line + strlen(line) - strlen(" provider=delegated cause=mailbox_refused"),
                        " provider=delegated cause=mailbox_refused");
}

static void whoever_it_is_about_a_line_names_the_account_in_the_same_way(void **state)
{
    static char longest[231], challenge[3000]; /* a file's name holds no more */
    const char *const users[] = { "J\xc3\xb6rg@contoso.com", longest };

    (void)state;
    memset(longest, 'u', 230);
    memcpy(longest + 230 - 12, "@contoso.com", 12);
    memset(challenge, 'x', sizeof challenge);
    challenge[0] = '{';
    begin(usual());
    for (int i = 0; i < 2; i++)
        for (int stored = 0; stored < 2; stored++) {
            const char *out, *line;
            unsigned length;

            forget_lines();
            program.user = program.mailbox = users[i];
            if (stored) {
                seed(usual(), users[i], "t", 0);
                assert_int_equal(start("XOAUTH2").result, SASL_CONTINUE);
                assert_int_equal(sasl_client_step(conn, challenge, sizeof challenge, NULL, &out, &length), SASL_OK);
            } else {
                assert_int_equal(start("XOAUTH2").result, SASL_EXPIRED);
            }
            line = told(SASL_LOG_ERR);
            assert_non_null(line);
            assert_non_null(
                strstr(line, scratch_text(" account=%s provider=delegated cause=%s", i == 0 ? "J??rg@contoso.com" : longest,
                                          stored ? "mailbox_refused" : "sign_in")));
        }
}

static void a_token_that_is_refused_after_a_minute_is_dropped_once(void **state)
{
    static const char challenge[] = "{\"status\":\"400\"}";
    const char *out;
    unsigned length;

    (void)state;
    begin(usual());
    seeded_start("XOAUTH2", 120);
    assert_int_equal(sasl_client_step(conn, challenge, sizeof challenge - 1, NULL, &out, &length), SASL_OK);
    assert_text(told(SASL_LOG_ERR),
                "the mail server refused the access token, so the next login fetches a new one (%s) account=bob@contoso.com "
                "provider=delegated cause=token_refused",
                challenge);
    {
        struct bearer_store *store;
        const struct bearer_token *token;

        assert_int_equal(bearer_store_open(scratch_path("store/delegated-bob@contoso.com.token"), 0, &store, NULL),
                         BEARER_OK);
        assert_int_equal(bearer_store_read(store, &token, NULL), BEARER_OK);
        assert_int_equal(token->access_token.length, 0);
        assert_string_equal(bearer_secret_reveal(&token->refresh_token), "refresh"); /* never lost */
        assert_true(token->dropped > 0);
        bearer_store_free(&store);
    }
}

static void a_first_step_may_come_late_with_server_data(void **state)
{
    static const struct {
        const char *in;
        unsigned length;
    } table[] = { { "", 0 }, { NULL, 0 }, { "left over", 9 }, { "{\"not\":\"an error\"}", 18 } };

    (void)state;
    seed(usual(), "bob@contoso.com", "t", 0);
    begin(usual());
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const char *mechanism;
        struct start s = { .result = SASL_FAIL };

        connect_to(SERVER, answers);
        assert_int_equal(sasl_client_start(conn, "XOAUTH2", NULL, NULL, NULL, &mechanism), SASL_CONTINUE);
        s.result = sasl_client_step(conn, table[i].in, table[i].length, NULL, &s.out, &s.length);
        sends(&s, "user=bob@contoso.com\001auth=Bearer t\001\001");
        assert_int_equal(sasl_client_step(conn, NULL, 0, NULL, &s.out, &s.length), SASL_OK);
        assert_null(told(SASL_LOG_ERR));
    }
}

/* ------------------------------------------------------------------ failures */

static void failures_end_in_the_code_and_the_words_of_the_table(void **state)
{
    static const struct {
        const char *user;
        int result;
        const char *line;
    } table[] = {
        { "Bob@contoso.com", SASL_EXPIRED,
          "bob@contoso.com has not signed in: run sasl-bearer login bob@contoso.com account=Bob@contoso.com "
          "provider=delegated cause=sign_in" },
        { "eve@fabrikam.com", SASL_NOUSER,
          "no section of sasl.conf covers 'eve@fabrikam.com': add one for it, or for its domain account=eve@fabrikam.com "
          "provider=none cause=no_account" },
        { "bob\r\nx@contoso.com", SASL_BADPARAM,
          "the user name is longer than 320 bytes or holds control characters account=bob??x@contoso.com provider=none "
          "cause=usage" },
        { "bob\x01"
          "auth=Bearer x@contoso.com",
          SASL_BADPARAM,
          "the user name is longer than 320 bytes or holds control characters account=bob?auth=Bearer x@contoso.com "
          "provider=none "
          "cause=usage" },
        { "", SASL_BADPARAM, "the program did not say which user to log in as account= provider=none cause=usage" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        begin(usual());
        program.user = table[i].user;
        assert_int_equal(start("XOAUTH2").result, table[i].result);
        assert_string_equal(told(SASL_LOG_ERR), table[i].line);
        finish();
        forget_lines();
    }
}

static void a_server_that_is_not_allowed_gets_nothing(void **state)
{
    static const char *const servers[] = { "mail.example.com", "localhost", "127.0.0.1", "office365.com.evil.example" };

    (void)state;
    seed(usual(), "bob@contoso.com", "t", 0);
    begin(usual());
    for (size_t i = 0; i < sizeof servers / sizeof servers[0]; i++) {
        struct start s;
        const char *line;

        forget_lines();
        connect_to(servers[i], answers);
        s = start_with("XOAUTH2", NULL);
        assert_int_equal(s.result, SASL_NOUSER);
        assert_null(s.out);
        assert_int_equal(s.length, 0);
        line = told(SASL_LOG_ERR);
        assert_non_null(
            strstr(line, scratch_text("server '%s' is not among those that may be sent this token", servers[i])));
        assert_non_null(
            strstr(line, scratch_text("add 'oauth2_servers: %s' in %s:1 account=bob@contoso.com provider=delegated "
                                      "cause=no_account",
                                      servers[i], scratch_path("conf/sasl.conf"))));
    }
}

static void without_a_servers_name_the_token_stays_unless_a_star_says_so(void **state)
{
    struct start s;

    (void)state;
    seed(usual(), "bob@contoso.com", "t", 0);
    begin(usual());
    connect_to(NULL, answers);
    assert_int_equal(start_with("XOAUTH2", NULL).result, SASL_NOUSER);
    assert_non_null(strstr(told(SASL_LOG_ERR), "the program does not say which server it talks to"));
    finish();
    begin(scratch_text("%soauth2_servers: *\n", usual()));
    connect_to(NULL, answers);
    s = start_with("OAUTHBEARER", NULL);
    sends(&s, "n,a=bob@contoso.com,\001auth=Bearer t\001\001");
}

static void a_mailbox_with_control_characters_is_refused(void **state)
{
    struct start s;

    (void)state;
    seed(usual(), "bob@contoso.com", "t", 0);
    begin(usual());
    program.mailbox = "info\x01"
                      "auth=Bearer stolen";
    s = start("XOAUTH2");
    assert_int_equal(s.result, SASL_BADPARAM);
    assert_null(s.out);
    assert_string_equal(told(SASL_LOG_ERR),
                        "the user name holds control characters account=bob@contoso.com provider=delegated cause=usage");
}

static void a_provider_that_is_not_there_is_a_mistake_in_the_configuration(void **state)
{
    (void)state;
    begin("[*@contoso.com]\noauth2_provider: module:nonesuch\noauth2_token_store: none\n");
    assert_int_equal(start("XOAUTH2").result, SASL_CONFIGERR);
    assert_non_null(strstr(told(SASL_LOG_ERR), "cannot load provider module:nonesuch: "));
    assert_non_null(strstr(told(SASL_LOG_ERR), " account=bob@contoso.com provider=module:nonesuch cause=config"));
}

static void a_broken_configuration_registers_and_fails_with_file_and_line(void **state)
{
    static const struct {
        const char *text, *error;
    } table[] = {
        { "# comment\nmumble\n", ":2: neither 'option: value' nor a [section] nor a # comment" },
        { "oauth2_tenent: x\n", ":1: unknown option 'oauth2_tenent', nearest is 'oauth2_tenant'" },
        { "[*@contoso.com]\noauth2_tenent: x\n", ":2: unknown option 'oauth2_tenent', nearest is 'oauth2_tenant'" },
        { "[*@contoso.com]\n", ":1: [*@contoso.com] lacks oauth2_client_id, which provider delegated needs" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        begin(table[i].text);
        assert_int_equal(start("XOAUTH2").result, SASL_CONFIGERR);
        assert_text(told(SASL_LOG_ERR), "%s%s account=bob@contoso.com provider=none cause=config",
                    scratch_path("conf/sasl.conf"), table[i].error);
        finish();
        forget_lines();
    }
}

static void a_connection_that_failed_does_not_end_the_next(void **state)
{
    struct start s;

    (void)state;
    seed(usual(), "bob@contoso.com", "t", 0);
    begin(usual());
    program.user = "nobody@fabrikam.com";
    assert_int_equal(start("XOAUTH2").result, SASL_NOUSER);
    program.user = "bob@contoso.com";
    s = start("XOAUTH2");
    sends(&s, "user=bob@contoso.com\001auth=Bearer t\001\001");
}

/* ------------------------------------------------------------------ coming and going */

static void where_nothing_is_configured_nothing_is_registered_or_told(void **state)
{
    static const char *const texts[] = { "# nothing here\n", "", "oauth2_timeout: 5\n" };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        begin(texts[i]);
        assert_int_equal(start("XOAUTH2 OAUTHBEARER").result, SASL_NOMECH);
        for (unsigned k = 0; k < line_count; k++)
            assert_null(strstr(lines[k].text, "oauth"));
        finish();
        forget_lines();
    }
}

static void each_initialisation_reads_the_configuration_anew(void **state)
{
    (void)state;
    seed(usual(), "bob@contoso.com", "t", 0);
    for (int round = 0; round < 3; round++) {
        struct start s;

        begin(usual());
        s = start("XOAUTH2");
        sends(&s, "user=bob@contoso.com\001auth=Bearer t\001\001");
        finish();
        begin("# off\n");
        assert_int_equal(start("XOAUTH2").result, SASL_NOMECH);
        finish();
        begin("mumble\n");
        assert_int_equal(start("XOAUTH2").result, SASL_CONFIGERR);
        finish();
        forget_lines();
    }
}

static void initialisations_within_each_other_end_with_the_last(void **state)
{
    struct start s;

    (void)state;
    seed(usual(), "bob@contoso.com", "t", 0);
    begin(usual());
    initialise();
    s = start("XOAUTH2");
    sends(&s, "user=bob@contoso.com\001auth=Bearer t\001\001");
    finish();
    s = start("XOAUTH2");
    sends(&s, "user=bob@contoso.com\001auth=Bearer t\001\001");
    finish();
}

static void a_plugin_in_two_directories_is_one_plugin(void **state)
{
    struct start s;

    (void)state;
    seed(usual(), "bob@contoso.com", "t", 0);
    for (int round = 0; round < 2; round++) {
        begin(usual());
        (void)sasl_client_add_plugin("saslbearer-again", sasl_client_plug_init);
        s = start("XOAUTH2");
        sends(&s, "user=bob@contoso.com\001auth=Bearer t\001\001");
        finish();
    }
}

static void a_connection_that_was_never_started_ends_well(void **state)
{
    (void)state;
    begin(usual());
    connect_to(SERVER, answers);
    finish();
    begin(usual());
    finish();
}

static void nothing_stays_open_after_the_end(void **state)
{
    int before, after;

    (void)state;
    seed(usual(), "bob@contoso.com", "t", 0);
    before = dup(0);
    close(before);
    begin(usual());
    assert_int_equal(start("XOAUTH2").result, SASL_CONTINUE);
    finish();
    for (int fd = 3; fd < 64; fd++) {
        struct stat ours, theirs;

        if (fstat(fd, &theirs) == 0 && stat(scratch_path("store/delegated-bob@contoso.com.token"), &ours) == 0)
            assert_false(ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino);
    }
    after = dup(0);
    close(after);
    assert_int_equal(after, before);
}

static void a_libsasl2_too_old_is_told_so(void **state)
{
    sasl_client_plug_t *list;
    int version = 0, count = 0;

    (void)state;
    assert_int_equal(sasl_client_plug_init(NULL, SASL_CLIENT_PLUG_VERSION - 1, &version, &list, &count), SASL_BADVERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        plugin_test(libsasl2_prefers_us_as_the_table_says),
        plugin_test(a_login_sends_the_token_in_the_store),
        plugin_test(the_port_goes_along_where_the_program_tells_it),
        plugin_test(the_server_gets_the_name_as_typed),
        plugin_test(an_authorization_id_is_the_mailbox),
        plugin_test(an_identity_in_the_file_opens_the_mailbox_asked_for),
        plugin_test(a_programs_own_option_completes_the_account),
        plugin_test(a_token_stored_later_is_sent_next),
        plugin_test(a_program_that_wants_to_be_asked_is_asked_for_both_names),
        plugin_test(a_question_left_open_is_an_error_that_says_so),
        plugin_test(a_program_that_cannot_be_asked_gets_an_error_that_says_so),
        plugin_test(the_password_is_asked_for_only_where_it_is_the_token),
        plugin_test(a_password_that_cannot_be_asked_for_is_told_of),
        plugin_test(the_password_is_the_token_to_its_last_byte_and_no_further),
        plugin_test(a_password_ends_where_its_length_says),
        plugin_test(any_end_is_a_good_end_and_answered_in_each_mechanisms_way),
        plugin_test(by_pop3_and_smtp_the_first_step_may_be_all_but_need_not),
        plugin_test(a_token_too_long_for_the_first_line_waits_until_it_is_asked_for),
        plugin_test(an_error_challenge_is_answered_and_told),
        plugin_test(an_error_challenge_is_known_by_its_first_byte_that_is_not_blank),
        plugin_test(an_error_challenge_is_made_printable_and_cut),
        plugin_test(whoever_it_is_about_a_line_names_the_account_in_the_same_way),
        plugin_test(a_token_that_is_refused_after_a_minute_is_dropped_once),
        plugin_test(a_first_step_may_come_late_with_server_data),
        plugin_test(failures_end_in_the_code_and_the_words_of_the_table),
        plugin_test(a_server_that_is_not_allowed_gets_nothing),
        plugin_test(without_a_servers_name_the_token_stays_unless_a_star_says_so),
        plugin_test(a_mailbox_with_control_characters_is_refused),
        plugin_test(a_provider_that_is_not_there_is_a_mistake_in_the_configuration),
        plugin_test(a_broken_configuration_registers_and_fails_with_file_and_line),
        plugin_test(a_connection_that_failed_does_not_end_the_next),
        plugin_test(where_nothing_is_configured_nothing_is_registered_or_told),
        plugin_test(each_initialisation_reads_the_configuration_anew),
        plugin_test(initialisations_within_each_other_end_with_the_last),
        plugin_test(a_plugin_in_two_directories_is_one_plugin),
        plugin_test(a_connection_that_was_never_started_ends_well),
        plugin_test(nothing_stays_open_after_the_end),
        plugin_test(a_libsasl2_too_old_is_told_so),
    };

    return run_group("plugin", tests);
}
