/* test_message.c - one table of messages serves both mechanisms. */
#include "plugin/message.h"
#include "tests/unit/scratch.h"

#include <sasl/saslutil.h>
#include <stdint.h>
#include <string.h>

#define A            "\001"
#define SAMPLE_TOKEN "EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA"

#define TOKEN(text)  (&(struct bearer_secret){ .bytes = (char *)(uintptr_t)(text), .length = sizeof(text) - 1 })

/* What comes of one message; NULL = it is refused with that text. */
struct message_case {
    const char *name;
    struct bearer_message message;
    const char *xoauth2;
    const char *oauthbearer;
    const char *refusal;
};

static const struct message_case cases[] = {
    { "Microsoft's documented sample",
      { "test@contoso.onmicrosoft.com", NULL, NULL, TOKEN(SAMPLE_TOKEN) },
      "user=test@contoso.onmicrosoft.com" A "auth=Bearer " SAMPLE_TOKEN A A,
      "n,a=test@contoso.onmicrosoft.com," A "auth=Bearer " SAMPLE_TOKEN A A,
      NULL },
    { "RFC 7628 section 4.1: host and port go into OAUTHBEARER only",
      { "user@example.com", "server.example.com", "143", TOKEN("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==") },
      "user=user@example.com" A "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==" A A,
      "n,a=user@example.com," A "host=server.example.com" A "port=143" A
      "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==" A A,
      NULL },
    { "a host without a port",
      { "u@x", "h", NULL, TOKEN("t") },
      "user=u@x" A "auth=Bearer t" A A,
      "n,a=u@x," A "host=h" A "auth=Bearer t" A A,
      NULL },
    { "a port without a host",
      { "u@x", NULL, "587", TOKEN("t") },
      "user=u@x" A "auth=Bearer t" A A,
      "n,a=u@x," A "port=587" A "auth=Bearer t" A A,
      NULL },
    { "an empty host and port are as none",
      { "u@x", "", "", TOKEN("t") },
      "user=u@x" A "auth=Bearer t" A A,
      "n,a=u@x," A "auth=Bearer t" A A,
      NULL },
    { "a comma and an equals sign are escaped in the GS2 header only (RFC 5801 section 4)",
      { "a,b=c@x", NULL, NULL, TOKEN("t=") },
      "user=a,b=c@x" A "auth=Bearer t=" A A,
      "n,a=a=2Cb=3Dc@x," A "auth=Bearer t=" A A,
      NULL },
    { "what looks escaped already is escaped again",
      { "=2C,=3D", NULL, NULL, TOKEN("t") },
      "user==2C,=3D" A "auth=Bearer t" A A,
      "n,a==3D2C=2C=3D3D," A "auth=Bearer t" A A,
      NULL },
    { "the name goes as typed: case, blanks, UTF-8",
      { "J\xc3\xb6rg Test@X", NULL, NULL, TOKEN("t") },
      "user=J\xc3\xb6rg Test@X" A "auth=Bearer t" A A,
      "n,a=J\xc3\xb6rg Test@X," A "auth=Bearer t" A A,
      NULL },
    { "no mailbox", { NULL, NULL, NULL, TOKEN("t") }, NULL, NULL, "there is no user name" },
    { "an empty mailbox", { "", NULL, NULL, TOKEN("t") }, NULL, NULL, "there is no user name" },
    { "no token", { "u@x", NULL, NULL, &(struct bearer_secret)BEARER_SECRET_INIT }, NULL, NULL, "there is no access token" },
    { "an empty token", { "u@x", NULL, NULL, TOKEN("") }, NULL, NULL, "there is no access token" },
    { "a mailbox that would add a field",
      { "u@x" A "auth=Bearer stolen", NULL, NULL, TOKEN("t") },
      NULL,
      NULL,
      "the user name holds control characters" },
    { "a mailbox with a line end",
      { "u@x\r\nA1 LOGOUT", NULL, NULL, TOKEN("t") },
      NULL,
      NULL,
      "the user name holds control characters" },
    { "a mailbox with DEL", { "u@x\x7f", NULL, NULL, TOKEN("t") }, NULL, NULL, "the user name holds control characters" },
    { "a host that would add a field",
      { "u@x", "h" A "auth=", NULL, TOKEN("t") },
      NULL,
      NULL,
      "the server name holds control characters" },
    { "a port that would add a field",
      { "u@x", "h", "1" A, TOKEN("t") },
      NULL,
      NULL,
      "the server's port holds control characters" },
    { "a token with a line end", { "u@x", NULL, NULL, TOKEN("t\n") }, NULL, NULL, "the access token holds control characters" },
};

typedef enum bearer_status build_function(const struct bearer_message *message, struct bearer_secret *out,
                                          struct bearer_error *err);

