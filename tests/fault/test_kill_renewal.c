/* test_kill_renewal.c - processes that are killed at every system call of a whole renewal, of a sign-in, of a sign-out: from
 * reading sasl.conf to the end.
 *
 * The identity provider is in here.  Each refresh token is good for one more; which it gave out last stands in memory that
 * it shares with those who are killed.  It gives out states of numbered.h: refresh token N comes with access token N.
 */
#include "credential/clock.h"
#include "credential/context.h"
#include "credential/providers.h"
#include "tests/fault/killed.h"
#include "tests/fault/numbered.h"
#include "tests/unit/scratch_store.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LIFETIME 3600 /* of an access token, seconds */

/* Processes under AddressSanitizer are slow to fork: there, not at every system call. */
#ifdef __SANITIZE_ADDRESS__
#define STEP 5
#else
#define STEP 1
#endif

/* ------------------------------------------------------------------ time */

int64_t __wrap_bearer_now(void);

static int64_t the_time;

int64_t __wrap_bearer_now(void)
{
    return the_time;
}

/* ------------------------------------------------------------------ the identity provider */

struct identity_provider {
    bool single_use; /* a refresh token is good once; else the old one stays good */
    long issued;     /* the newest refresh token */
    bool stored;     /* whoever asked last came to the end of storing the answer */
};

static struct identity_provider *idp; /* shared with children */

/* Where a process can be killed while a message is on its way. */
static void on_its_way(void)
{
    (void)poll(NULL, 0, 0);
}

static enum bearer_status grant_state(const struct bearer_request *request, long number)
{
    struct bearer_token state;

    if (number_make(number, &state, NULL) != BEARER_OK)
        _exit(1);
    request->grant(request->context, &(struct bearer_grant){ .access_token = bearer_secret_reveal(&state.access_token),
                                                             .refresh_token = bearer_secret_reveal(&state.refresh_token),
                                                             .lifetime = LIFETIME });
    bearer_token_clear(&state);
    return BEARER_OK;
}

static enum bearer_status answer(const struct bearer_request *request)
{
    static const struct bearer_failure used = { BEARER_SIGN_IN, "invalid_grant", 0, "the refresh token was used before" };
    long shown = strtol(request->refresh_token + 1, NULL, 10);

    on_its_way();
    if (idp->single_use && shown < idp->issued) {
        (request->fail)(request->context, &used); /* which is a macro of cmocka.h, too */
        return used.status;
    }
    idp->issued++;
    on_its_way();
    return grant_state(request, idp->issued);
}

static const struct bearer_provider provider = {
    .abi = BEARER_PROVIDER_ABI, .name = "delegated", .flags = BEARER_PER_IDENTITY, .fetch = answer
};

enum bearer_status __wrap_bearer_provider_load(const char *directory, const char *oauth2_provider, unsigned flags,
                                               const struct bearer_provider **provider_out, struct bearer_error *err);
enum bearer_status __real_bearer_store_write(struct bearer_store *store, const struct bearer_token *token, bool *stored_out,
                                             struct bearer_error *err);
enum bearer_status __wrap_bearer_store_write(struct bearer_store *store, const struct bearer_token *token, bool *stored_out,
                                             struct bearer_error *err);

enum bearer_status __wrap_bearer_provider_load(const char *directory, const char *oauth2_provider, unsigned flags,
                                               const struct bearer_provider **provider_out, struct bearer_error *err)
{
    (void)directory;
    *provider_out = strcmp(oauth2_provider, provider.name) == 0 && flags == provider.flags ? &provider : NULL;
    return *provider_out != NULL ? BEARER_OK : bearer_fail(err, BEARER_CONFIG, "no provider %s here", oauth2_provider);
}

enum bearer_status __wrap_bearer_store_write(struct bearer_store *store, const struct bearer_token *token, bool *stored_out,
                                             struct bearer_error *err)
{
    enum bearer_status st = __real_bearer_store_write(store, token, stored_out, err);

    idp->stored = st == BEARER_OK;
    return st;
}

/* ------------------------------------------------------------------ what bob does, each time in a process of its own */

