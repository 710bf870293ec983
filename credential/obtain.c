/* obtain.c - from an account to a token: memory, store, lock, provider, store.  See context.h */
#include "credential/clock.h"
#include "credential/holder.h"
#include "credential/renewal.h"
#include "credential/signals.h"
#include "credential/text.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define POLL_PAUSE 5        /* ms between two looks at a file that somebody else is renewing */
#define STUCK_PAUSE 30000   /* ms for which a lock holder that did not move is not waited for again */
#define SAVE_PAUSE 5000     /* ms between two attempts to save what could not be saved */
#define EARLY_TIMEOUT 3000    /* ms for which a login with a good token in hand waits for a better one */
#define SIGN_IN_TIMEOUT 20000 /* ms for each request of a sign-in */

/* One attempt to get a token for somebody. */
struct job {
    struct bearer_context *context;
    struct bearer_holder *holder;
    struct bearer_demand demand;
    int64_t began; /* CLOCK_MONOTONIC ms */
    int64_t deadline;
    struct bearer_store *locked; /* whose lock this job holds; NULL = none */
    sigset_t signals;            /* what the host's thread had blocked before it took the keeper's lock */
};

/* What a look at memory and store comes to. */
enum verdict {
    VERDICT_USE,   /* good */
    VERDICT_EARLY, /* good, and whoever gets the lock without waiting may renew it */
    VERDICT_FETCH, /* a new one is needed */
    VERDICT_FAIL,  /* there is a reason not to try; it stands in the error */
};

static const struct bearer_log *log_of(const struct job *job)
{
    return job->demand.log != NULL ? job->demand.log : &job->context->log;
}

/* ------------------------------------------------------------------ what is known now (the guard is held) */

static bool is_bound(const struct bearer_token *token, const struct bearer_account *account)
{
    return token->binding != NULL && strcmp(token->binding, account->binding) == 0;
}

/* Another account's sign-in is nothing to overwrite; a token that can be had again at any time is. */
static bool is_foreign(const struct bearer_token *token, const struct bearer_account *account)
{
    return token->binding != NULL && !is_bound(token, account) && token->refresh_token.length > 0;
}

static void forget_memory(struct bearer_keeper *keeper)
{
    keeper->memory_counts = false;
    bearer_token_clear(&keeper->memory);
}

/* Memory is newer than one state of the store and no other: a login, a logout or another process' renewal since is newer. */
static bool memory_is_newest(const struct bearer_keeper *keeper)
{
    struct bearer_store_mark now = { 0, 0 };

    if (!keeper->memory_counts)
        return false;
    if (keeper->store != NULL)
        now = bearer_store_mark(keeper->store);
    return now.file_id == keeper->since.file_id && now.sequence == keeper->since.sequence;
}

/* Saves what could not be saved before.  The store has just been read. */
static void save_memory(struct bearer_keeper *keeper)
{
    const struct bearer_token *stored;
    bool saved = false;

    if (!memory_is_newest(keeper) || bearer_monotonic() < keeper->save_after || !bearer_store_lock(keeper->store))
        return;
    keeper->save_after = bearer_monotonic() + SAVE_PAUSE;
    if (bearer_store_read(keeper->store, &stored, NULL) == BEARER_OK && memory_is_newest(keeper))
        (void)bearer_store_write(keeper->store, &keeper->memory, &saved, NULL);
    bearer_store_unlock(keeper->store);
    if (saved)
        forget_memory(keeper);
}

/* Lends the newest that is known: memory if the store could not be written, else the store; an empty token if none. */
static enum bearer_status newest(const struct job *job, const struct bearer_token **token_out, struct bearer_error *err)
{
    static const struct bearer_token nothing = BEARER_TOKEN_INIT;
    struct bearer_keeper *keeper = job->holder->keeper;
    const struct bearer_account *account = job->holder->account;
    bool create = !(account->provider->flags & BEARER_PER_IDENTITY);
    const struct bearer_token *stored = NULL;
    enum bearer_status st = bearer_keeper_open(job->context, keeper, account, create, err);

