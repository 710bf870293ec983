/* status.c - sasl-bearer status: what is stored, without network and without lock. */
#include "credential/clock.h"
#include "credential/renewal.h"
#include "tool/command.h"
#include "tool/output.h"

#include <jansson.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#define EXPIRING (7 * 86400) /* seconds: a sign-in unused that near its end is worth a word */
#define REFRESH_TOKEN_LIFE (90 * 86400) /* seconds since its last use, as Microsoft documents it */

/* How an account stands.  The words are part of the interface: scripts read them. */
struct standing {
    const char *word;
    int exit_code;
};

static const struct standing OK = { "ok", EX_OK };
static const struct standing DUE = { "due", EX_OK };
static const struct standing RETRYING = { "retrying", EX_TEMPFAIL };
static const struct standing EXPIRING_SOON = { "expiring", EX_TEMPFAIL };
static const struct standing SIGN_IN_NEEDED = { "sign_in_needed", EX_NOPERM };
static const struct standing REFUSED = { "refused", EX_NOPERM };
static const struct standing CONFIG_ERROR = { "config_error", EX_CONFIG };
static const struct standing NOT_SIGNED_IN = { "not_signed_in", EX_NOPERM };

/* One row of the answer. */
struct row {
    const char *name;
    const char *provider; /* NULL = not known */
    const char *path;     /* NULL = nothing is stored */
    const struct standing *standing;
    const struct bearer_token *token; /* NULL = there is none to tell of */
    int64_t credential_expires; /* seconds since the epoch; 0 = not known */
    char text[800];       /* for people */
};

static const struct standing *standing_after_failure(const struct bearer_token *token)
{
    switch (token->failure) {
    case BEARER_SIGN_IN:
        return &SIGN_IN_NEEDED;
    case BEARER_CONFIG:
        return &CONFIG_ERROR;
    case BEARER_REFUSED:
        return &REFUSED;
    default:
        return &RETRYING;
    }
}

static const struct standing *judge(const struct bearer_account *account, const struct bearer_token *token, bool foreign,
                                    int64_t now)
{
    bool per_identity = account->provider->flags & BEARER_PER_IDENTITY;
    const char *what;

    if (per_identity && (foreign || token->refresh_token.length == 0))
        return &NOT_SIGNED_IN;
    if (token->failed != 0)
        return standing_after_failure(token);
    if (bearer_credential_ends_soon(bearer_account_credential_end(account, token, &what), now) ||
        (per_identity && now - token->issued > REFRESH_TOKEN_LIFE - EXPIRING))
        return &EXPIRING_SOON;
    return bearer_token_usable(token, &account->margin, now) ? &OK : &DUE;
}

/* When the token ends, or why there is none. */
static void describe(struct row *row, const struct bearer_account *account, bool foreign, int64_t now)
{
    char life[32];

    if (row->standing == &OK)
        snprintf(row->text, sizeof row->text, "good for %s",
                 command_duration(row->token->expires - now, life, sizeof life));
    else if (row->standing == &NOT_SIGNED_IN)
        snprintf(row->text, sizeof row->text,
                 foreign ? "the sign-in was made under other settings: run sasl-bearer login" : "run sasl-bearer login");
    else if (row->token->failed != 0)
        snprintf(row->text, sizeof row->text, "%s", row->token->text);
    else if (row->standing == &EXPIRING_SOON && !command_credential_end(account, row->token, row->text, sizeof row->text))
        snprintf(row->text, sizeof row->text, "the sign-in dies of disuse soon: run sasl-bearer renew");
    else if (row->standing != &EXPIRING_SOON)
        snprintf(row->text, sizeof row->text, "fetched at the next login");
}

/* ------------------------------------------------------------------ output */

struct answer {
    struct bearer_context *context;
    json_t *list; /* --json; NULL = a table on standard output */
    unsigned rows;
    bool everybody; /* nobody in particular was asked about */
    int worst;    /* exit code; sysexits happen to rise with the need for a person: 75, 77, 78 */
};

static json_t *time_or_null(int64_t time)
{
    return time != 0 ? json_integer(time) : json_null();
}

static json_t *failure_or_null(const struct bearer_token *token)
{
    if (token == NULL || token->failed == 0)
        return json_null();
    return json_pack("{s:I, s:I, s:s, s:s}", "time", (json_int_t)token->failed, "retry_at", (json_int_t)token->retry_at, "cause",
                     token->cause[0] != '\0' ? token->cause : bearer_status_row(token->failure)->name, "text", token->text);
}