typedef enum bearer_status act(struct bearer_context *context, struct bearer_holder *bob, struct bearer_error *err);

static enum bearer_status obtain(struct bearer_context *context, struct bearer_holder *bob, unsigned flags,
                                 struct bearer_error *err)
{
    const struct bearer_demand demand = { .flags = flags };
    struct bearer_outcome outcome = BEARER_OUTCOME_INIT;
    enum bearer_status st = bearer_obtain(context, bob, &demand, &outcome, err);

    bearer_outcome_clear(&outcome);
    return st;
}

static enum bearer_status logs_in(struct bearer_context *context, struct bearer_holder *bob, struct bearer_error *err)
{
    return obtain(context, bob, 0, err);
}

static enum bearer_status renews(struct bearer_context *context, struct bearer_holder *bob, struct bearer_error *err)
{
    return obtain(context, bob, BEARER_OBTAIN_RENEW, err);
}

static enum bearer_status signs_in(struct bearer_context *context, struct bearer_holder *bob, struct bearer_error *err)
{
    struct bearer_token state;
    enum bearer_status st = number_make(++idp->issued, &state, err);

    if (st == BEARER_OK)
        st = bearer_adopt(context, bob, bearer_secret_reveal(&state.refresh_token), true, err);
    bearer_token_clear(&state);
    return st;
}

static enum bearer_status signs_out(struct bearer_context *context, struct bearer_holder *bob, struct bearer_error *err)
{
    bool had;

    return bearer_sign_out(context, bob, &had, err);
}

static const char *conf_directory;

/* From nothing but the files. */
static enum bearer_status does(act *deed, struct bearer_error *err)
{
    const struct bearer_setup setup = { .places = { .system_path = conf_directory } };
    struct bearer_context *context = NULL;
    struct bearer_holder *bob;
    enum bearer_status st;

    if ((st = bearer_context_new(&setup, &context, err)) == BEARER_OK &&
        (st = bearer_context_find(context, "bob", &bob, err)) == BEARER_OK)
        st = deed(context, bob, err);
    bearer_context_free(&context);
    return st;
}

static void does_well(act *deed)
{
    struct bearer_error err = BEARER_ERROR_INIT;

    if (does(deed, &err) != BEARER_OK)
        fail_msg("%s", err.text);
}

static void in_a_child(const void *data)
{
    act *const *deed = data;
    struct bearer_error err = BEARER_ERROR_INIT;

    if (does(*deed, &err) == BEARER_OK)
        _exit(0);
    fprintf(stderr, "%s\n", err.text);
    _exit(1);
}

/* ------------------------------------------------------------------ the store */

/* The state's number; the tokens tell it, each all over. */
static long number_of_tokens(const struct bearer_token *token)
{
    struct bearer_token state = *token; /* borrows */

    state.issued = token->refresh_token.length > 0 ? strtol(bearer_secret_reveal(&token->refresh_token) + 1, NULL, 10) : 0;
    return number_of(&state);
}

/* What another process finds: NUMBER_EMPTY or a whole state, and a lock that nobody holds. */
static long found(void)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    const struct bearer_token *token;
    struct bearer_store *store;
    long number;

    if (bearer_store_open(token_path(), 0, &store, &err) != BEARER_OK)
        fail_msg("the store does not open: %s", err.text);
    if (store == NULL)
        return NUMBER_EMPTY;
    if (bearer_store_read(store, &token, &err) != BEARER_OK)
        fail_msg("the store does not read: %s", err.text);
    number = number_of_tokens(token);
    assert_int_not_equal(number, NUMBER_BROKEN);
    assert_int_equal(bearer_store_lock_holder(store), 0);
    assert_true(bearer_store_lock(store));
    bearer_store_unlock(store);
    bearer_store_free(&store);
    return number;
}

/* There is the token file, or not even that; nothing was left beside it. */
static void nothing_is_left_about(void)
{
    DIR *list = opendir(scratch_path("store"));
    struct dirent *entry;

    assert_non_null(list);
    while ((entry = readdir(list)) != NULL)
        if (entry->d_name[0] != '.' || strlen(entry->d_name) > 2)
            assert_string_equal(entry->d_name, strrchr(token_path(), '/') + 1);
    closedir(list);
}

