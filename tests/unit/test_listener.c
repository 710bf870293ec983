/* test_listener.c - the end of a sign-in by browser: redirect URIs, answers, who is turned away, and the last page. */
#include "credential/clock.h"
#include "tests/unit/scratch.h"
#include "tool/listener.h"
#include "tool/page.h"
#include "tool/redirect.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STATE "Nf3-Qx_7"
#define LONG  10000 /* ms that nothing here takes */
#define SOON  4000  /* ms: sooner than a page is given up */

/* ------------------------------------------------------------------ redirect URIs and answers */

static void a_redirect_uri_is_ours_only_if_it_leads_to_this_machine(void **state)
{
    static const struct {
        const char *uri, *host;
        unsigned port;
        const char *path;
    } rows[] = {
        { "http://localhost", "localhost", 0, "" },
        { "http://localhost/", "localhost", 0, "/" },
        { "http://localhost:8400/signed/in", "localhost", 8400, "/signed/in" },
        { "http://127.0.0.1:1", "127.0.0.1", 1, "" },
        { "http://[::1]:65535/x", "[::1]", 65535, "/x" },
        { "https://localhost", NULL, 0, NULL },
        { "https://login.microsoftonline.com/common/oauth2/nativeclient", NULL, 0, NULL },
        { "http://localhost.example.com", NULL, 0, NULL },
        { "http://127.0.0.10", NULL, 0, NULL },
        { "http://localhost@example.com", NULL, 0, NULL },
        { "http://localhost:", NULL, 0, NULL },
        { "http://localhost:0", NULL, 0, NULL },
        { "http://localhost:65536", NULL, 0, NULL },
        { "http://localhost:99999999999", NULL, 0, NULL },
        { "http://localhost:80a/", NULL, 0, NULL },
        { "http://localhost/?a=b", NULL, 0, NULL },
        { "http://localhost/#a", NULL, 0, NULL },
        { "urn:ietf:wg:oauth:2.0:oob", NULL, 0, NULL },
    }, *row;
    struct redirect redirect;

    (void)state;
    for_each_row(row, rows)
    {
        if (redirect_parse(row->uri, &redirect) != (row->host != NULL))
            fail_msg("%s", row->uri);
        if (row->host == NULL)
            continue;
        assert_string_equal(redirect.host, row->host);
        assert_int_equal(redirect.port, row->port);
        assert_string_equal(redirect.path, row->path);
    }
}

static void an_answer_is_known_by_its_state(void **state)
{
    static const struct {
        const char *parameters;
        enum redirect_state found;
    } rows[] = {
        { "code=x&state=" STATE, REDIRECT_STATE_RIGHT },
        { "state=" STATE "&code=x", REDIRECT_STATE_RIGHT },
        { "code=x&state=Nf3%2DQx%5f7", REDIRECT_STATE_RIGHT },
        { "", REDIRECT_STATE_NONE },
        { "code=x", REDIRECT_STATE_NONE },
        { "xstate=" STATE, REDIRECT_STATE_NONE },
        { "session_state=" STATE, REDIRECT_STATE_NONE },
        { "STATE=" STATE, REDIRECT_STATE_NONE },
        { "state=", REDIRECT_STATE_OTHER },
        { "state=" STATE "x", REDIRECT_STATE_OTHER },
        { "state=Nf3-Qx_", REDIRECT_STATE_OTHER },
        { "state=nf3-qx_7", REDIRECT_STATE_OTHER },
        { "state=" STATE "%00", REDIRECT_STATE_OTHER },
        { "state=" STATE "&state=" STATE, REDIRECT_STATE_OTHER },
        { "state=x&state=" STATE, REDIRECT_STATE_OTHER },
        { "state=" STATE "&state=" STATE "&state=" STATE, REDIRECT_STATE_OTHER },
        { "state=Nf3-Qx_%3", REDIRECT_STATE_OTHER },
    }, *row;

    (void)state;
    for_each_row(row, rows) if (redirect_state(row->parameters, STATE) != row->found) fail_msg("%s", row->parameters);
}

