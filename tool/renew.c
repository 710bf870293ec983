/* renew.c - sasl-bearer renew: renew tokens before anybody waits for them. */
#include "credential/clock.h"
#include "credential/renewal.h"
#include "tool/command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#define SOON 900              /* seconds: a token that ends within this time is renewed now */
#define ROUND 300             /* seconds between two rounds of --watch */
#define IDLE_MAX (7 * 86400)  /* seconds: refresh tokens die of disuse, so they are used at least this often */

static int renew(struct bearer_context *context, struct bearer_holder *holder, const char *name)
{
    const struct bearer_demand demand = { .flags = BEARER_OBTAIN_RENEW };
    struct bearer_outcome outcome = BEARER_OUTCOME_INIT;
    struct bearer_error err = BEARER_ERROR_INIT;
    int result = EX_OK;
    char life[32];

    if (bearer_obtain(context, holder, &demand, &outcome, &err) != BEARER_OK) {
        bearer_error_prepend(&err, "%s: ", name);
        result = command_fail(&err);
    } else {
        command_say("%s: renewed, good for %s\n", name, command_duration(outcome.expires - bearer_now(), life, sizeof life));
    }
    bearer_outcome_clear(&outcome);
    return result;
}

/* Tells once a day that a credential is about to end, while there is time.  The line goes where errors go: to the journal, to
 * whoever reads cron's mail. */
static void warn_of_end(struct bearer_context *context, struct bearer_holder *holder, const char *name)
{
    const struct bearer_account *account = bearer_holder_account(holder);
    struct bearer_token state = BEARER_TOKEN_INIT;
    const char *what;
    char text[256];

    if (bearer_holder_path(holder) != NULL && bearer_peek(context, holder, &state, NULL, NULL) == BEARER_OK &&
        bearer_credential_end_to_be_told(bearer_account_credential_end(account, &state, &what), state.expiry_told, bearer_now()) &&
        command_credential_end(account, &state, text, sizeof text)) {
        fprintf(stderr, "sasl-bearer: %s: %s account=%s provider=%s cause=credential_end\n", name, text, account->name,
                account->provider_name);
        bearer_credential_end_told(context, holder);
    }
    bearer_token_clear(&state);
}

struct round {
    struct bearer_context *context;
    int worst; /* exit code */
};

/* Whether it is time; whoever never signed in has nothing to renew.  *err: the token cannot be looked at. */
static bool is_time(struct bearer_context *context, struct bearer_holder *holder, struct bearer_error *err)
{
    const struct bearer_account *account = bearer_holder_account(holder);
    bool per_identity = account->provider->flags & BEARER_PER_IDENTITY;
    struct bearer_token state = BEARER_TOKEN_INIT;
    int64_t now = bearer_now();
    bool time = false;

    if (bearer_holder_path(holder) != NULL && bearer_peek(context, holder, &state, NULL, err) == BEARER_OK &&
        (!per_identity || state.refresh_token.length > 0))
        time = state.access_token.length == 0 || state.expires - now < SOON || now - state.issued > IDLE_MAX ||
               now < state.issued;
    bearer_token_clear(&state);
    return time;
}

static void renew_if_time(void *data, struct bearer_holder *holder, const char *name, const struct bearer_error *err)
{
    struct round *round = data;
    struct bearer_error why = BEARER_ERROR_INIT;
    bool time = holder != NULL && is_time(round->context, holder, &why);
    int result = EX_OK;

    if (holder == NULL)
        result = command_fail(err);
    else if (why.status != BEARER_OK)
        result = command_fail(&why);
    else if (time)
        result = renew(round->context, holder, name);
    if (holder != NULL)
        warn_of_end(round->context, holder, name);
    if (result > round->worst) /* sysexits happen to rise with the need for a person: 75, 77, 78 */
        round->worst = result;
}

static int renew_all(struct bearer_context *context)
{
    struct round round = { context, EX_OK };

    bearer_context_each(context, renew_if_time, &round);
    fflush(stdout);
    return round.worst;
}

/* Waits that long.  False: somebody wants us to end. */
static bool wait_for_round(const sigset_t *end_signals, time_t seconds)
{
    const struct timespec pause = { seconds, 0 };
    int64_t until = bearer_monotonic() + seconds * 1000;

    while (bearer_monotonic() < until) {
        if (sigtimedwait(end_signals, NULL, &pause) > 0)
            return false;
        if (errno == EAGAIN)
            return true;
    }
    return true;
}

/* A timer for where there is none.  sasl.conf is read anew for each round: nobody reloads us. */
static int watch(const struct environment_choice *choice)
{
    sigset_t end_signals;

    sigemptyset(&end_signals);
    sigaddset(&end_signals, SIGTERM);
    sigaddset(&end_signals, SIGINT);
    sigprocmask(SIG_BLOCK, &end_signals, NULL);
    do {
        struct bearer_error err = BEARER_ERROR_INIT;
        struct bearer_context *context;

        if (environment_open(choice, &context, &err) != BEARER_OK) {
            command_fail(&err);
        } else {
            (void)renew_all(context); /* what failed was told, and is tried again */
            bearer_context_free(&context);
        }
    } while (wait_for_round(&end_signals, ROUND));
    return EX_OK;
}

static int run(struct bearer_context *context, const struct arguments *arguments)
{
    bool all = arguments->given & ARG_ALL;
    struct bearer_holder *holder;
    int result;

    if (all == (arguments->user != NULL) || (!all && (arguments->given & ARG_WATCH))) {
        fprintf(stderr, "sasl-bearer: renew wants either a user name or --all, and --watch goes with --all\n");
        return EX_USAGE;
    }
    if (arguments->given & ARG_WATCH)
        return watch(arguments->choice);
    if (all)
        return renew_all(context);
    if ((holder = command_find(context, arguments->user, &result)) == NULL)
        return result;
    return renew(context, holder, arguments->user);
}

const struct command command_renew = {
    .name = "renew",
    .synopsis = "USER|--all [--watch]",
    .summary = "fetch a new access token now",
    .help = "  --all          for every account whose token ends within 15 minutes, or whose sign-in\n"
            "                 was not used for 7 days\n"
            "  --watch        do so every 5 minutes until stopped, where there is no timer\n",
    .accepts = ARG_ALL | ARG_WATCH,
    .user = USER_OPTIONAL,
    .run = run,
};
