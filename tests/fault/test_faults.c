/* test_faults.c - system calls that fail, one by one: the n-th of each kind, for every n, once or from then on. */
#include "tests/fault/numbered.h"
#include "tests/unit/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ------------------------------------------------------------------ faults */

enum call { CALL_OPEN, CALL_FALLOCATE, CALL_PWRITE, CALL_FSYNC, CALL_FCNTL, CALL_FSTAT, CALL_PREAD, CALLS };

static const char *const call_names[CALLS] = { "open", "fallocate", "pwrite", "fsync", "fcntl", "fstat", "pread" };

static struct fault {
    bool on;
    enum call call;
    int at;       /* the so many-th call fails */
    bool lasting; /* and all after it */
    int error;    /* 0: a pwrite writes only half, and the next nothing if the fault lasts */
    int seen;     /* calls so far */
} fault;

static bool fails(enum call call)
{
    bool now;

    if (!fault.on || call != fault.call)
        return false;
    now = ++fault.seen == fault.at || (fault.lasting && fault.seen > fault.at);
    if (now)
        errno = fault.error;
    return now;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_openat(int directory, const char *path, int flags, ...);
int __wrap_openat(int directory, const char *path, int flags, ...);
int __real_fallocate(int fd, int mode, off_t offset, off_t length);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t length);
ssize_t __real_pwrite(int fd, const void *bytes, size_t length, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t length, off_t offset);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __real_fstat(int fd, struct stat *status);
int __wrap_fstat(int fd, struct stat *status);
ssize_t __real_pread(int fd, void *bytes, size_t length, off_t offset);
ssize_t __wrap_pread(int fd, void *bytes, size_t length, off_t offset);

int64_t __real_bearer_monotonic(void);
int64_t __wrap_bearer_monotonic(void);

static int64_t jumped; /* ms that the clock is ahead */

int64_t __wrap_bearer_monotonic(void)
{
    return __real_bearer_monotonic() + jumped;
}

/* Long enough for a store to look at everything again. */
static void time_passes(void)
{
    jumped += 2000;
}

static mode_t mode_of(int flags, va_list arguments)
{
    return flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
}

int __wrap_open(const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode;

    va_start(arguments, flags);
    mode = mode_of(flags, arguments);
    va_end(arguments);
    return fails(CALL_OPEN) ? -1 : __real_open(path, flags, mode);
}

int __wrap_openat(int directory, const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode;

    va_start(arguments, flags);
    mode = mode_of(flags, arguments);
    va_end(arguments);
    return fails(CALL_OPEN) ? -1 : __real_openat(directory, path, flags, mode);
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t length)
{
    return fails(CALL_FALLOCATE) ? -1 : __real_fallocate(fd, mode, offset, length);
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    if (!fails(CALL_PWRITE))
        return __real_pwrite(fd, bytes, length, offset);
    if (fault.error != 0)
        return -1;
    if (fault.seen == fault.at)
        return __real_pwrite(fd, bytes, (length + 1) / 2, offset);
    errno = ENOSPC;
    return -1;
}

int __wrap_fsync(int fd)
{
    return fails(CALL_FSYNC) ? -1 : __real_fsync(fd);
}

int __wrap_fcntl(int fd, int command, ...)
{
    va_list arguments;
    void *argument;

    va_start(arguments, command);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    return fails(CALL_FCNTL) ? -1 : __real_fcntl(fd, command, argument);
}

int __wrap_fstat(int fd, struct stat *status)
{
    return fails(CALL_FSTAT) ? -1 : __real_fstat(fd, status);
}

ssize_t __wrap_pread(int fd, void *bytes, size_t length, off_t offset)
{
    return fails(CALL_PREAD) ? -1 : __real_pread(fd, bytes, length, offset);
}

/* ------------------------------------------------------------------ helpers */

static int fault_begin(void **state)
{
    int result = scratch_begin(state);

    fault.on = false;
    return result != 0 ? result : mkdir(scratch_path("store"), 0700);
}

#define fault_test(test) cmocka_unit_test_setup_teardown(test, fault_begin, scratch_end)

static char path[200]; /* of the token file */
static char what[200]; /* is done and fails, told when something is wrong */

#define require(condition)                                                                                                  \
    do {                                                                                                                    \
        if (!(condition))                                                                                                   \
            fail_msg("%s: not so: %s", what, #condition);                                                                   \
    } while (0)

static int descriptors(void)
{
    DIR *list = opendir("/proc/self/fd");
    int count = 0;

    assert_non_null(list);
    while (readdir(list) != NULL)
        count++;
    closedir(list);
    return count;
}

static struct bearer_store *open_store(void)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct bearer_store *store;

    if (bearer_store_open(path, BEARER_STORE_CREATE, &store, &err) != BEARER_OK)
        fail_msg("%s: %s", what, err.text);
    return store;
}