    if (keeper->store != NULL && (st = bearer_store_read(keeper->store, &stored, err)) == BEARER_OK &&
        keeper->memory_counts) {
        save_memory(keeper);
        st = bearer_store_read(keeper->store, &stored, err);
        if (!memory_is_newest(keeper))
            forget_memory(keeper);
    }
    if (memory_is_newest(keeper) || (keeper->memory_counts && stored == NULL))
        stored = &keeper->memory;
    *token_out = stored != NULL ? stored : &nothing;
    if (stored != NULL || create) {
        bearer_error_clear(err);
        return BEARER_OK; /* it can be had without a store */
    }
    return st;
}

/* The first line in which two bindings differ: how it was when the person signed in. */
static void describe_difference(const char *then, const char *now, char *out, size_t size)
{
    while (*then != '\0') {
        size_t a = strcspn(then, "\n"), b = strcspn(now, "\n");

        if (a != b || memcmp(then, now, a) != 0) {
            snprintf(out, size, "%.*s, and now it is %.*s", (int)a, then, (int)b, now);
            return;
        }
        then += a + (then[a] != '\0');
        now += b + (now[b] != '\0');
    }
    snprintf(out, size, "other settings");
}

static enum verdict not_signed_in(const struct job *job, const struct bearer_token *token, struct bearer_error *err)
{
    const struct bearer_account *account = job->holder->account;
    const struct bearer_keeper *keeper = job->holder->keeper;
    char difference[500];

    if (is_foreign(token, account)) {
        describe_difference(token->binding, account->binding, difference, sizeof difference);
        bearer_fail(err, BEARER_SIGN_IN, "run sasl-bearer login %s: the sign-in that is kept was made with %s", account->name,
                    difference);
    } else if (keeper->path == NULL) {
        bearer_fail(err, BEARER_CONFIG, "%s: provider %s needs a token store to keep the sign-in in: set oauth2_token_store to "
                    "a directory", account->origin, account->provider_name);
    } else if (keeper->trouble[0] != '\0') {
        bearer_fail(err, BEARER_LOCAL, "%s", keeper->trouble);
    } else {
        bearer_fail(err, BEARER_SIGN_IN, "%s has not signed in: run sasl-bearer login %s", account->name, account->name);
    }
    return VERDICT_FAIL;
}

/* Whether this process cannot renew at all, because of its jail: then another's failure is the best that is known. */
static bool is_in_the_way(const struct job *job)
{
    return job->context->sealed && bearer_account_jail_obstacle(job->holder->account) != NULL;
}

/* An earlier attempt failed and its pause lasts: its reason is this attempt's reason, unless the cause was mended. */
static bool remembered(const struct job *job, const struct bearer_token *token, int64_t now, struct bearer_error *err)
{
    if (!bearer_token_backing_off(token, now) || (job->demand.flags & BEARER_OBTAIN_RENEW) ||
        (!is_in_the_way(job) && token->mark != bearer_credential_mark(job->context, job->holder->account)))
        return false;
    bearer_fail(err, token->failure, "%s", token->text);
    if (err != NULL) {
        memcpy(err->cause, token->cause, sizeof err->cause);
        err->retry_after = token->retry_at - now;
    }
    return true;
}

/* Judges a token; *usable_out is it if it may be handed out, renewed or not. */
static enum verdict judge(const struct job *job, const struct bearer_token *token, bool *usable_out,
                          struct bearer_error *err)
{
    const struct bearer_account *account = job->holder->account;
    int64_t now = bearer_now();
    const struct bearer_margin margin = bearer_account_margin(account, job->demand.server, token->expires - now);
    bool per_identity = account->provider->flags & BEARER_PER_IDENTITY;

    *usable_out = is_bound(token, account) && bearer_token_usable(token, &margin, now);
    if (*usable_out && !(job->demand.flags & BEARER_OBTAIN_RENEW))
        return bearer_token_due(token, &margin, now) && (!per_identity || token->refresh_token.length > 0) && !is_in_the_way(job)
                   ? VERDICT_EARLY
                   : VERDICT_USE;
    if (per_identity && (!is_bound(token, account) || token->refresh_token.length == 0))
        return not_signed_in(job, token, err);
    if (is_bound(token, account) && remembered(job, token, now, err)) {
        *usable_out = bearer_token_alive(token, now); /* there is nothing better: it serves to its end */
        if (!*usable_out)
            return VERDICT_FAIL;
        bearer_error_clear(err);
        return VERDICT_USE;
    }
    return VERDICT_FETCH;
}

