/* test_kill.c - writers of a token file that are killed: at any instant, and at every system call.
 *
 * KILLS in the environment: how many at random instants.  SEED: which.
 */
#include "tests/fault/killed.h"
#include "tests/fault/numbered.h"
#include "tests/unit/scratch_store.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WRITERS 4

static long read_now(void)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    long number = number_read_path(token_path(), &err);

    if (number == NUMBER_BROKEN)
        fail_msg("the store does not read: %s", err.text);
    return number;
}

static long from_environment(const char *name, long otherwise)
{
    const char *text = getenv(name);

    return text != NULL && text[0] != '\0' ? atol(text) : otherwise;
}

static void pause_for(long microseconds)
{
    struct timespec time = { microseconds / 1000000, microseconds % 1000000 * 1000 };

    nanosleep(&time, NULL);
}

/* A killed writer holds no lock, and the next one can write. */
static void goes_on_after(pid_t killed, long at_least)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);
    long number = number_read(store, &err);

    assert_true(number >= at_least);
    assert_int_not_equal(bearer_store_lock_holder(store), killed);
    assert_true(bearer_store_lock(store));
    if (number_write(store, number + 1, NULL, &err) != BEARER_OK)
        fail_msg("%s", err.text);
    bearer_store_unlock(store);
    bearer_store_free(&store);
    assert_int_equal(read_now(), number + 1);
}

/* ------------------------------------------------------------------ at random instants */

/* Renews for ever, telling each number that is stored. */
static void write_on(const char *path, int reports)
{
    struct bearer_store *store;

    if (bearer_store_open(path, BEARER_STORE_CREATE, &store, NULL) != BEARER_OK)
        _exit(1);
    for (;;) {
        long number;

        if (!bearer_store_lock(store)) {
            pause_for(50);
            continue;
        }
        number = number_read(store, NULL) + 1;
        if (number == NUMBER_BROKEN + 1 || number_write(store, number, NULL, NULL) != BEARER_OK ||
            write(reports, &number, sizeof number) != (ssize_t)sizeof number)
            _exit(1);
        bearer_store_unlock(store);
    }
}

static volatile sig_atomic_t enough;

static void have_enough(int signal_number)
{
    (void)signal_number;
    enough = 1;
}

/* Reads until told to stop: by a store that stays open, and by one that is opened each time.  Exits with 0 if every state was
 * whole and none older than the one before. */
static void read_on(const char *path)
{
    struct bearer_store *store;
    long last = 0, reads = 0;

    signal(SIGTERM, have_enough);
    if (bearer_store_open(path, 0, &store, NULL) != BEARER_OK || store == NULL)
        _exit(1);
    for (; !enough; reads++) {
        long number = reads % 2 ? number_read_path(path, NULL) : number_read(store, NULL);

        if (number < last) {
            fprintf(stderr, "after state %ld a reader%s found %ld\n", last, reads % 2 ? " that opened the file" : "", number);
            _exit(2);
        }
        last = number;
    }
    _exit(reads > 0 && last > 0 ? 0 : 3);
}

struct herd {
    pid_t writers[WRITERS];
    int reports[2];
    long reported; /* the highest number that a writer said is stored */
};

static void begin_writer(struct herd *herd, int which)
{
    const char *path = token_path();

    herd->writers[which] = fork();
    assert_true(herd->writers[which] >= 0);
    if (herd->writers[which] == 0)
        write_on(path, herd->reports[1]);
}

static void kill_writer(struct herd *herd, int which)
{
    int status;

    assert_int_equal(kill(herd->writers[which], SIGKILL), 0);
    assert_int_equal(waitpid(herd->writers[which], &status, 0), herd->writers[which]);
    assert_true(WIFSIGNALED(status)); /* it did not give up by itself */
}

static void hear_reports(struct herd *herd)
{
    long number;

    while (read(herd->reports[0], &number, sizeof number) == (ssize_t)sizeof number)
        if (number > herd->reported)
            herd->reported = number;
}

static void killed_at_any_instant(void **state)
{
    long kills = from_environment("KILLS", 2000), last = 0;
    uint64_t sequence = 0, file_id = 0;
    struct herd herd = { .reported = 0 };
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);
    const char *path = token_path();
    pid_t reader;
    int status;

    (void)state;
    srandom((unsigned)from_environment("SEED", 1));
    assert_int_equal(pipe2(herd.reports, O_CLOEXEC), 0);
    assert_int_equal(fcntl(herd.reports[0], F_SETFL, O_NONBLOCK), 0);
    if ((reader = fork()) == 0)
        read_on(path);
    assert_true(reader > 0);
    for (int which = 0; which < WRITERS; which++)
        begin_writer(&herd, which);

    for (long i = 0; i < kills; i++) {
        int which = (int)(random() % WRITERS);
        struct bearer_store_mark mark;
        long number;

        pause_for(random() % 3000);
        kill_writer(&herd, which);
        hear_reports(&herd);
        number = read_now();
        assert_true(number >= herd.reported); /* nothing that was stored is lost */
        assert_true(number >= last);
        last = number;
        assert_true(number_read(store, NULL) >= 0);
        mark = bearer_store_mark(store);
        assert_true(mark.sequence >= sequence);
        assert_true(file_id == 0 || mark.file_id == file_id);
        sequence = mark.sequence;
        file_id = mark.file_id;
        assert_int_not_equal(bearer_store_lock_holder(store), herd.writers[which]);
        if (i % 100 == 99) { /* all of them: now nobody has the lock */
            for (int other = 0; other < WRITERS; other++)
                if (other != which)
                    kill_writer(&herd, other);
            hear_reports(&herd);
            assert_int_equal(bearer_store_lock_holder(store), 0);
            goes_on_after(herd.writers[which], herd.reported);
            for (int other = 0; other < WRITERS; other++)
                if (other != which)
                    begin_writer(&herd, other);
        }
        begin_writer(&herd, which);
    }
    for (int which = 0; which < WRITERS; which++)
        kill_writer(&herd, which);
    hear_reports(&herd);
    assert_true(herd.reported > 0);
    assert_int_equal(kill(reader, SIGTERM), 0);
    assert_int_equal(waitpid(reader, &status, 0), reader);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    goes_on_after(-1, herd.reported);
    print_message("             %ld kills, %ld states stored\n", kills, herd.reported);
    bearer_store_free(&store);
    close(herd.reports[0]);
    close(herd.reports[1]);
}