static void a_name_of_elsewhere_is_not_ours(void **state)
{
    static const struct {
        const char *uri, *host;
        bool ours;
    } rows[] = {
        { "http://localhost:8400", "localhost:8400", true },
        { "http://localhost:8400", "LocalHost:8400", true },
        { "http://[::1]:8400", "[::1]:8400", true },
        { "http://localhost:80", "localhost", true },
        { "http://localhost:8400", "localhost", false },
        { "http://localhost:8400", "localhost:8401", false },
        { "http://localhost:8400", "localhost:8400.example.com", false },
        { "http://localhost:8400", "127.0.0.1:8400", false },
        { "http://localhost:8400", "evil.example.com:8400", false },
        { "http://localhost:8400", "", false },
        { "http://localhost:8400", NULL, false },
    }, *row;
    struct redirect redirect;

    (void)state;
    for_each_row(row, rows)
    {
        assert_true(redirect_parse(row->uri, &redirect));
        if (redirect_has_host(&redirect, row->host) != row->ours)
            fail_msg("%s", row->host);
    }
}

/* ------------------------------------------------------------------ a browser */

static struct listener *open_listener(const char *uri)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct listener *listener;

    if (listener_new(uri, STATE, &listener, &err) != BEARER_OK)
        fail_msg("%s", err.text);
    return listener;
}

static unsigned port_of(const struct listener *listener)
{
    struct redirect redirect;

    assert_true(redirect_parse(listener_uri(listener), &redirect));
    return redirect.port;
}

static int connect_to(int family, unsigned port)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
                               .sin6_port = htons((uint16_t)port),
                               .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    int fd = socket(family, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    if (connect(fd, family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
                family == AF_INET ? sizeof v4 : sizeof v6) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int ask(struct listener *listener, int family, const char *request)
{
    int fd = connect_to(family, port_of(listener));

    assert_true(fd >= 0);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    return fd;
}

/* "GET TARGET" with the right Host. */
static const char *get(const struct listener *listener, const char *target)
{
    return scratch_text("GET %s HTTP/1.1\r\nHost: localhost:%u\r\n\r\n", target, port_of(listener));
}

/* Reads all that comes until the connection ends; the listener goes on meanwhile. */
static const char *reply(struct listener *listener, int fd)
{
    static char text[16384];
    int64_t until = bearer_monotonic() + LONG;
    size_t length = 0;

    while (bearer_monotonic() < until) {
        struct pollfd polled = { fd, POLLIN, 0 };
        ssize_t n;

        if (listener != NULL)
            listener_run(listener, 0);
        if (poll(&polled, 1, 10) == 0)
            continue;
        n = recv(fd, text + length, sizeof text - 1 - length, 0);
        if (n <= 0) {
            text[length] = '\0';
            close(fd);
            return text;
        }
        length += (size_t)n;
    }
    fail_msg("no answer");
    return NULL;
}

static void run_until_answer(struct listener *listener)
{
    int64_t until = bearer_monotonic() + LONG;

    while (listener_answer(listener) == NULL && bearer_monotonic() < until) {
        listener_run(listener, 0);
        usleep(1000);
    }
    assert_non_null(listener_answer(listener));
}

static void assert_turned_away(struct listener *listener, const char *request, unsigned status)
{
    const char *text = reply(listener, ask(listener, AF_INET, request));

    if (strncmp(text, scratch_text("HTTP/1.1 %u ", status), 13) != 0)
        fail_msg("%s\nexpected %u, got\n%s", request, status, text);
    assert_null(strstr(text, STATE));
    assert_null(listener_answer(listener));
}

static bool has_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&v6, sizeof v6) == 0;

    if (fd >= 0)
        close(fd);
    return has;
}

/* ------------------------------------------------------------------ the listener */

