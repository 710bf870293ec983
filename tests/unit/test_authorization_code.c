/* test_authorization_code.c - signing in by browser: what is sent there, what may come back, and how a code is redeemed; and
 * by device code, where a policy forbids that. */
#include "provider/authorization_code.h"
#include "tests/unit/scratch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENT   "11111111-2222-4333-8444-555555555555"
#define LOGIN    "https://login.example/TENANT/oauth2/v2.0/authorize"
#define REDIRECT "http://localhost:4711"
#define CODE     "0.AXYA~b-c_d"
#define TOKENS   "{\"access_token\":\"the-token\",\"expires_in\":3599,\"refresh_token\":\"the-refresh-token\"}"

/* ------------------------------------------------------------------ a token endpoint */

/* Gives a canned answer to each request, and keeps what was asked. */
static struct server {
    int fd;
    char url[64];
    pthread_t thread;
    const char *status;     /* "200 OK" */
    const char *answers[2]; /* the last one again and again */
    unsigned requests;
    char form[4096]; /* of the last request */
} server;

/* Reads one request into server.form, which its head does not fit into. */
static void take_request(int fd)
{
    char text[8192] = "", *body = NULL;
    size_t length = 0, wanted = 0;
    ssize_t n;

    while ((body == NULL || strlen(body) < wanted) && (n = read(fd, text + length, sizeof text - 1 - length)) > 0) {
        length += (size_t)n;
        text[length] = '\0';
        if (body == NULL && (body = strstr(text, "\r\n\r\n")) != NULL) {
            body += 4;
            wanted = strtoul(strstr(text, "Content-Length:") + strlen("Content-Length:"), NULL, 10);
        }
    }
    snprintf(server.form, sizeof server.form, "%s", body != NULL ? body : "");
}

static void *serve(void *unused)
{
    int fd;

    while ((fd = accept(server.fd, NULL, NULL)) >= 0) {
        const char *answer = server.answers[server.requests == 0 ? 0 : 1];

        take_request(fd);
        server.requests++;
        dprintf(fd, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                server.status, strlen(answer), answer);
        close(fd);
    }
    return unused;
}