static bool killed_while(act *deed, long stop)
{
    bool killed;

    idp->stored = false;
    killed = killed_at(stop, in_a_child, &deed);
    nothing_is_left_about();
    return killed;
}

/* A state of store and identity provider to begin with, as often as there are system calls. */
struct beginning {
    unsigned char *bytes; /* of the token file; NULL = there is none */
    size_t length;
    long number;
};

static struct beginning remember(void)
{
    struct beginning beginning = { NULL, 0, found() };

    if (access(token_path(), F_OK) == 0)
        beginning.bytes = scratch_read(token_path(), &beginning.length);
    return beginning;
}

static void begin_again(const struct beginning *beginning)
{
    (void)unlink(token_path());
    if (beginning->bytes != NULL)
        scratch_write_bytes("store/delegated-bob.token", 0600, beginning->bytes, beginning->length);
    idp->issued = beginning->number;
}

/* ------------------------------------------------------------------ tests */

static int renewal_begin(void **state)
{
    if (scratch_store_begin(state) != 0)
        return -1;
    scratch_write("conf/sasl.conf", 0600,
                  scratch_text("[bob]\noauth2_tenant: example.org\noauth2_client_id: 0c1d\noauth2_token_store: %s\n",
                               scratch_path("store")));
    conf_directory = scratch_path("conf");
    the_time = 1700000000;
    idp = mmap(NULL, sizeof *idp, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return idp != MAP_FAILED ? 0 : -1;
}

static int renewal_end(void **state)
{
    munmap(idp, sizeof *idp);
    return scratch_end(state);
}

#define renewal_test(test) cmocka_unit_test_setup_teardown(test, renewal_begin, renewal_end)

/* A renewal, and where it begins. */
struct renewal {
    const char *name;
    long renewals; /* that went before: another slot is current */
    int64_t age;   /* of the access token, seconds */
    bool single_use;
};

/* What was found after a kill. */
struct tally {
    long stops;
    long lost;    /* the identity provider had answered, and the old refresh token is all there is */
    bool renewed; /* the new one was found, at last */
};

/* The refresh token is the old one or the new one: the new one for certain once it was stored, the old one for certain until
 * it was answered with a new one. */
static void judge(const struct renewal *renewal, long old, struct tally *tally)
{
    long number = found();
    bool answered = idp->issued > old;

    if (number != old && (number != old + 1 || !answered))
        fail_msg("%s, killed at stop %ld: state %ld, after %ld", renewal->name, tally->stops, number, old);
    if (number == old && idp->stored)
        fail_msg("%s, killed at stop %ld: the new refresh token was stored, and is not there", renewal->name, tally->stops);
    tally->renewed = number != old;
    tally->lost += answered && number == old;
}

/* The next process renews at once; or, where its refresh token was used up, says who must act and keeps what there is. */
static void goes_on(const struct renewal *renewal, long old, const struct tally *tally)
{
    bool used_up = idp->single_use && found() < idp->issued;
    struct bearer_error err = BEARER_ERROR_INIT;
    enum bearer_status st = does(renews, &err);

    if (st != (used_up ? BEARER_SIGN_IN : BEARER_OK))
        fail_msg("%s, killed at stop %ld: afterwards: %s", renewal->name, tally->stops, err.text);
    assert_int_equal(found(), used_up ? old : idp->issued);
}

static void prepare_renewal(const struct renewal *renewal)
{
    (void)unlink(token_path());
    *idp = (struct identity_provider){ .single_use = renewal->single_use };
    does_well(signs_in);
    for (long i = 0; i < renewal->renewals; i++)
        does_well(renews);
    the_time += renewal->age;
}

static void a_renewal_killed_at_every_system_call(void **state)
{
    static const struct renewal renewals[] = {
        { "an old refresh token that stays good", 0, 2 * LIFETIME, false },
        { "a refresh token that is good once", 0, 2 * LIFETIME, true },
        { "a refresh token that is good once, from the other slot", 1, 2 * LIFETIME, true },
        { "an access token that is still good", 1, LIFETIME * 9 / 10, true },
    };
    const struct renewal *renewal;

    (void)state;
    for_each_row(renewal, renewals) {
        struct tally tally = { .stops = 0 };
        struct beginning beginning;
        bool killed;

        prepare_renewal(renewal);
        beginning = remember();
        do {
            begin_again(&beginning);
            killed = killed_while(logs_in, tally.stops);
            judge(renewal, beginning.number, &tally);
            goes_on(renewal, beginning.number, &tally);
            tally.stops += killed ? STEP : 0;
        } while (killed);
        free(beginning.bytes);
        assert_true(tally.renewed);
        assert_true(tally.lost > 0);
        print_message("             %s: %ld stops, at %ld the answer is lost\n", renewal->name, tally.stops, tally.lost);
    }
}

/* Kills a sign-in at every system call, and has bob sign in again. */
static void kill_sign_ins(const char *name)
{
    struct beginning beginning = remember();
    bool killed = true, done = false;
    long stops;

    for (stops = 0; killed; stops += killed ? STEP : 0) {
        long number;

        begin_again(&beginning);
        killed = killed_while(signs_in, stops);
        number = found();
        /* What he brings is one more, and is exchanged for another. */
        if (number != beginning.number && (number != beginning.number + 2 || number != idp->issued))
            fail_msg("%s, killed at stop %ld: state %ld", name, stops, number);
        if (number == beginning.number && idp->stored)
            fail_msg("%s, killed at stop %ld: the sign-in was stored, and is not there", name, stops);
        done = number != beginning.number;
        does_well(signs_in);
        does_well(renews);
        assert_int_equal(found(), idp->issued);
    }
    free(beginning.bytes);
    assert_true(done);
    print_message("             %s: %ld stops\n", name, stops);
}

static void a_sign_in_killed_at_every_system_call(void **state)
{
    (void)state;
    idp->single_use = true;
    kill_sign_ins("the first sign-in");
    scratch_write("store/delegated-bob.token", 0600, "");
    kill_sign_ins("the first sign-in, after one that was killed");
    does_well(signs_in);
    kill_sign_ins("another sign-in");
}

/* No part of a token is anywhere in the file. */
static void nothing_is_legible(const char *name, long stop)
{
    size_t length;
    unsigned char *bytes = scratch_read(token_path(), &length);

    for (long number = 1; number <= idp->issued; number++) {
        const char *part = scratch_text("%ld-r%ld-r", number, number);

        if (memmem(bytes, length, part, strlen(part)) != NULL)
            fail_msg("%s, killed at stop %ld: refresh token %ld is still in the file", name, stop, number);
    }
    free(bytes);
}

static void a_sign_out_killed_at_every_system_call(void **state)
{
    struct beginning beginning;
    bool killed = true, done = false;
    long stops;

    (void)state;
    does_well(signs_in);
    does_well(renews);
    beginning = remember();
    for (stops = 0; killed; stops += killed ? STEP : 0) {
        struct bearer_error err = BEARER_ERROR_INIT;
        long number;

        begin_again(&beginning);
        killed = killed_while(signs_out, stops);
        number = found();
        assert_true(number == beginning.number || number == NUMBER_EMPTY);
        assert_true(number == NUMBER_EMPTY || !idp->stored);
        done = number == NUMBER_EMPTY;
        does_well(signs_out);
        assert_int_equal(found(), NUMBER_EMPTY);
        nothing_is_legible("a sign-out, and another", stops);
        assert_int_equal(does(logs_in, &err), BEARER_SIGN_IN);
        does_well(signs_in);
    }
    free(beginning.bytes);
    assert_true(done);
    print_message("             %ld stops\n", stops);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        renewal_test(a_renewal_killed_at_every_system_call),
        renewal_test(a_sign_in_killed_at_every_system_call),
        renewal_test(a_sign_out_killed_at_every_system_call),
    };

    return run_group("kill_renewal", tests);
}
