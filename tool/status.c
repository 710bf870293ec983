/* status.c - sasl-bearer status: what is stored, without network and without lock. */
#include "credential/clock.h"
#include "credential/renewal.h"
#include "tool/command.h"

#include <stdio.h>
#include <sysexits.h>

/* How an account stands.  The words are part of the interface: scripts read them. */
struct standing {
    const char *word;
    int exit_code;
};

static const struct standing OK = { "ok", EX_OK }, DUE = { "due", EX_OK }, RETRYING = { "retrying", EX_TEMPFAIL },
                             SIGN_IN_NEEDED = { "sign_in_needed", EX_NOPERM }, REFUSED = { "refused", EX_NOPERM },
                             CONFIG_ERROR = { "config_error", EX_CONFIG },
                             NOT_SIGNED_IN = { "not_signed_in", EX_NOPERM };

static const struct standing *judge(const struct bearer_account *account, const struct bearer_token *token, bool foreign,
                                    int64_t now)
{
    bool per_identity = account->provider->flags & BEARER_PER_IDENTITY;

    if (per_identity && (foreign || token->refresh_token.length == 0))
        return &NOT_SIGNED_IN;
    if (token->failed != 0) {
        if (token->failure == BEARER_SIGN_IN)
            return &SIGN_IN_NEEDED;
        if (token->failure == BEARER_CONFIG)
            return &CONFIG_ERROR;
        return token->failure == BEARER_REFUSED ? &REFUSED : &RETRYING;
    }
    return bearer_token_usable(token, account->min_lifetime, now) ? &OK : &DUE;
}

/* The last column: when the token ends, or why there is none. */
static void describe(char *out, size_t size, const struct standing *standing, const struct bearer_token *token,
                     int64_t now)
{
    char life[32];

    if (standing == &OK)
        snprintf(out, size, "good for %s", command_duration(token->expires - now, life, sizeof life));
    else if (token->failed != 0)
        snprintf(out, size, "%s", token->text);
    else if (standing == &NOT_SIGNED_IN)
        snprintf(out, size, "run sasl-bearer login");
    else if (token->access_token.length == 0)
        snprintf(out, size, "fetched at the next login");
    else
        snprintf(out, size, "renewed at the next login");
}

struct table {
    struct bearer_context *context;
    unsigned rows;
    int worst;
};

static void print_row(struct table *table, const char *name, const char *provider, const struct standing *standing,
                      const char *text)
{
    if (table->rows++ == 0)
        printf("%-32s %-14s %-14s %s\n", "ACCOUNT", "PROVIDER", "STATE", "");
    printf("%-32s %-14s %-14s %s\n", name, provider, standing->word, text);
    if (standing->exit_code > table->worst)
        table->worst = standing->exit_code;
}

static void print_account(void *data, struct bearer_holder *holder, const char *name, const struct bearer_error *err)
{
    struct table *table = data;
    struct bearer_token token = BEARER_TOKEN_INIT;
    struct bearer_error why = BEARER_ERROR_INIT;
    const struct bearer_account *account;
    const struct standing *standing;
    int64_t now = bearer_now();
    char text[600];
    bool foreign;

    if (holder == NULL) {
        print_row(table, name, "-", &CONFIG_ERROR, err->text);
        return;
    }
    account = bearer_holder_account(holder);
    if (account->provider->flags & BEARER_WANTS_PASSWORD) {
        print_row(table, name, account->provider_name, &OK, "the program brings the token");
    } else if (bearer_peek(table->context, holder, &token, &foreign, &why) != BEARER_OK) {
        print_row(table, name, account->provider_name, &CONFIG_ERROR, why.text);
    } else {
        standing = judge(account, &token, foreign, now);
        describe(text, sizeof text, standing, &token, now);
        print_row(table, name, account->provider_name, standing, text);
    }
    bearer_token_clear(&token);
}

static int run(struct bearer_context *context, const struct arguments *arguments)
{
    struct table table = { context, 0, EX_OK };
    struct bearer_holder *holder;
    int result;

    if (arguments->user == NULL) {
        bearer_context_each(context, print_account, &table);
        if (table.rows == 0)
            printf("No account is configured: see sasl.conf(5).\n");
        return table.worst;
    }
    if ((holder = command_find(context, arguments->user, &result)) == NULL)
        return result;
    print_account(&table, holder, arguments->user, NULL);
    return table.worst;
}

const struct command command_status = {
    .name = "status",
    .synopsis = "[USER]",
    .summary = "tell how accounts stand, without asking anybody",
    .help = "Exits with 0 if all is well, 75 if something will be tried again, 77 if a person is needed,\n"
            "78 if the configuration is wrong.\n\n",
    .user = USER_OPTIONAL,
    .run = run,
};