static enum bearer_status hand_out(const struct bearer_token *token, struct bearer_outcome *outcome, struct bearer_error *err)
{
    outcome->issued = token->issued;
    outcome->expires = token->expires;
    return bearer_secret_set(&outcome->token, token->access_token.bytes, token->access_token.length, err);
}

/* Where no new token can be had, the old one serves to its end.  False: there is none that is valid. */
static bool serve_old(const struct job *job, struct bearer_outcome *outcome)
{
    const struct bearer_token *token;
    bool served = false;

    if (job->demand.flags & BEARER_OBTAIN_RENEW)
        return false;
    bearer_guard_lock(&job->context->guard);
    if (newest(job, &token, NULL) == BEARER_OK && is_bound(token, job->holder->account) &&
        bearer_token_alive(token, bearer_now()))
        served = hand_out(token, outcome, NULL) == BEARER_OK;
    bearer_guard_unlock(&job->context->guard);
    return served;
}

/* Looks at memory and store; hands out a usable token. */
static enum verdict look(const struct job *job, struct bearer_outcome *outcome, struct bearer_error *err)
{
    const struct bearer_token *token;
    enum verdict verdict = VERDICT_FAIL;
    bool usable;

    bearer_guard_lock(&job->context->guard);
    if (newest(job, &token, err) == BEARER_OK) {
        verdict = judge(job, token, &usable, err);
        if (usable && hand_out(token, outcome, err) != BEARER_OK)
            verdict = VERDICT_FAIL;
    }
    bearer_guard_unlock(&job->context->guard);
    return verdict;
}

/* ------------------------------------------------------------------ locking */

/* One thread of this process, then one process.  Without a store there are no other processes to think of.  The host's signal
 * handlers wait until it is unlocked, lest one of them jumps away with the lock. */
static bool lock_keeper(struct job *job)
{
    struct bearer_keeper *keeper = job->holder->keeper;
    bool locked = true;

    bearer_signals_hold(&job->signals);
    if (!bearer_guard_try(&keeper->lock)) {
        bearer_signals_release(&job->signals);
        return false;
    }
    bearer_guard_lock(&job->context->guard);
    job->locked = keeper->store;
    if (job->locked != NULL)
        locked = bearer_store_lock(job->locked);
    bearer_guard_unlock(&job->context->guard);
    if (!locked) {
        bearer_guard_unlock(&keeper->lock);
        bearer_signals_release(&job->signals);
    }
    return locked;
}

static void unlock_keeper(struct job *job)
{
    if (job->locked != NULL)
        bearer_store_unlock(job->locked);
    job->locked = NULL;
    bearer_guard_unlock(&job->holder->keeper->lock);
    bearer_signals_release(&job->signals);
}

/* Remembers that waiting was in vain. */
static void give_up_waiting(const struct job *job)
{
    job->holder->keeper->stuck_until = bearer_monotonic() + STUCK_PAUSE;
}

static enum bearer_status stuck(const struct job *job, struct bearer_error *err)
{
    struct bearer_keeper *keeper = job->holder->keeper;
    pid_t holder = 0;

    bearer_guard_lock(&job->context->guard);
    if (keeper->store != NULL)
        holder = bearer_store_lock_holder(keeper->store);
    bearer_guard_unlock(&job->context->guard);
    if (holder > 0)
        return bearer_fail(err, BEARER_LATER, "process %ld is renewing the token and does not come back", (long)holder);
    return bearer_fail(err, BEARER_LATER, "another process or thread is renewing the token and does not come back");
}

/* Our own providers' properties are known before their code is loaded, a module's are not. */
static bool is_repeatable(const struct job *job)
{
    const struct bearer_account *account = job->holder->account;
    const struct bearer_provider *provider;

    return (account->provider->flags & BEARER_REPEATABLE) ||
           (!(account->provider->flags & BEARER_PER_IDENTITY) &&
            bearer_context_provider(job->context, account, &provider, NULL) == BEARER_OK && (provider->flags & BEARER_REPEATABLE));
}

/* Who waits is likely to be hurried by an alarm, whose handler may jump away with the guard. */
static enum verdict look_undisturbed(const struct job *job, struct bearer_outcome *outcome, struct bearer_error *err)
{
    enum verdict verdict;
    sigset_t before;

