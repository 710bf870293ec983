/* token.c - sasl-bearer token: print an access token, for programs that cannot load a plugin. */
#include "credential/clock.h"
#include "plugin/message.h"
#include "tool/command.h"

#include <jansson.h>
#include <sasl/sasl.h>
#include <sasl/saslutil.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* What is there to print. */
struct output {
    const char *user; /* as typed */
    const struct bearer_secret *token;
    int64_t expires_in; /* seconds */
};

static enum bearer_status print_raw(const struct output *output, struct bearer_error *err)
{
    (void)err;
    puts(bearer_secret_reveal(output->token));
    return BEARER_OK;
}

static enum bearer_status print_json(const struct output *output, struct bearer_error *err)
{
    json_t *token = json_string(bearer_secret_reveal(output->token));
    json_t *document = json_pack("{s:s, s:O, s:s, s:I}", "user", output->user, "access_token", token, "token_type", "Bearer",
                                 "expires_in", (json_int_t)output->expires_in);
    enum bearer_status st = BEARER_OK;

    if (document == NULL || json_dumpf(document, stdout, JSON_COMPACT) != 0)
        st = bearer_fail(err, BEARER_USAGE, "the user name is not UTF-8");
    else
        putchar('\n');
    bearer_wipe((char *)(uintptr_t)json_string_value(token), json_string_length(token)); /* jansson would just free it */
    json_decref(token);
    json_decref(document);
    return st;
}

static enum bearer_status print_base64(const struct bearer_secret *message, struct bearer_error *err)
{
    struct bearer_secret encoded = BEARER_SECRET_INIT;
    unsigned size = (unsigned)(message->length + 2) / 3 * 4 + 1, length;
    enum bearer_status st = bearer_secret_reserve(&encoded, size, err);

    if (st != BEARER_OK)
        return st;
    if (sasl_encode64(message->bytes, (unsigned)message->length, encoded.bytes, size, &length) == SASL_OK)
        puts(encoded.bytes);
    else
        st = bearer_fail(err, BEARER_BUG, "cannot encode the message");
    bearer_secret_clear(&encoded);
    return st;
}

typedef enum bearer_status build_function(const struct bearer_message *message, struct bearer_secret *out,
                                          struct bearer_error *err);

static enum bearer_status print_message(const struct output *output, build_function *build, struct bearer_error *err)
{
    const struct bearer_message message = { .mailbox = output->user, .token = output->token };
    struct bearer_secret text = BEARER_SECRET_INIT;
    enum bearer_status st = build(&message, &text, err);

    if (st == BEARER_OK)
        st = print_base64(&text, err);
    bearer_secret_clear(&text);
    return st;
}

static enum bearer_status print_xoauth2(const struct output *output, struct bearer_error *err)
{
    return print_message(output, bearer_message_xoauth2, err);
}

static enum bearer_status print_oauthbearer(const struct output *output, struct bearer_error *err)
{
    return print_message(output, bearer_message_oauthbearer, err);
}

static const struct format {
    const char *name;
    enum bearer_status (*print)(const struct output *output, struct bearer_error *err);
} formats[] = {
    { "raw", print_raw },
    { "json", print_json },
    { "xoauth2", print_xoauth2 },
    { "oauthbearer", print_oauthbearer },
};

static const struct format *find_format(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

static int run(struct bearer_context *context, const struct arguments *arguments)
{
    const struct bearer_demand demand = { .flags = arguments->given & ARG_RENEW ? BEARER_OBTAIN_RENEW : 0 };
    const struct format *format = find_format(arguments_value(arguments, ARG_FORMAT) != NULL ? arguments_value(arguments, ARG_FORMAT) : "raw");
    struct bearer_outcome outcome = BEARER_OUTCOME_INIT;
    struct bearer_error err = BEARER_ERROR_INIT;
    struct output output = { arguments->user, &outcome.token, 0 };
    struct bearer_holder *holder;
    enum bearer_status st;
    int result;

    if (format == NULL) {
        fprintf(stderr, "sasl-bearer: unknown format '%s': it can be raw, json, xoauth2 or oauthbearer\n", arguments_value(arguments, ARG_FORMAT));
        return EX_USAGE;
    }
    if ((holder = command_find(context, arguments->user, &result)) == NULL)
        return result;
    st = bearer_obtain(context, holder, &demand, &outcome, &err);
    output.expires_in = outcome.expires - bearer_now();
    if (st == BEARER_OK)
        st = format->print(&output, &err);
    bearer_outcome_clear(&outcome);
    return st == BEARER_OK ? EX_OK : command_fail(&err);
}

const struct command command_token = {
    .name = "token",
    .synopsis = "[--renew] [--format raw|json|xoauth2|oauthbearer] USER",
    .summary = "print an access token that is good for a while, and nothing else",
    .help = "  --renew        fetch a new one even if the one in hand is good\n"
            "  --format FORMAT\n"
            "                 raw: the token; json: with its remaining life in seconds;\n"
            "                 xoauth2, oauthbearer: the SASL message in base64\n\n"
            "Never asks anything: exits with 77 if a person is needed, with 75 if trying again later helps.\n\n",
    .accepts = ARG_RENEW | ARG_FORMAT,
    .user = USER_REQUIRED,
    .run = run,
};