/* Writes without faults. */
static void put(struct bearer_store *store, long number)
{
    struct bearer_error err = BEARER_ERROR_INIT;

    require(bearer_store_lock(store));
    if (number_write(store, number, NULL, &err) != BEARER_OK)
        fail_msg("%s: afterwards %s", what, err.text);
    bearer_store_unlock(store);
}

/* The file as it was before, and a store of it. */
static struct bearer_store *prepare(long states, bool volatile_too)
{
    struct bearer_store *store;

    (void)unlink(path);
    store = open_store();
    for (long number = 1; number <= states; number++)
        put(store, number);
    bearer_store_free(&store); /* what follows is another process', which does not know what is on disk */
    store = open_store();
    if (volatile_too) {
        bool stored = false;

        require(bearer_store_lock(store));
        fault = (struct fault){ true, CALL_FSYNC, 2, false, EIO, 0 };
        require(number_write(store, states + 1, &stored, NULL) == BEARER_LOCAL && stored);
        fault.on = false;
        bearer_store_unlock(store);
    }
    return store;
}

/* Does something under every fault: with each kind of call, each error, each n, once and lasting.  Where no call was left to
 * fail, n has come to its end. */
static void under_every_fault(const char *name, bool (*round)(bool must_succeed))
{
    static const int errors[] = { ENOSPC, EIO, EMFILE, EACCES, EINTR, 0 };
    int rounds = 0;

    snprintf(path, sizeof path, "%s", scratch_path("store/delegated-bob.token"));
    for (enum call call = 0; call < CALLS; call++)
        for (size_t e = 0; e < sizeof errors / sizeof *errors; e++)
            for (int lasting = 0; lasting < 2; lasting++) {
                bool reached = true;

                if ((errors[e] == EINTR && lasting) || (errors[e] == 0 && call != CALL_PWRITE))
                    continue;
                for (int n = 1; reached; n++, rounds++) {
                    /* What is interrupted is done again; what wrote half goes on. */
                    bool passes = !lasting && (errors[e] == 0 || (errors[e] == EINTR && call != CALL_OPEN &&
                                                                  call != CALL_FCNTL && call != CALL_FSTAT));

                    fault = (struct fault){ false, call, n, lasting, errors[e], 0 };
                    snprintf(what, sizeof what, "%s, %s no. %d%s: %s", name, call_names[call], n, lasting ? " and on" : "",
                             errors[e] == 0 ? "writes half" : strerror(errors[e]));
                    reached = round(passes);
                    require(n < 200);
                }
            }
    print_message("             %s: %d faults\n", name, rounds);
}

static void begin_faults(struct fault *plan)
{
    fault = *plan;
    fault.on = true;
}

static bool end_faults(void)
{
    fault.on = false;
    return fault.seen >= fault.at;
}

/* An error names the file, or its directory, and a reason. */
static bool explains(const struct bearer_error *err)
{
    char directory[sizeof path];

    snprintf(directory, sizeof directory, "%.*s'", (int)(strrchr(path, '/') - path), path);
    return strstr(err->text, path) != NULL || strstr(err->text, directory) != NULL;
}

/* ------------------------------------------------------------------ making a file */

static bool make_file(bool must_succeed)
{
    struct fault plan = fault;
    struct bearer_error err = BEARER_ERROR_INIT;
    struct bearer_store *store;
    struct stat status;
    enum bearer_status st;
    bool reached;
    int before;

    fault.on = false;
    (void)unlink(path);
    before = descriptors();
    begin_faults(&plan);
    st = bearer_store_open(path, BEARER_STORE_CREATE, &store, &err);
    reached = end_faults();
    require(st == BEARER_OK || (st == BEARER_LOCAL && store == NULL && explains(&err)));
    require(st == BEARER_OK || (reached && !must_succeed));
    if (st != BEARER_OK) {
        require(plan.call == CALL_FSTAT || descriptors() == before);
        /* None is left but where nothing was wrong with the disk: nobody could lock it, or have a descriptor of it. */
        require(stat(path, &status) != 0 || plan.call >= CALL_FCNTL || plan.call == CALL_OPEN);
        store = open_store();
    }
    require(number_read(store, &err) == NUMBER_EMPTY);
    put(store, 1);
    require(number_read_path(path, &err) == 1);
    bearer_store_free(&store);
    return reached;
}

static void a_file_that_cannot_be_made_is_not_left_behind(void **state)
{
    (void)state;
    under_every_fault("making a file", make_file);
}

/* ------------------------------------------------------------------ writing */

static long states_before;
static bool volatile_before;

/* Writes one state more.  Readers then have the old state or the new; which one, and why, the writer was told; the next write
 * is as good as any. */