    bearer_signals_hold(&before);
    verdict = look(job, outcome, err);
    bearer_signals_release(&before);
    return verdict;
}

enum wait_result { WAIT_LOCKED, WAIT_SETTLED, WAIT_ALONE, WAIT_STUCK };

/* Waits for the lock, or for a token that its holder brings.  Where asking twice harms nothing, half the time is waited. */
static enum wait_result wait_for_lock(struct job *job, struct bearer_outcome *outcome, struct bearer_error *err)
{
    struct bearer_keeper *keeper = job->holder->keeper;
    bool repeatable = is_repeatable(job);
    int64_t patience = repeatable ? job->began + (job->deadline - job->began) / 2 : job->deadline;

    while (!lock_keeper(job)) {
        int64_t now = bearer_monotonic();

        if (now >= patience)
            give_up_waiting(job);
        if (now < keeper->stuck_until) {
            if (!repeatable)
                stuck(job, err);
            return repeatable ? WAIT_ALONE : WAIT_STUCK;
        }
        bearer_sleep(POLL_PAUSE);
        if (!(job->demand.flags & BEARER_OBTAIN_RENEW) && look_undisturbed(job, outcome, err) != VERDICT_FETCH)
            return WAIT_SETTLED;
    }
    keeper->stuck_until = 0;
    return WAIT_LOCKED;
}

/* ------------------------------------------------------------------ the attempt and what becomes of it */

static unsigned jitter(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (unsigned)t.tv_nsec / 1000 + (unsigned)getpid();
}

/* Keeps a new state in this process, in place of the store that could not take it; takes the state. */
static void keep_in_memory(const struct job *job, struct bearer_token *state)
{
    struct bearer_keeper *keeper = job->holder->keeper;
    const struct bearer_token *stored;

    bearer_guard_lock(&job->context->guard);
    bearer_token_clear(&keeper->memory);
    keeper->memory = *state;
    *state = (struct bearer_token)BEARER_TOKEN_INIT; /* taken */
    keeper->since = (struct bearer_store_mark){ 0, 0 };
    if (keeper->store != NULL && bearer_store_read(keeper->store, &stored, NULL) == BEARER_OK)
        keeper->since = bearer_store_mark(keeper->store);
    keeper->memory_counts = true;
    bearer_guard_unlock(&job->context->guard);
}

/* Stores a new state; where that fails it stays in memory and the log says so: loudly, if a refresh token is at stake. */
static void commit(const struct job *job, struct bearer_token *state)
{
    struct bearer_keeper *keeper = job->holder->keeper;
    const struct bearer_account *account = job->holder->account;
    struct bearer_error why = BEARER_ERROR_INIT;
    bool stored = false, loud = state->refresh_token.length > 0;

    if (job->locked != NULL)
        (void)bearer_store_write(job->locked, state, &stored, &why);
    else if (keeper->trouble[0] != '\0')
        bearer_fail(&why, BEARER_LOCAL, "%s", keeper->trouble);
    if (!stored)
        keep_in_memory(job, state);
    if (why.status == BEARER_OK || (keeper->warned && !loud))
        return;
    keeper->warned = true;
    bearer_tell(log_of(job), loud ? BEARER_LOG_ERROR : BEARER_LOG_WARNING,
                stored ? "%s account=%s provider=%s cause=local"
                       : "the token could not be stored and is used from this process' memory: %s account=%s provider=%s "
                         "cause=local",
                why.text, account->name, account->provider_name);
}

static void take_success(struct bearer_token *state, struct bearer_token *fresh)
{
    bearer_secret_take(&state->access_token, &fresh->access_token);
    if (fresh->user != NULL) {
        free(state->user);
        state->user = fresh->user;
        fresh->user = NULL;
    }
    state->issued = fresh->issued;
    state->expires = fresh->expires;
    state->refresh_after = fresh->refresh_after;
    state->credential_expires = fresh->credential_expires;
    state->failed = state->retry_at = state->failures = state->mark = 0;
    state->failure = BEARER_OK;
    state->cause[0] = state->text[0] = '\0';
}

