/* renew.c - sasl-bearer renew: renew tokens before anybody waits for them. */
#include "credential/clock.h"
#include "tool/command.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define SOON 900              /* seconds: a token that ends within this time is renewed now */
#define IDLE_MAX (7 * 86400)  /* seconds: refresh tokens die of disuse, so they are used at least this often */

static int renew(struct bearer_context *context, struct bearer_holder *holder, const char *name)
{
    const struct bearer_demand demand = { .flags = BEARER_OBTAIN_RENEW };
    struct bearer_secret token = BEARER_SECRET_INIT;
    struct bearer_token state = BEARER_TOKEN_INIT;
    struct bearer_error err = BEARER_ERROR_INIT;
    int result = EX_OK;
    char life[32];

    if (bearer_obtain(context, holder, &demand, &token, NULL, &err) != BEARER_OK) {
        bearer_error_prepend(&err, "%s: ", name);
        result = command_fail(&err);
    } else {
        (void)bearer_peek(context, holder, &state, NULL, NULL);
        printf("%s: renewed, good for %s\n", name, command_duration(state.expires - bearer_now(), life, sizeof life));
    }
    bearer_secret_clear(&token);
    bearer_token_clear(&state);
    return result;
}

struct round {
    struct bearer_context *context;
    int worst; /* exit code */
};

/* Whether it is time; whoever never signed in has nothing to renew. */
static bool is_time(struct bearer_context *context, struct bearer_holder *holder)
{
    const struct bearer_account *account = bearer_holder_account(holder);
    bool per_identity = account->provider->flags & BEARER_PER_IDENTITY;
    struct bearer_token state = BEARER_TOKEN_INIT;
    int64_t now = bearer_now();
    bool time = false;

    if (bearer_holder_path(holder) != NULL && bearer_peek(context, holder, &state, NULL, NULL) == BEARER_OK &&
        (!per_identity || state.refresh_token.length > 0))
        time = state.access_token.length == 0 || state.expires - now < SOON || now - state.issued > IDLE_MAX ||
               now < state.issued;
    bearer_token_clear(&state);
    return time;
}

static void renew_if_time(void *data, struct bearer_holder *holder, const char *name, const struct bearer_error *err)
{
    struct round *round = data;
    int result = EX_OK;

    if (holder == NULL)
        result = command_fail(err);
    else if (is_time(round->context, holder))
        result = renew(round->context, holder, name);
    if (result > round->worst) /* sysexits happen to rise with the need for a person: 75, 77, 78 */
        round->worst = result;
}

static int run(struct bearer_context *context, const struct arguments *arguments)
{
    struct round round = { context, EX_OK };
    struct bearer_holder *holder;
    int result;

    if (!(arguments->given & ARG_ALL) == (arguments->user == NULL)) {
        fprintf(stderr, "sasl-bearer: renew wants either a user name or --all\n");
        return EX_USAGE;
    }
    if (arguments->given & ARG_ALL) {
        bearer_context_each(context, renew_if_time, &round);
        return round.worst;
    }
    if ((holder = command_find(context, arguments->user, &result)) == NULL)
        return result;
    return renew(context, holder, arguments->user);
}

const struct command command_renew = {
    .name = "renew",
    .synopsis = "USER|--all",
    .summary = "fetch a new access token now",
    .help = "  --all          for every account whose token ends within 15 minutes, or whose sign-in\n"
            "                 was not used for 7 days\n",
    .accepts = ARG_ALL,
    .user = USER_OPTIONAL,
    .run = run,
};