static bool write_state(bool must_succeed)
{
    struct fault plan = fault;
    struct bearer_error err = BEARER_ERROR_INIT;
    struct bearer_store *store, *reader;
    long old = states_before + volatile_before, found;
    enum bearer_status st;
    bool reached, stored = false;

    fault.on = false;
    store = prepare(states_before, volatile_before);
    reader = open_store();
    require(number_read(reader, NULL) == old);
    require(bearer_store_lock(store));
    begin_faults(&plan);
    st = number_write(store, old + 1, &stored, &err);
    reached = end_faults();
    bearer_store_unlock(store);
    require(st == BEARER_OK || (st == BEARER_LOCAL && explains(&err)));
    require(st == BEARER_OK || (reached && !must_succeed));
    require(st != BEARER_OK || stored);
    found = number_read_path(path, &err);
    /* What may not be on the disk gives way to what may be once more; where nothing more can be written, to neither. */
    if (volatile_before && !stored && plan.error == 0 && found == states_before)
        found = old;
    else if (found != (stored ? old + 1 : old))
        fail_msg("%s: state %ld is found; %ld was there before, and %s stored", what, found, old, stored ? "another" : "none");
    time_passes(); /* a slot that was overwritten in place is noticed in the end */
    require(number_read(reader, &err) == number_read_path(path, NULL));
    bearer_store_free(&store);
    store = open_store(); /* a descriptor that fstat failed on is given up */
    put(store, old + 2);
    require(number_read_path(path, &err) == old + 2);
    time_passes();
    require(number_read(reader, &err) == old + 2);
    bearer_store_free(&store);
    bearer_store_free(&reader);
    return reached;
}

static void readers_see_the_old_state_or_the_new_one(void **state)
{
    static const char *const names[] = { "the first state", "the second", "the third", "the fourth" };

    (void)state;
    volatile_before = false;
    for (states_before = 0; states_before < 4; states_before++)
        under_every_fault(names[states_before], write_state);
}

static void readers_see_it_where_the_old_one_may_not_be_on_disk(void **state)
{
    (void)state;
    volatile_before = true;
    for (states_before = 0; states_before < 3; states_before++)
        under_every_fault("a state after a volatile one", write_state);
}

/* ------------------------------------------------------------------ reading */

static bool read_state(bool must_succeed)
{
    struct fault plan = fault;
    struct bearer_error err = BEARER_ERROR_INIT;
    struct bearer_store *store = prepare(2, false), *other;
    enum bearer_status st;
    bool reached;
    long number = NUMBER_BROKEN;

    begin_faults(&plan);
    st = bearer_store_open(path, 0, &other, &err);
    if (st == BEARER_OK)
        number = other != NULL ? number_read(other, &err) : NUMBER_EMPTY;
    reached = end_faults();
    require(number == 2 || (number == NUMBER_BROKEN && err.status == BEARER_LOCAL && explains(&err) && reached &&
                            !must_succeed));
    if (other != NULL)
        require(number_read(other, &err) == 2);
    bearer_store_free(&other);

    fault = plan;
    put(store, 3);
    begin_faults(&plan);
    bearer_error_clear(&err);
    number = number_read(store, &err);
    reached |= end_faults();
    require(number == 3 || (number == NUMBER_BROKEN && err.status == BEARER_LOCAL && explains(&err) && !must_succeed));
    require(number_read(store, &err) == 3);
    bearer_store_free(&store);
    return reached;
}

static void what_cannot_be_read_is_not_taken_for_empty(void **state)
{
    (void)state;
    under_every_fault("reading", read_state);
}

/* ------------------------------------------------------------------ the lock */

static bool lock_and_unlock(bool must_succeed)
{
    struct fault plan = fault;
    struct bearer_store *store = prepare(1, false);
    bool reached, locked;

    (void)must_succeed;
    begin_faults(&plan);
    locked = bearer_store_lock(store);
    reached = end_faults();
    if (locked) {
        require(number_write(store, 2, NULL, NULL) == BEARER_OK);
        bearer_store_unlock(store);
    }
    put(store, 3); /* a lock that was not had is not in the way */
    require(number_read_path(path, NULL) == 3);
    bearer_store_free(&store);
    return reached;
}

static void a_lock_that_failed_is_free(void **state)
{
    (void)state;
    under_every_fault("locking", lock_and_unlock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fault_test(a_file_that_cannot_be_made_is_not_left_behind),
        fault_test(readers_see_the_old_state_or_the_new_one),
        fault_test(readers_see_it_where_the_old_one_may_not_be_on_disk),
        fault_test(what_cannot_be_read_is_not_taken_for_empty),
        fault_test(a_lock_that_failed_is_free),
    };

    return run_group("faults", tests);
}