static void take_failure(struct bearer_token *state, const struct bearer_error *why, int64_t mark)
{
    state->failed = bearer_now();
    state->failures++;
    state->retry_at = state->failed + bearer_backoff(why->status, state->failures, why->retry_after, jitter());
    if (why->retry_after == 0 && bearer_token_alive(state, state->failed) && state->retry_at > state->expires)
        state->retry_at = state->expires; /* then it is needed */
    state->failure = why->status;
    state->mark = mark;
    bearer_text_printable(state->cause, sizeof state->cause, why->cause, strlen(why->cause));
    bearer_text_printable(state->text, sizeof state->text, why->text, strlen(why->text));
}

/* Gives a copy of the newest state that belongs to this account; an empty one where there is none. */
static enum bearer_status copy_state(const struct job *job, struct bearer_token *state, struct bearer_error *err)
{
    const struct bearer_token *token;
    enum bearer_status st;

    bearer_guard_lock(&job->context->guard);
    st = newest(job, &token, err);
    if (st == BEARER_OK && is_bound(token, job->holder->account))
        st = bearer_token_copy(state, token, err);
    bearer_guard_unlock(&job->context->guard);
    return st;
}

/* Whether the store has another refresh token by now than the one that was just refused. */
static bool refresh_token_moved(const struct job *job, struct bearer_token *state)
{
    struct bearer_token now = BEARER_TOKEN_INIT;
    bool moved = copy_state(job, &now, NULL) == BEARER_OK && now.refresh_token.length > 0 &&
                 strcmp(bearer_secret_reveal(&now.refresh_token), bearer_secret_reveal(&state->refresh_token)) != 0;

    if (moved) {
        bearer_token_clear(state);
        *state = now;
    } else {
        bearer_token_clear(&now);
    }
    return moved;
}

static enum bearer_status ask(const struct job *job, struct bearer_token *state, struct bearer_token *fresh,
                              struct bearer_error *why)
{
    struct bearer_attempt attempt = { .password = job->demand.password, .deadline = job->deadline, .log = job->demand.log };
    enum bearer_status st;

    attempt.refresh_token = state->refresh_token.length > 0 ? bearer_secret_reveal(&state->refresh_token) : NULL;
    st = bearer_fetch(job->context, job->holder->account, &attempt, fresh, why);
    if (st != BEARER_SIGN_IN || !refresh_token_moved(job, state))
        return st;
    bearer_error_clear(why);
    attempt.refresh_token = bearer_secret_reveal(&state->refresh_token);
    return bearer_fetch(job->context, job->holder->account, &attempt, fresh, why);
}

/* Whether a failure is the identity provider's, or the network's on the way to it: the only ones to stay away after. */
static bool is_answer(enum bearer_status st)
{
    return st == BEARER_LATER || st == BEARER_SIGN_IN || st == BEARER_REFUSED || st == BEARER_PEER;
}

/* Renews and records how it went.  Without the lock the record stays in this process' memory. */
static enum bearer_status renew(const struct job *job, struct bearer_outcome *outcome, struct bearer_error *err)
{
    const struct bearer_account *account = job->holder->account;
    struct bearer_token state = BEARER_TOKEN_INIT, fresh = BEARER_TOKEN_INIT;
    struct bearer_error why = BEARER_ERROR_INIT;
    enum bearer_status st = copy_state(job, &state, err);

    if (st != BEARER_OK)
        goto out;
    st = ask(job, &state, &fresh, &why);
    if (fresh.refresh_token.length > 0)
        bearer_secret_take(&state.refresh_token, &fresh.refresh_token);
    if (st == BEARER_OK) {
        bearer_tell(log_of(job), BEARER_LOG_NOTE, "renewed, good for %lld s account=%s provider=%s cause=ok",
                    (long long)(fresh.expires - fresh.issued), account->name, account->provider_name);
        outcome->issued = fresh.issued;
        outcome->expires = fresh.expires;
        st = bearer_secret_set(&outcome->token, fresh.access_token.bytes, fresh.access_token.length, &why);
        take_success(&state, &fresh);
    } else {
        take_failure(&state, &why, bearer_credential_mark(job->context, account));
    }
    /* Where nobody was asked there is nothing to tell other processes, whose files and descriptors may be better. */
    if ((st == BEARER_OK || is_answer(st)) && bearer_token_set_text(&state.binding, account->binding, &why) == BEARER_OK)
        commit(job, &state);
    if (st != BEARER_OK && err != NULL && err->status == BEARER_OK)
        *err = why;
out:
    bearer_token_clear(&state);
    bearer_token_clear(&fresh);
    return st;
}