static void only_the_right_request_is_the_answer(void **state)
{
    struct listener *listener = open_listener("http://localhost");
    unsigned port = port_of(listener);

    (void)state;
    assert_true(listener_is_open(listener));
    assert_turned_away(listener, get(listener, "/favicon.ico"), 404);
    assert_turned_away(listener, get(listener, "/signed/in?code=x&state=" STATE), 404);
    assert_turned_away(listener, get(listener, "/"), 400);
    assert_turned_away(listener, get(listener, "/?code=x&state=other"), 400);
    assert_turned_away(listener, get(listener, "/?code=x&state=" STATE "&state=" STATE), 400);
    assert_turned_away(listener,
                       scratch_text("POST /?code=x&state=" STATE " HTTP/1.1\r\nHost: localhost:%u\r\n"
                                    "Content-Length: 0\r\n\r\n",
                                    port),
                       405);
    assert_turned_away(listener, scratch_text("HEAD /?code=x&state=" STATE " HTTP/1.1\r\nHost: localhost:%u\r\n\r\n", port),
                       405);
    assert_turned_away(
        listener, scratch_text("GET /?code=x&state=" STATE " HTTP/1.1\r\nHost: evil.example.com:%u\r\n\r\n", port), 400);
    assert_turned_away(listener, "GET /?code=x&state=" STATE " HTTP/1.1\r\n\r\n", 400);
    assert_turned_away(
        listener,
        scratch_text("GET http://localhost:%u/?code=x&state=" STATE " HTTP/1.1\r\nHost: localhost:%u\r\n\r\n", port, port),
        404);
    ask(listener, AF_INET, get(listener, "/?code=a%2Bb+c&state=" STATE "&iss=https%3A%2F%2Fx"));
    run_until_answer(listener);
    assert_string_equal(listener_answer(listener), "code=a%2Bb+c&state=" STATE "&iss=https%3A%2F%2Fx");
    listener_finish(&listener, NULL);
    assert_null(listener);
    assert_int_equal(connect_to(AF_INET, port), -1);
}

static void the_one_who_brings_the_answer_waits_for_the_page(void **state)
{
    static const char *const headers[] = {
        "Content-Type: text/html; charset=utf-8\r\n",
        "Cache-Control: no-store\r\n",
        "Referrer-Policy: no-referrer\r\n",
        "X-Content-Type-Options: nosniff\r\n",
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'",
    };
    struct listener *listener = open_listener("http://localhost");
    int fd = ask(listener, AF_INET, get(listener, "/?code=x&state=" STATE));
    struct pollfd polled = { fd, POLLIN, 0 };
    const char *text;

    (void)state;
    run_until_answer(listener);
    listener_run(listener, 0);
    assert_int_equal(poll(&polled, 1, 50), 0);
    text = reply(listener, ask(listener, AF_INET, get(listener, "/?code=y&state=" STATE)));
    assert_int_equal(strncmp(text, "HTTP/1.1 409 ", 13), 0);
    assert_string_equal(listener_answer(listener), "code=x&state=" STATE);
    listener_finish(&listener, "<p>done</p>");
    text = reply(NULL, fd);
    assert_int_equal(strncmp(text, "HTTP/1.1 200 ", 13), 0);
    assert_non_null(strstr(text, "\r\n\r\n<p>done</p>"));
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        if (strstr(text, headers[i]) == NULL)
            fail_msg("no %s in\n%s", headers[i], text);
}

static void a_browser_that_has_gone_is_not_waited_for(void **state)
{
    struct listener *listener = open_listener("http://localhost");
    int fd = ask(listener, AF_INET, get(listener, "/?code=x&state=" STATE));
    int64_t began;

    (void)state;
    run_until_answer(listener);
    close(fd);
    began = bearer_monotonic();
    listener_finish(&listener, "<p>done</p>");
    assert_true(bearer_monotonic() - began < SOON);
}

static void both_loopback_addresses_have_the_same_port(void **state)
{
    struct listener *listener;
    const char *text;
    int fd;

    (void)state;
    if (!has_ipv6())
        skip();
    listener = open_listener("http://localhost/end");
    assert_turned_away(listener, get(listener, "/"), 404);
    fd = ask(listener, AF_INET6, get(listener, "/end?code=x&state=" STATE));
    run_until_answer(listener);
    listener_finish(&listener, "<p>done</p>");
    text = reply(NULL, fd);
    assert_non_null(strstr(text, "<p>done</p>"));
}

static void a_port_that_is_named_is_used_or_the_reason_told(void **state)
{
    struct listener *first = open_listener("http://localhost"), *second;
    struct bearer_error err = BEARER_ERROR_INIT;
    unsigned port = port_of(first);
    const char *uri = scratch_text("http://127.0.0.1:%u/x", port);

    (void)state;
    assert_int_equal(listener_new(uri, STATE, &second, &err), BEARER_LOCAL);
    assert_null(second);
    assert_text(err.text, "cannot listen on this machine for the end of the sign-in, on port %u: Address already in use",
                port);
    reply(first, ask(first, AF_INET, get(first, "/"))); /* which lingers */
    listener_finish(&first, NULL);
    second = open_listener(uri);
    assert_string_equal(listener_uri(second), uri);
    listener_finish(&second, NULL);
}