static void check_case(const struct message_case *c, const char *mechanism, build_function *build, const char *expected)
{
    struct bearer_secret out = BEARER_SECRET_INIT;
    struct bearer_error err = BEARER_ERROR_INIT;
    enum bearer_status st = build(&c->message, &out, &err);

    print_message("   %s: %s\n", mechanism, c->name);
    if (expected == NULL) {
        assert_int_equal(st, BEARER_USAGE);
        assert_string_equal(err.text, c->refusal);
        assert_int_equal(build(&c->message, &out, NULL), BEARER_USAGE);
    } else {
        assert_int_equal(st, BEARER_OK);
        assert_int_equal(err.status, BEARER_OK);
        assert_int_equal(out.length, strlen(expected));
        assert_memory_equal(out.bytes, expected, strlen(expected));
    }
    bearer_secret_clear(&out);
}

static void every_message_reads_as_the_table_says(void **state)
{
    const struct message_case *c;

    (void)state;
    for_each_row(c, cases)
    {
        check_case(c, "XOAUTH2", bearer_message_xoauth2, c->xoauth2);
        check_case(c, "OAUTHBEARER", bearer_message_oauthbearer, c->oauthbearer);
    }
}

static void microsofts_sample_in_base64_is_theirs_byte_for_byte(void **state)
{
    static const char expected[] = "dXNlcj10ZXN0QGNvbnRvc28ub25taWNyb3NvZnQuY29tAWF1dGg9QmVhcmVyIEV3QkFBbDNCQUFVRkZwVUFvN0oz"
                                   "VmUwYmpMQldaV0NjbFJDM0VvQUEBAQ==";
    const struct bearer_message sample = { "test@contoso.onmicrosoft.com", "outlook.office365.com", "993", TOKEN(SAMPLE_TOKEN) };
    struct bearer_secret out = BEARER_SECRET_INIT;
    char text[256];
    unsigned length;

    (void)state;
    assert_int_equal(bearer_message_xoauth2(&sample, &out, NULL), BEARER_OK);
    assert_int_equal(sasl_encode64(out.bytes, (unsigned)out.length, text, sizeof text, &length), 0);
    assert_string_equal(text, expected);
    bearer_secret_clear(&out);
}

static void every_control_character_is_refused_everywhere(void **state)
{
    struct bearer_secret out = BEARER_SECRET_INIT;

    (void)state;
    for (int c = 1; c < 0x80; c++) {
        char bad[] = { 'a', (char)c, 'b', '\0' };
        enum bearer_status expected = c < 0x20 || c == 0x7f ? BEARER_USAGE : BEARER_OK;
        const struct bearer_message in_mailbox = { bad, NULL, NULL, TOKEN("t") }, in_host = { "u", bad, NULL, TOKEN("t") },
                                    in_port = { "u", NULL, bad, TOKEN("t") }, in_token = { "u", NULL, NULL, TOKEN(bad) };
        const struct bearer_message *all[] = { &in_mailbox, &in_host, &in_port, &in_token };

        for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
            assert_int_equal(bearer_message_xoauth2(all[i], &out, NULL), expected);
            assert_int_equal(bearer_message_oauthbearer(all[i], &out, NULL), expected);
        }
    }
    bearer_secret_clear(&out);
}

static void the_longest_token_fits(void **state)
{
    static char token[BEARER_TOKEN_MAX + 1];
    const struct bearer_message message = { "u@x", "h", "1", TOKEN(token) };
    struct bearer_secret out = BEARER_SECRET_INIT;

    (void)state;
    memset(token, 'x', BEARER_TOKEN_MAX);
    assert_int_equal(bearer_message_xoauth2(&message, &out, NULL), BEARER_OK);
    assert_int_equal(out.length, strlen("user=u@x" A "auth=Bearer ") + BEARER_TOKEN_MAX + 2);
    assert_memory_equal(out.bytes + out.length - 4, "xx" A A, 4);
    assert_int_equal(bearer_message_oauthbearer(&message, &out, NULL), BEARER_OK);
    assert_int_equal(out.length, strlen("n,a=u@x," A "host=h" A "port=1" A "auth=Bearer ") + BEARER_TOKEN_MAX + 2);
    assert_memory_equal(out.bytes + out.length - 4, "xx" A A, 4);
    bearer_secret_clear(&out);
}

static void a_message_replaces_the_one_before(void **state)
{
    const struct bearer_message longer = { "long@example.com", NULL, NULL, TOKEN("long-token") },
                                shorter = { "u", NULL, NULL, TOKEN("t") };
    struct bearer_secret out = BEARER_SECRET_INIT;

    (void)state;
    assert_int_equal(bearer_message_xoauth2(&longer, &out, NULL), BEARER_OK);
    assert_int_equal(bearer_message_xoauth2(&shorter, &out, NULL), BEARER_OK);
    assert_string_equal(bearer_secret_reveal(&out), "user=u" A "auth=Bearer t" A A);
    bearer_secret_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(every_message_reads_as_the_table_says),
        scratch_test(microsofts_sample_in_base64_is_theirs_byte_for_byte),
        scratch_test(every_control_character_is_refused_everywhere),
        scratch_test(the_longest_token_fits),
        scratch_test(a_message_replaces_the_one_before),
    };

    return run_group("message", tests);
}