/* ------------------------------------------------------------------ providers that keep nothing */

static enum bearer_status pass_through(const struct job *job, struct bearer_outcome *outcome, struct bearer_error *err)
{
    struct bearer_token fresh = BEARER_TOKEN_INIT, nothing = BEARER_TOKEN_INIT;
    enum bearer_status st = ask(job, &nothing, &fresh, err);

    if (st == BEARER_OK) {
        outcome->issued = fresh.issued;
        outcome->expires = fresh.expires;
        bearer_secret_take(&outcome->token, &fresh.access_token);
    }
    bearer_token_clear(&fresh);
    return st;
}

/* ------------------------------------------------------------------ the whole way */

/* Renews a token that is still good, if nobody else is doing it.  Whatever comes of it, the one in hand serves. */
static void renew_early(struct job *job, struct bearer_outcome *outcome)
{
    const struct bearer_account *account = job->holder->account;
    struct bearer_error why = BEARER_ERROR_INIT;

    if (!lock_keeper(job))
        return;
    if (job->deadline > job->began + EARLY_TIMEOUT)
        job->deadline = job->began + EARLY_TIMEOUT;
    if (look(job, outcome, &why) == VERDICT_EARLY && renew(job, outcome, &why) != BEARER_OK)
        bearer_tell(log_of(job), BEARER_LOG_WARNING,
                    "the token is good for %lld s more and could not be renewed early: %s account=%s provider=%s cause=%s",
                    (long long)(outcome->expires - bearer_now()), why.text, account->name, account->provider_name,
                    bearer_error_cause(&why));
    unlock_keeper(job);
}

/* Gets a new token, or makes do with the old one. */
static enum bearer_status fetch(const struct job *job, struct bearer_outcome *outcome, struct bearer_error *err)
{
    enum bearer_status st = renew(job, outcome, err);

    if (st == BEARER_OK || !serve_old(job, outcome))
        return st;
    bearer_error_clear(err);
    return BEARER_OK;
}

static enum bearer_status obtain(struct job *job, struct bearer_outcome *outcome, struct bearer_error *err)
{
    enum verdict verdict = look(job, outcome, err);
    enum bearer_status st = BEARER_OK;

    if (verdict == VERDICT_EARLY)
        renew_early(job, outcome);
    if (verdict != VERDICT_FETCH)
        return err->status;
    switch (wait_for_lock(job, outcome, err)) {
    case WAIT_STUCK:
        if (serve_old(job, outcome))
            bearer_error_clear(err);
        return err->status;
    case WAIT_SETTLED:
        return err->status;
    case WAIT_ALONE:
        return fetch(job, outcome, err);
    case WAIT_LOCKED:
        break;
    }
    verdict = look(job, outcome, err); /* somebody may have been faster */
    st = verdict == VERDICT_FETCH ? fetch(job, outcome, err) : err->status;
    unlock_keeper(job);
    return st;
}

enum bearer_status bearer_obtain(struct bearer_context *context, struct bearer_holder *holder,
                                 const struct bearer_demand *demand, struct bearer_outcome *outcome,
                                 struct bearer_error *err)
{
    struct job job = { .context = context, .holder = holder, .demand = *demand, .began = bearer_monotonic() };
    struct bearer_error why = BEARER_ERROR_INIT;
    enum bearer_status st;
    int cancel_state;

    /* A thread that is cancelled halfway would leave locks behind. */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    job.deadline = job.began + holder->account->timeout * 1000;
    if (holder->account->provider->flags & BEARER_WANTS_PASSWORD)
        st = pass_through(&job, outcome, &why);
    else
        st = obtain(&job, outcome, &why);
    pthread_setcancelstate(cancel_state, NULL);
    if (st != BEARER_OK && err != NULL && err->status == BEARER_OK)
        *err = why;
    return st;
}

void bearer_outcome_clear(struct bearer_outcome *outcome)
{
    bearer_secret_clear(&outcome->token);
    *outcome = (struct bearer_outcome)BEARER_OUTCOME_INIT;
}