static void long_answers_come_through_and_longer_ones_do_no_harm(void **state)
{
    struct listener *listener = open_listener("http://localhost");
    char *code = malloc(100001);

    (void)state;
    memset(code, 'x', 100000);
    code[100000] = '\0';
    reply(listener, ask(listener, AF_INET, get(listener, scratch_text("/?state=" STATE "&code=%s", code))));
    assert_null(listener_answer(listener));
    code[16000] = '\0';
    ask(listener, AF_INET, get(listener, scratch_text("/?state=" STATE "&code=%s", code)));
    run_until_answer(listener);
    assert_text(listener_answer(listener), "state=" STATE "&code=%s", code);
    listener_finish(&listener, NULL);
    free(code);
}

static void silent_connections_keep_nobody_out(void **state)
{
    struct listener *listener = open_listener("http://localhost");
    int fds[10];

    (void)state;
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        fds[i] = ask(listener, AF_INET, "GET /");
    ask(listener, AF_INET, get(listener, "/?code=x&state=" STATE));
    run_until_answer(listener);
    listener_finish(&listener, NULL);
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        close(fds[i]);
}

/* ------------------------------------------------------------------ pasting */

static void a_pasted_address_may_be_whole_or_only_its_parameters(void **state)
{
    static const char uri[] = "https://login.microsoftonline.com/common/oauth2/nativeclient";
    static const char *const pasted[] = {
        "https://login.microsoftonline.com/common/oauth2/nativeclient?code=x%2F&state=" STATE,
        "http://localhost:1234/?code=x%2F&state=" STATE "#",
        "code=x%2F&state=" STATE,
        "?code=x%2F&state=" STATE,
    };

    (void)state;
    for (size_t i = 0; i < sizeof pasted / sizeof pasted[0]; i++) {
        struct listener *listener = open_listener(uri);
        int descriptors[LISTENER_DESCRIPTORS];

        assert_false(listener_is_open(listener));
        assert_string_equal(listener_uri(listener), uri);
        assert_int_equal(listener_descriptors(listener, descriptors), 0);
        assert_int_equal(listener_run(listener, 500), 500);
        assert_int_equal(listener_take(listener, "hello"), LISTENER_NO_ANSWER);
        assert_int_equal(listener_take(listener, uri), LISTENER_NO_ANSWER);
        assert_int_equal(listener_take(listener, "http://localhost/?code=x&state=other"), LISTENER_OTHER_ANSWER);
        assert_null(listener_answer(listener));
        assert_int_equal(listener_take(listener, pasted[i]), LISTENER_TAKEN);
        assert_string_equal(listener_answer(listener), "code=x%2F&state=" STATE);
        listener_finish(&listener, "<p>done</p>");
    }
}

/* ------------------------------------------------------------------ pages */

static void pages_show_names_and_reasons_as_text(void **state)
{
    char *page = page_signed_in("<b>o'brien&co@\"example\".org"), *other = page_failed("<script>alert(1)</script>");

    (void)state;
    assert_non_null(strstr(page, "You are signed in as &lt;b&gt;o&#39;brien&amp;co@&quot;example&quot;.org</h1>"));
    assert_non_null(strstr(page, "You may close this tab and go back to the terminal."));
    assert_null(strstr(page, "<b>"));
    assert_non_null(strstr(other, "Reason: &lt;script&gt;alert(1)&lt;/script&gt;.</p>"));
    assert_null(strstr(other, "<script"));
    free(page);
    free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_redirect_uri_is_ours_only_if_it_leads_to_this_machine),
        cmocka_unit_test(an_answer_is_known_by_its_state),
        cmocka_unit_test(a_name_of_elsewhere_is_not_ours),
        scratch_test(only_the_right_request_is_the_answer),
        scratch_test(the_one_who_brings_the_answer_waits_for_the_page),
        scratch_test(a_browser_that_has_gone_is_not_waited_for),
        scratch_test(both_loopback_addresses_have_the_same_port),
        scratch_test(a_port_that_is_named_is_used_or_the_reason_told),
        scratch_test(long_answers_come_through_and_longer_ones_do_no_harm),
        scratch_test(silent_connections_keep_nobody_out),
        scratch_test(a_pasted_address_may_be_whole_or_only_its_parameters),
        scratch_test(pages_show_names_and_reasons_as_text),
    };

    return run_group("listener", tests);
}