static void server_start(const char *status, const char *first, const char *then)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;

    server = (struct server){ .status = status, .answers = { first, then } };
    server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server.fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server.fd, 8), 0);
    assert_int_equal(getsockname(server.fd, (struct sockaddr *)&address, &length), 0);
    snprintf(server.url, sizeof server.url, "http://127.0.0.1:%d/token", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static void server_stop(void)
{
    shutdown(server.fd, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.fd);
}

/* ------------------------------------------------------------------ a person with a browser */

/* What the person does, and what they were given to do it. */
static struct person {
    const char *answer; /* the browser's parameters; STATE stands for the right one; NULL = the person gives up */
    bool deaf;          /* no port is free to listen on */
    char state[64];
    char url[2048];
    char code[64]; /* shown, for a sign-in by device code */
    int waits;
} person;

static int hear(void *context, const char *state, char *redirect_uri, size_t size)
{
    assert_ptr_equal(context, &person);
    snprintf(person.state, sizeof person.state, "%s", state);
    snprintf(redirect_uri, size, REDIRECT);
    return person.deaf ? -1 : 0;
}

static int browse(void *context, const char *url, char **parameters_out)
{
    const char *state = person.answer != NULL ? strstr(person.answer, "STATE") : NULL;
    int before = state != NULL ? (int)(state - person.answer) : 0;

    assert_ptr_equal(context, &person);
    snprintf(person.url, sizeof person.url, "%s", url);
    if (person.answer == NULL)
        return -1;
    if (state == NULL)
        *parameters_out = strdup(person.answer);
    else
        assert_true(asprintf(parameters_out, "%.*s%s%s", before, person.answer, person.state, state + strlen("STATE")) > 0);
    return 0;
}

static int show(void *context, const char *uri, const char *code, const char *message, int64_t expires_in)
{
    (void)context, (void)uri, (void)message, (void)expires_in;
    snprintf(person.code, sizeof person.code, "%s", code);
    return 0;
}

static int wait_once(void *context, int64_t milliseconds)
{
    (void)context, (void)milliseconds;
    return person.waits++;
}

static const struct bearer_ceremony by_browser = { &person, show, wait_once, hear, browse };
static const struct bearer_ceremony by_device = { &person, show, wait_once, NULL, NULL };

/* ------------------------------------------------------------------ a sign-in */

/* What came of it. */
static struct outcome {
    enum bearer_status status;
    unsigned grants, failures;
    char access_token[64], refresh_token[64];
    char cause[32], text[800];
} outcome;

static void take_grant(void *context, const struct bearer_grant *grant)
{
    (void)context;
    outcome.grants++;
    snprintf(outcome.access_token, sizeof outcome.access_token, "%s", grant->access_token);
    snprintf(outcome.refresh_token, sizeof outcome.refresh_token, "%s", grant->refresh_token);
}

/* What is noted of requests shows no secret; its words are not looked at. */
static void take_log(void *context, enum bearer_log_level level, const char *text)
{
    (void)context;
    (void)level;
    for (const char *at = strstr(text, " code"); at != NULL; at = strstr(at + 1, " code"))
        assert_int_equal(strncmp(strchr(at, '='), "=***", 4), 0);
}

static void take_failure(void *context, const struct bearer_failure *failure)
{
    (void)context;
    outcome.failures++;
    snprintf(outcome.cause, sizeof outcome.cause, "%s", failure->cause != NULL ? failure->cause : "");
    snprintf(outcome.text, sizeof outcome.text, "%s", failure->text);
}

/* The account; a test changes what it is about. */
static struct account {
    const char *identity, *authorization_endpoint, *secret, *certificate;
} account;

static int account_begin(void **state)
{
    (void)state;
    account = (struct account){ "alice@contoso.com", LOGIN, NULL, NULL };
    return scratch_begin(state);
}

/* Signs in against server. */
static void sign_in(const struct bearer_ceremony *ceremony, const char *answer)
{
    const struct bearer_option options[] = {
        { "oauth2_provider", "delegated", NULL, 0 },
        { "oauth2_client_id", CLIENT, NULL, 0 },
        { "oauth2_client_secret", account.secret, NULL, 0 },
        { "oauth2_client_certificate", account.certificate, "rubbish", 7 },
        { "oauth2_scope", "https://outlook.example/SMTP.Send offline_access", NULL, 0 },
        { "oauth2_token_endpoint", server.url, NULL, 0 },
        { "oauth2_device_endpoint", server.url, NULL, 0 },
        { "oauth2_authorization_endpoint", account.authorization_endpoint, NULL, 0 },
        { NULL, NULL, NULL, 0 },
    };
    const struct bearer_request request = {
        .abi = BEARER_PROVIDER_ABI,
        .identity = account.identity,
        .options = options,
        .deadline = ceremony == &by_browser ? 0 : INT64_MAX, /* 0: long past, as after a person who took long */
        .identify = 1,
        .grant = take_grant,
        .fail = take_failure,
        .log = take_log,
    };

    outcome = (struct outcome){ .status = BEARER_OK };
    person = (struct person){ .answer = answer, .deaf = person.deaf };
    outcome.status = bearer_provider.sign_in(&request, ceremony);
    assert_int_equal(outcome.grants, outcome.status == BEARER_OK);
    assert_int_equal(outcome.failures, outcome.status != BEARER_OK);
    assert_null(strstr(outcome.text, person.state[0] != '\0' ? person.state : "?"));
}

/* Signs in by browser with one answer of the token endpoint. */
static void browse_and_redeem(const char *answer, const char *status, const char *reply)
{
    server_start(status, reply, reply);
    sign_in(&by_browser, answer);
    server_stop();
}

/* Lends the value of a parameter, as it stands in a URL or a form, until the test ends. */
static const char *parameter(const char *text, const char *name)
{
    const char *value = strstr(text, scratch_text("%s=", name));

    assert_non_null(value);
    value += strlen(name) + 1;
    return scratch_text("%.*s", (int)strcspn(value, "&"), value);
}

/* ------------------------------------------------------------------ tests */

static void a_challenge_is_that_of_the_rfc(void **state)
{
    char *challenge = authorization_code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"); /* RFC 7636 appendix B */

    (void)state;
    assert_string_equal(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    free(challenge);
}

static void a_person_is_sent_to_sign_in(void **state)
{
    char *challenge;

    (void)state;
    browse_and_redeem("code=" CODE "&state=STATE", "200 OK", TOKENS);
    assert_int_equal(outcome.status, BEARER_OK);
    challenge = authorization_code_challenge(parameter(server.form, "code_verifier"));
    assert_text(person.url,
                LOGIN "?client_id=" CLIENT "&response_type=code&redirect_uri=http%%3A%%2F%%2Flocalhost%%3A4711"
                      "&scope=https%%3A%%2F%%2Foutlook.example%%2FSMTP.Send%%20offline_access%%20openid%%20profile"
                      "&state=%s&code_challenge=%s&code_challenge_method=S256&login_hint=alice%%40contoso.com",
                person.state, challenge);
    free(challenge);
}

static void an_endpoint_keeps_the_query_it_has(void **state)
{
    (void)state;
    account.authorization_endpoint = "https://login.example/auth?access_type=offline&prompt=consent";
    account.identity = "everybody"; /* nobody's address */
    browse_and_redeem("code=" CODE "&state=STATE", "200 OK", TOKENS);
    assert_int_equal(outcome.status, BEARER_OK);
    assert_ptr_equal(strstr(person.url, scratch_text("%s&client_id=" CLIENT "&", account.authorization_endpoint)),
                     person.url);
    assert_null(strstr(person.url, "login_hint"));
}

static void a_code_is_redeemed(void **state)
{
    static const struct {
        const char *secret, *fields;
    } rows[] = { { NULL, "" }, { "s3cr&t", "&client_secret=s3cr%26t" } };
    const typeof(rows[0]) *row;

    (void)state;
    for_each_row(row, rows)
    {
        account.secret = row->secret;
        browse_and_redeem("session_state=x&code=0.AX%2Bb%2fc~d&state=STATE&=&&lone", "200 OK", TOKENS);
        assert_int_equal(outcome.status, BEARER_OK);
        assert_string_equal(outcome.access_token, "the-token");
        assert_string_equal(outcome.refresh_token, "the-refresh-token");
        assert_int_equal(server.requests, 1);
        assert_text(server.form,
                    "grant_type=authorization_code&client_id=" CLIENT "%s&code=0.AX%%2Bb%%2Fc~d"
                    "&redirect_uri=http%%3A%%2F%%2Flocalhost%%3A4711&code_verifier=%s"
                    "&scope=https%%3A%%2F%%2Foutlook.example%%2FSMTP.Send%%20offline_access%%20openid%%20profile",
                    row->fields, parameter(server.form, "code_verifier"));
    }
}

static void every_sign_in_has_secrets_of_its_own(void **state)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *seen[4];

    (void)state;
    for (int i = 0; i < 4; i += 2) {
        browse_and_redeem("code=" CODE "&state=STATE", "200 OK", TOKENS);
        seen[i] = scratch_text("%s", person.state);
        seen[i + 1] = parameter(server.form, "code_verifier");
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(strlen(seen[i]), 43);
        assert_int_equal(strspn(seen[i], unreserved), 43);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(seen[i], seen[j]);
    }
}

#define OTHER    "the answer in the browser belongs to another sign-in: start again"
#define DAMAGED  "the answer in the browser is damaged: start again"
#define NO_CODE  "the answer in the browser holds no code: start again"
#define TWICE(x) "the answer in the browser says '" x "' twice: start again"
#define DECLINED "the sign-in was declined"

static void an_answer_that_is_none_is_refused(void **state)
{
    static const struct {
        const char *answer;
        enum bearer_status status;
        const char *cause, *text;
    } rows[] = {
        { "code=" CODE, BEARER_PEER, "", OTHER },
        { "", BEARER_PEER, "", OTHER },
        { "code=" CODE "&state=", BEARER_PEER, "", OTHER },
        { "code=" CODE "&state=STATE%20", BEARER_PEER, "", OTHER },
        { "code=" CODE "&state=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", BEARER_PEER, "", OTHER },
        { "error=access_denied&state=x", BEARER_PEER, "", OTHER },
        { "code=a&state=STATE&code=b", BEARER_PEER, "", TWICE("code") },
        { "code=&state=STATE&code=b", BEARER_PEER, "", TWICE("code") },
        { "code=a&state=STATE&c%6fde=b", BEARER_PEER, "", TWICE("code") },
        { "code=a&state=x&state=STATE", BEARER_PEER, "", TWICE("state") },
        { "code=a&state=STATE&x%0a=1&x%0a=2", BEARER_PEER, "", TWICE("x?") },
        { "code=a%00b&state=STATE", BEARER_PEER, "", DAMAGED },
        { "code=a%&state=STATE", BEARER_PEER, "", DAMAGED },
        { "code=a%2&state=STATE", BEARER_PEER, "", DAMAGED },
        { "code=a%g1&state=STATE", BEARER_PEER, "", DAMAGED },
        { "state=STATE", BEARER_PEER, "", NO_CODE },
        { "code=&state=STATE", BEARER_PEER, "", NO_CODE },
        /* the person */
        { "error=access_denied&error_subcode=cancel&error_description=AADSTS65004%3a+User+declined.&state=STATE",
          BEARER_SIGN_IN, "", DECLINED },
        { "error=server_error&error_subcode=cancel&state=STATE", BEARER_SIGN_IN, "", DECLINED },
        { "error=consent_required&error_description=AADSTS65004: no&state=STATE", BEARER_SIGN_IN, "", DECLINED },
        { "error=access_denied&state=STATE", BEARER_SIGN_IN, "", DECLINED },
        /* the identity provider */
        { "error=access_denied&error_description=AADSTS50105%3a+Not+assigned.%0d%0aTrace+ID%3a+x&state=STATE&code=a",
          BEARER_REFUSED, "AADSTS50105",
          "the identity provider says access_denied: AADSTS50105: Not assigned; assign the user to the application: "
          "Enterprise applications, Users and groups" },
        { "error=interaction_required&error_description=AADSTS65001%3A%20No%20consent%E2%80%A6&state=STATE", BEARER_SIGN_IN,
          "AADSTS65001",
          "the identity provider says interaction_required: AADSTS65001: No consent???; sign in anew and consent, or have "
          "an "
          "administrator grant consent to the application" },
        { "error=temporarily_unavailable&error_description=%ff&state=STATE", BEARER_LATER, "temporarily_unavailable",
          "the identity provider says temporarily_unavailable: ?; try again later" },
        { "error=a%0ab&state=STATE", BEARER_LATER, "",
          "the identity provider says something that is no error's name; try again later" },
    };
    const typeof(rows[0]) *row;

    (void)state;
    for_each_row(row, rows)
    {
        browse_and_redeem(row->answer, "200 OK", TOKENS);
        if (outcome.status != row->status || strcmp(outcome.text, row->text) != 0 || strcmp(outcome.cause, row->cause) != 0)
            fail_msg("'%s': %d %s '%s'", row->answer, outcome.status, outcome.cause, outcome.text);
        assert_int_equal(server.requests, 0);
    }
}

static void an_issuer_must_live_where_the_person_was_sent(void **state)
{
    static const struct {
        const char *endpoint, *issuer;
        bool good;
    } rows[] = {
        { LOGIN, "", true },
        { LOGIN, "https%3A%2F%2Flogin.example%2FTENANT%2Fv2.0", true },
        { LOGIN, "https://login.example", true },
        { LOGIN, "HTTPS://Login.Example/", true },
        { LOGIN, "https://login.example:443/", true },
        { "https://login.example:443/authorize", "https://login.example/", true },
        { "https://login.example:8443?x=1", "https://login.example:8443", true },
        { LOGIN, "https://login.example.evil/", false },
        { LOGIN, "https://login.exampl", false },
        { LOGIN, "https://login.example@evil/", false },
        { LOGIN, "https://evil/login.example", false },
        { LOGIN, "https://login.example:8443/", false },
        { LOGIN, "https://login.example/?x", false },
        { LOGIN, "https://login.example/%23x", false },
        { LOGIN, "http://login.example/", false },
        { LOGIN, "login.example", false },
        { LOGIN, "https://", false },
        { "http://localhost/authorize", "http://localhost/", false },
    };
    const typeof(rows[0]) *row;

    (void)state;
    for_each_row(row, rows)
    {
        account.authorization_endpoint = row->endpoint;
        browse_and_redeem(scratch_text("code=" CODE "&iss=%s&state=STATE", row->issuer), "200 OK", TOKENS);
        if ((outcome.status == BEARER_OK) != row->good || (!row->good && server.requests > 0))
            fail_msg("'%s' at '%s': %s", row->issuer, row->endpoint, outcome.text);
    }
    account.authorization_endpoint = LOGIN;
    browse_and_redeem("error=access_denied&iss=https://evil.example/%1b&state=STATE", "200 OK", TOKENS);
    assert_int_equal(outcome.status, BEARER_PEER);
    assert_string_equal(outcome.text, "the answer in the browser comes from 'https://evil.example/?', not from "
                                      "oauth2_authorization_endpoint: start again");
}

static void a_code_that_is_refused_is_explained(void **state)
{
    (void)state;
    browse_and_redeem("code=" CODE "&state=STATE", "400 Bad Request",
                      "{\"error\":\"invalid_grant\",\"error_description\":\"AADSTS54005: Used already. Trace ID: x\","
                      "\"error_codes\":[54005]}");
    assert_int_equal(outcome.status, BEARER_SIGN_IN);
    assert_string_equal(outcome.cause, "AADSTS54005");
    assert_string_equal(outcome.text,
                        "the identity provider says invalid_grant: AADSTS54005: Used already; start the sign-in anew");
    browse_and_redeem("code=" CODE "&state=STATE", "400 Bad Request",
                      "{\"error\":\"invalid_grant\",\"error_description\":\"what is " CODE " for?\"}");
    assert_string_equal(outcome.text, "the identity provider says invalid_grant; sign in again");
}

static void a_sign_in_can_be_broken_off(void **state)
{
    (void)state;
    browse_and_redeem(NULL, "200 OK", TOKENS);
    assert_int_equal(outcome.status, BEARER_SIGN_IN);
    assert_string_equal(outcome.text, "the sign-in was broken off");
    person.deaf = true;
    browse_and_redeem("code=" CODE "&state=STATE", "200 OK", TOKENS);
    person.deaf = false;
    assert_int_equal(outcome.status, BEARER_SIGN_IN);
    assert_string_equal(outcome.text, "the sign-in was broken off");
    assert_string_equal(person.url, "");
    assert_int_equal(server.requests, 0);
}

static void without_an_endpoint_there_is_another_way(void **state)
{
    (void)state;
    account.authorization_endpoint = NULL;
    browse_and_redeem("code=" CODE "&state=STATE", "200 OK", TOKENS);
    assert_int_equal(outcome.status, BEARER_CONFIG);
    assert_string_equal(outcome.text, "this service has no oauth2_authorization_endpoint: set it, or sign in with --device");
    assert_string_equal(person.state, "");
}

static void a_credential_that_is_none_is_told_first(void **state)
{
    (void)state;
    account.certificate = "/etc/relay.pem";
    browse_and_redeem("code=" CODE "&state=STATE", "200 OK", TOKENS);
    assert_int_equal(outcome.status, BEARER_CONFIG);
    assert_string_equal(person.state, "");
}

static void a_policy_against_device_codes_leads_to_the_browser(void **state)
{
    static const struct {
        const char *number, *remedy;
    } rows[] = {
        { "53003", "leave out --device and sign in by browser: a policy forbids device codes, or this sign-in as a whole" },
        { "530036", "leave out --device and sign in by browser: a policy forbids device codes, or this sign-in as a whole" },
        { "50057", "enable the account; for a shared mailbox set oauth2_identity to somebody who may open it, and sign in" },
    };
    const typeof(rows[0]) *row;

    (void)state;
    for_each_row(row, rows)
    {
        server_start(
            "200 OK",
            "{\"device_code\":\"DAQAB.x\",\"user_code\":\"WDJB-MJHT\",\"verification_uri\":\"https://login.example/d\"}",
            scratch_text("{\"error\":\"invalid_grant\",\"error_codes\":[%s]}", row->number));
        sign_in(&by_device, NULL);
        server_stop();
        assert_string_equal(person.code, "WDJB-MJHT");
        assert_int_equal(outcome.status, BEARER_SIGN_IN);
        assert_text(outcome.text, "the identity provider says invalid_grant; %s", row->remedy);
    }
}

#define account_test(test) cmocka_unit_test_setup_teardown(test, account_begin, scratch_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        account_test(a_challenge_is_that_of_the_rfc),
        account_test(a_person_is_sent_to_sign_in),
        account_test(an_endpoint_keeps_the_query_it_has),
        account_test(a_code_is_redeemed),
        account_test(every_sign_in_has_secrets_of_its_own),
        account_test(an_answer_that_is_none_is_refused),
        account_test(an_issuer_must_live_where_the_person_was_sent),
        account_test(a_code_that_is_refused_is_explained),
        account_test(a_sign_in_can_be_broken_off),
        account_test(without_an_endpoint_there_is_another_way),
        account_test(a_credential_that_is_none_is_told_first),
        account_test(a_policy_against_device_codes_leads_to_the_browser),
    };

    return run_group("authorization_code", tests);
}