bool bearer_rejected(struct bearer_context *context, struct bearer_holder *holder, int64_t issued)
{
    struct job job = { .context = context, .holder = holder };
    struct bearer_token state = BEARER_TOKEN_INIT;
    bool dropped = false;

    if ((holder->account->provider->flags & BEARER_WANTS_PASSWORD) || !lock_keeper(&job))
        return false;
    if (copy_state(&job, &state, NULL) == BEARER_OK && state.issued == issued && state.access_token.length > 0 &&
        bearer_token_drop_on_refusal(&state, bearer_now())) {
        bearer_secret_clear(&state.access_token);
        state.dropped = bearer_now();
        commit(&job, &state);
        dropped = true;
    }
    unlock_keeper(&job);
    bearer_token_clear(&state);
    return dropped;
}

/* ------------------------------------------------------------------ looking, signing in and out */

enum bearer_status bearer_peek(struct bearer_context *context, struct bearer_holder *holder, struct bearer_token *token_out,
                               bool *foreign_out, struct bearer_error *err)
{
    const struct bearer_token *token;
    enum bearer_status st;

    bearer_token_clear(token_out);
    if (foreign_out != NULL)
        *foreign_out = false;
    bearer_guard_lock(&context->guard);
    st = bearer_keeper_open(context, holder->keeper, holder->account, false, err);
    if (st == BEARER_OK && holder->keeper->store != NULL &&
        (st = bearer_store_read(holder->keeper->store, &token, err)) == BEARER_OK) {
        if (is_bound(token, holder->account))
            st = bearer_token_copy(token_out, token, err);
        else if (foreign_out != NULL)
            *foreign_out = is_foreign(token, holder->account);
    }
    bearer_guard_unlock(&context->guard);
    return st;
}

void bearer_credential_end_told(struct bearer_context *context, struct bearer_holder *holder)
{
    struct job job = { .context = context, .holder = holder };
    struct bearer_token state = BEARER_TOKEN_INIT;

    if (!lock_keeper(&job))
        return; /* somebody renews it: it is told again */
    if (copy_state(&job, &state, NULL) == BEARER_OK &&
        bearer_token_set_text(&state.binding, holder->account->binding, NULL) == BEARER_OK) {
        state.expiry_told = bearer_now();
        commit(&job, &state);
    }
    unlock_keeper(&job);
    bearer_token_clear(&state);
}

/* Opens the store for a sign-in, making it: before anybody goes to the trouble of signing in. */
static enum bearer_status open_for_sign_in(const struct job *job, struct bearer_error *err)
{
    struct bearer_keeper *keeper = job->holder->keeper;
    enum bearer_status st;

    if (keeper->path == NULL)
        return bearer_fail(err, BEARER_CONFIG,
                           "%s: a sign-in needs a token store to be kept in: set oauth2_token_store to a directory",
                           job->holder->account->origin);
    bearer_guard_lock(&job->context->guard);
    st = bearer_keeper_open(job->context, keeper, job->holder->account, true, err);
    bearer_guard_unlock(&job->context->guard);
    return st;
}

/* Takes the lock within the account's timeout from now. */
static enum bearer_status lock_for_sign_in(struct job *job, struct bearer_error *err)
{
    job->deadline = bearer_monotonic() + job->holder->account->timeout * 1000;
    while (!lock_keeper(job)) {
        if (bearer_monotonic() >= job->deadline)
            return stuck(job, err);
        bearer_sleep(POLL_PAUSE);
    }
    return BEARER_OK;
}

/* Stores what a sign-in brought, in place of whatever was there. */
static enum bearer_status store_sign_in(const struct job *job, struct bearer_token *fresh, struct bearer_error *err)
{
    struct bearer_keeper *keeper = job->holder->keeper;
    enum bearer_status st;

    fresh->signed_in = bearer_now();
    if ((st = bearer_token_set_text(&fresh->binding, job->holder->account->binding, err)) != BEARER_OK)
        return st;
    bearer_guard_lock(&job->context->guard);
    forget_memory(keeper);
    bearer_guard_unlock(&job->context->guard);
    return bearer_store_write(job->locked, fresh, NULL, err);
}