/* The same for a file that is only being made: every round begins without one. */
static void killed_while_the_file_is_made(void **state)
{
    long kills = from_environment("KILLS", 2000) / 8;

    (void)state;
    srandom((unsigned)from_environment("SEED", 1));
    for (long i = 0; i < kills; i++) {
        struct herd herd = { .reported = 0 };

        (void)unlink(token_path());
        assert_int_equal(pipe2(herd.reports, O_CLOEXEC), 0);
        assert_int_equal(fcntl(herd.reports[0], F_SETFL, O_NONBLOCK), 0);
        for (int which = 0; which < 2; which++)
            begin_writer(&herd, which);
        pause_for(random() % 4000);
        for (int which = 0; which < 2; which++)
            kill_writer(&herd, which);
        hear_reports(&herd);
        goes_on_after(herd.writers[0], herd.reported);
        close(herd.reports[0]);
        close(herd.reports[1]);
    }
}

/* ------------------------------------------------------------------ at every system call */

/* What a writer does, beginning with what is there. */
struct work {
    const char *name;
    long before; /* the state that is there; NUMBER_EMPTY: no file */
    long writes; /* how many states are added */
    bool empty;  /* there is a file, of no length: its maker was killed */
};

/* One writer's life. */
struct life {
    const struct work *work;
    const char *path;
    int reports[2];
};

/* Adds states; reports each. */
static void work_through(const void *data)
{
    const struct life *life = data;
    const struct work *work = life->work;
    struct bearer_store *store;

    if (bearer_store_open(life->path, BEARER_STORE_CREATE, &store, NULL) != BEARER_OK || !bearer_store_lock(store))
        _exit(1);
    for (long number = work->before + 1; number <= work->before + work->writes; number++)
        if (number_write(store, number, NULL, NULL) != BEARER_OK ||
            write(life->reports[1], &number, sizeof number) != (ssize_t)sizeof number)
            _exit(1);
    bearer_store_unlock(store);
    bearer_store_free(&store);
    _exit(0);
}

static void prepare(const struct work *work)
{
    (void)unlink(token_path());
    if (work->empty)
        scratch_write("store/delegated-bob.token", 0600, "");
    if (work->before > 0) {
        struct bearer_store *store = open_store(BEARER_STORE_CREATE);

        assert_true(bearer_store_lock(store));
        for (long number = 1; number <= work->before; number++)
            assert_int_equal(number_write(store, number, NULL, NULL), BEARER_OK);
        bearer_store_unlock(store);
        bearer_store_free(&store);
    }
}

/* Kills the work at that stop.  *reported_out: the last state that it said is stored. */
static bool kill_at(const struct work *work, long stop, long *reported_out)
{
    struct life life = { .work = work, .path = token_path() };
    bool killed;
    long number;

    *reported_out = work->before;
    assert_int_equal(pipe2(life.reports, O_CLOEXEC | O_NONBLOCK), 0);
    killed = killed_at(stop, work_through, &life);
    while (read(life.reports[0], &number, sizeof number) == (ssize_t)sizeof number)
        *reported_out = number;
    close(life.reports[0]);
    close(life.reports[1]);
    return killed;
}

static void killed_at_every_system_call(void **state)
{
    static const struct work works[] = {
        { "the file is made", NUMBER_EMPTY, 1, false },
        { "an unfinished file is filled", NUMBER_EMPTY, 1, true },
        { "the second slot is filled for the first time", 1, 1, false },
        { "two renewals", 2, 2, false },
        { "two renewals from the other slot", 3, 2, false },
    };
    const struct work *work;

    (void)state;
    for_each_row(work, works) {
        long stop = 0, reported;
        bool killed;

        do {
            long number;

            prepare(work);
            killed = kill_at(work, stop++, &reported);
            number = read_now();
            if (number < reported || number > work->before + work->writes || number > reported + 1)
                fail_msg("%s, killed at stop %ld: state %ld, though %ld was stored", work->name, stop - 1, number, reported);
            goes_on_after(-1, number);
        } while (killed);
        assert_int_equal(reported, work->before + work->writes);
        print_message("             %s: %ld stops\n", work->name, stop - 1);
        assert_true(stop > 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_store_test(killed_at_every_system_call),
        scratch_store_test(killed_at_any_instant),
        scratch_store_test(killed_while_the_file_is_made),
    };

    return run_group("kill", tests);
}