/* The schema is fixed: see sasl-bearer(1). */
static json_t *row_json(const struct row *row)
{
    const struct bearer_token *token = row->token;

    return json_pack("{s:s, s:s?, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:s?}", "account", row->name, "provider", row->provider,
                     "state", row->standing->word, "text", row->text, "issued",
                     time_or_null(token != NULL ? token->issued : 0), "expires",
                     time_or_null(token != NULL ? token->expires : 0), "signed_in",
                     time_or_null(token != NULL ? token->signed_in : 0), "credential_expires", time_or_null(row->credential_expires), "failure", failure_or_null(token), "store",
                     row->path);
}

/* One line for programs that read lines; a terminal is only so wide. */
static void put_for_people(const struct row *row)
{
    int column = printf("%-32s %-14s %s:", row->name, row->provider != NULL ? row->provider : "-", row->standing->word);

    if (isatty(STDOUT_FILENO))
        output_wrapped(row->text, 4, (unsigned)column);
    else
        printf(" %s\n", row->text);
}

static void put_row(struct answer *answer, const struct row *row)
{
    if (answer->list != NULL) {
        json_array_append_new(answer->list, row_json(row));
    } else {
        if (answer->rows == 0)
            printf("%-32s %-14s %s\n", "ACCOUNT", "PROVIDER", "STATE");
        put_for_people(row);
    }
    answer->rows++;
    if (row->standing->exit_code > answer->worst)
        answer->worst = row->standing->exit_code;
}

static void put_account(void *data, struct bearer_holder *holder, const char *name, const struct bearer_error *err)
{
    struct answer *answer = data;
    struct row row = { .name = name, .standing = &CONFIG_ERROR };
    struct bearer_token token = BEARER_TOKEN_INIT;
    struct bearer_error why = BEARER_ERROR_INIT;
    const struct bearer_account *account;
    int64_t now = bearer_now();
    const char *what;
    bool foreign;

    if (holder == NULL) {
        snprintf(row.text, sizeof row.text, "%s", err->text);
        put_row(answer, &row);
        return;
    }
    account = bearer_holder_account(holder);
    if (answer->everybody && account->level == BEARER_LEVEL_SYSTEM && geteuid() != 0)
        return; /* the system's tokens are root's business, and may not be looked at */
    row.provider = account->provider_name;
    row.path = bearer_holder_path(holder);
    if (account->provider->flags & BEARER_WANTS_PASSWORD) {
        row.standing = &OK;
        snprintf(row.text, sizeof row.text, "the program brings the token");
    } else if (bearer_peek(answer->context, holder, &token, &foreign, &why) != BEARER_OK) {
        snprintf(row.text, sizeof row.text, "%s", why.text);
    } else {
        row.token = &token;
        row.credential_expires = bearer_account_credential_end(account, &token, &what);
        row.standing = judge(account, &token, foreign, now);
        describe(&row, account, foreign, now);
    }
    put_row(answer, &row);
    bearer_token_clear(&token);
}

static void put_list(struct answer *answer)
{
    json_t *document = json_pack("{s:i, s:O}", "version", 1, "accounts", answer->list);

    json_dumpf(document, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(document);
    json_decref(answer->list);
}

static int run(struct bearer_context *context, const struct arguments *arguments)
{
    struct answer answer = { .context = context, .everybody = arguments->user == NULL };
    struct bearer_holder *holder = NULL;
    int result;

    if (arguments->user != NULL && (holder = command_find(context, arguments->user, &result)) == NULL)
        return result;
    answer.list = arguments->given & ARG_JSON ? json_array() : NULL;
    if (holder != NULL)
        put_account(&answer, holder, arguments->user, NULL);
    else
        bearer_context_each(context, put_account, &answer);
    if (answer.list != NULL)
        put_list(&answer);
    else if (answer.rows == 0)
        printf("No account is configured: see sasl.conf(5).\n");
    return answer.worst;
}

const struct command command_status = {
    .name = "status",
    .synopsis = "[--json] [USER]",
    .summary = "tell how accounts stand, without asking anybody",
    .help = "  --json         the same for programs\n\n"
            "Exits with 0 if all is well, 75 if something will be tried again, 77 if a person is needed,\n"
            "78 if the configuration is wrong.\n\n",
    .accepts = ARG_JSON,
    .user = USER_OPTIONAL,
    .run = run,
};