static enum bearer_status check_user(const struct bearer_account *account, const char *user, bool any_user,
                                     struct bearer_error *err)
{
    char *name = user != NULL ? bearer_text_lower(user) : NULL;
    bool same = name == NULL || strcmp(name, account->name) == 0;

    free(name);
    if (same || any_user)
        return BEARER_OK;
    return bearer_fail(err, BEARER_SIGN_IN,
                       "%s signed in, but %s was asked for: sign in as that one, or allow it with --any-user", user,
                       account->name);
}

enum bearer_status bearer_adopt(struct bearer_context *context, struct bearer_holder *holder, const char *refresh_token,
                                bool any_user, struct bearer_error *err)
{
    struct job job = { .context = context, .holder = holder, .began = bearer_monotonic() };
    struct bearer_attempt attempt = { .refresh_token = refresh_token, .identify = true };
    struct bearer_token fresh = BEARER_TOKEN_INIT;
    enum bearer_status st;

    if ((st = open_for_sign_in(&job, err)) != BEARER_OK || (st = lock_for_sign_in(&job, err)) != BEARER_OK)
        return st;
    attempt.deadline = job.deadline;
    st = bearer_fetch(context, holder->account, &attempt, &fresh, err);
    if (st == BEARER_OK)
        st = check_user(holder->account, fresh.user, any_user, err);
    if (st == BEARER_OK && fresh.refresh_token.length == 0)
        st = bearer_secret_set(&fresh.refresh_token, refresh_token, strlen(refresh_token), err);
    if (st == BEARER_OK)
        st = store_sign_in(&job, &fresh, err);
    unlock_keeper(&job);
    bearer_token_clear(&fresh);
    return st;
}

enum bearer_status bearer_sign_in(struct bearer_context *context, struct bearer_holder *holder,
                                  const struct bearer_ceremony *ceremony, bool any_user, struct bearer_error *err)
{
    struct job job = { .context = context, .holder = holder, .began = bearer_monotonic() };
    struct bearer_attempt attempt = { .ceremony = ceremony, .identify = true };
    struct bearer_token fresh = BEARER_TOKEN_INIT;
    enum bearer_status st;

    if ((st = open_for_sign_in(&job, err)) != BEARER_OK)
        return st;
    /* Nobody waits for a person: the lock is taken only once there is something to store. */
    attempt.deadline = job.began + SIGN_IN_TIMEOUT;
    st = bearer_fetch(context, holder->account, &attempt, &fresh, err);
    if (st == BEARER_OK)
        st = check_user(holder->account, fresh.user, any_user, err);
    if (st == BEARER_OK && fresh.refresh_token.length == 0)
        st = bearer_fail(err, BEARER_REFUSED,
                         "the sign-in brought no refresh token: the scope must contain offline_access");
    if (st == BEARER_OK && (st = lock_for_sign_in(&job, err)) == BEARER_OK) {
        st = store_sign_in(&job, &fresh, err);
        unlock_keeper(&job);
    }
    bearer_token_clear(&fresh);
    return st;
}

enum bearer_status bearer_sign_out(struct bearer_context *context, struct bearer_holder *holder, bool *had_out,
                                   struct bearer_error *err)
{
    struct job job = { .context = context, .holder = holder, .began = bearer_monotonic() };
    struct bearer_token nothing = BEARER_TOKEN_INIT;
    const struct bearer_token *token;
    enum bearer_status st;

    *had_out = false;
    bearer_guard_lock(&context->guard);
    st = bearer_keeper_open(context, holder->keeper, holder->account, false, err);
    bearer_guard_unlock(&context->guard);
    if (st != BEARER_OK || holder->keeper->store == NULL || (st = lock_for_sign_in(&job, err)) != BEARER_OK)
        return st;
    bearer_guard_lock(&context->guard);
    forget_memory(holder->keeper);
    st = bearer_store_read(job.locked, &token, err);
    *had_out = st == BEARER_OK && (token->access_token.length > 0 || token->refresh_token.length > 0);
    bearer_guard_unlock(&context->guard);
    /* Twice: the slot before must not keep what was signed out of, nor what a sign-out left that was broken off. */
    for (int slot = 0; slot < 2 && st == BEARER_OK; slot++)
        st = bearer_store_write(job.locked, &nothing, NULL, err);
    unlock_keeper(&job);
    return st;
}
