/* test_store.c - token files: two slots, who may open them, descriptors that hosts meddle with, locks, names. */
#include "credential/clock.h"
#include "credential/crc32c.h"
#include "tests/unit/scratch_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The header as store.h describes it. */
#define HEADER_SIZE   48
#define MAGIC_AT      0
#define BYTE_ORDER_AT 8
#define FORMAT_AT     12
#define FLAGS_AT      14
#define FILE_ID_AT    16
#define SEQUENCE_AT   24
#define LENGTH_AT     32
#define CRC_AT        36

/* ------------------------------------------------------------------ what the system does when told to */

int __real_fsync(int fd);
int __wrap_fsync(int fd);

static unsigned fsyncs_that_fail; /* bit 0: the next call, bit 1: the one after, ... */

int __wrap_fsync(int fd)
{
    bool fails = fsyncs_that_fail & 1;

    fsyncs_that_fail >>= 1;
    if (!fails)
        return __real_fsync(fd);
    errno = EIO;
    return -1;
}

int64_t __real_bearer_monotonic(void);
int64_t __wrap_bearer_monotonic(void);

static int64_t jumped; /* ms that the clock is ahead */

int64_t __wrap_bearer_monotonic(void)
{
    return __real_bearer_monotonic() + jumped;
}

ssize_t __real_pread(int fd, void *bytes, size_t length, off_t offset);
ssize_t __wrap_pread(int fd, void *bytes, size_t length, off_t offset);

static void (*before_each_read)(unsigned read); /* counts from 1; not called for its own reads */
static unsigned reads;

ssize_t __wrap_pread(int fd, void *bytes, size_t length, off_t offset)
{
    void (*hook)(unsigned read) = before_each_read;

    before_each_read = NULL;
    if (hook != NULL)
        hook(++reads);
    before_each_read = hook;
    return __real_pread(fd, bytes, length, offset);
}

/* Long enough for a store to look at everything again. */
static void time_passes(void)
{
    jumped += 2000;
}

/* ------------------------------------------------------------------ helpers */

static int store_begin(void **state)
{
    fsyncs_that_fail = 0;
    jumped = 0;
    before_each_read = NULL;
    reads = 0;
    return scratch_store_begin(state);
}

#define store_test(test) cmocka_unit_test_setup_teardown(test, store_begin, scratch_end)

#define FIELD_HEAD 8 /* bytes before each field of a record */
#define REFRESH "refresh"

/* With a refresh token: what must not be lost. */
static enum bearer_status write_text(struct bearer_store *store, const char *text, bool *stored, struct bearer_error *err)
{
    struct bearer_token token = BEARER_TOKEN_INIT;
    enum bearer_status st = bearer_secret_set(&token.access_token, text, strlen(text), err);

    if (st == BEARER_OK)
        st = bearer_secret_set(&token.refresh_token, REFRESH, strlen(REFRESH), err);
    if (st == BEARER_OK)
        st = bearer_store_write(store, &token, stored, err);
    bearer_token_clear(&token);
    return st;
}

/* Writes a token under the lock. */
static void put(struct bearer_store *store, const char *text)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    bool stored = false;

    assert_true(bearer_store_lock(store));
    if (write_text(store, text, &stored, &err) != BEARER_OK)
        fail_msg("%s", err.text);
    assert_true(stored);
    bearer_store_unlock(store);
}

/* Lends the access token that the store holds. */
static const char *get(struct bearer_store *store)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    const struct bearer_token *token;

    if (bearer_store_read(store, &token, &err) != BEARER_OK)
        fail_msg("%s", err.text);
    return bearer_secret_reveal(&token->access_token);
}

/* The same of a store that is opened for it. */
static const char *get_fresh(void)
{
    struct bearer_store *store = open_store(0);
    const char *text = scratch_text("%s", get(store));

    bearer_store_free(&store);
    assert_null(store);
    return text;
}

static void refuses_to_open(const char *path, unsigned flags, const char *text)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct bearer_store *store = (void *)&err;

    assert_int_equal(bearer_store_open(path, flags, &store, &err), BEARER_LOCAL);
    assert_null(store);
    assert_string_equal(err.text, text);
}

/* The file's bytes. */
struct image {
    unsigned char *bytes;
    size_t length;
};

static struct image image_of(const char *path)
{
    struct image image;

    image.bytes = scratch_read(path, &image.length);
    return image;
}

static unsigned char *slot_of(const struct image *image, int slot)
{
    return image->bytes + (size_t)slot * (image->length / 2);
}

static bool same_slot(const struct image *a, const struct image *b, int slot)
{
    assert_int_equal(a->length, b->length);
    return memcmp(slot_of(a, slot), slot_of(b, slot), a->length / 2) == 0;
}

static uint64_t number_at(const unsigned char *slot, size_t at, size_t size)
{
    uint64_t wide = 0;
    uint32_t narrow;

    if (size == 8) {
        memcpy(&wide, slot + at, size);
        return wide;
    }
    memcpy(&narrow, slot + at, sizeof narrow);
    return narrow;
}

/* Gives a slot the checksum that fits what stands in it. */
static void seal_slot(unsigned char *slot)
{
    size_t length = number_at(slot, LENGTH_AT, 4);
    uint32_t crc;

    memset(slot + CRC_AT, 0, sizeof crc);
    crc = bearer_crc32c(bearer_crc32c(0, slot, HEADER_SIZE), slot + HEADER_SIZE, length);
    memcpy(slot + CRC_AT, &crc, sizeof crc);
}

static void put_image(const struct image *image)
{
    scratch_write_bytes("store/delegated-bob.token", 0600, image->bytes, image->length);
}

/* Our descriptor of a file, as the kernel lists it; -1 if there is none. */
static int descriptor_of(const char *path)
{
    DIR *list = opendir("/proc/self/fd");
    struct stat wanted, status;
    struct dirent *entry;
    int found = -1;

    assert_non_null(list);
    assert_int_equal(stat(path, &wanted), 0);
    while ((entry = readdir(list)) != NULL) {
        int fd = atoi(entry->d_name);

        if (entry->d_name[0] != '.' && fstat(fd, &status) == 0 && status.st_dev == wanted.st_dev &&
            status.st_ino == wanted.st_ino)
            found = fd;
    }
    closedir(list);
    return found;
}

static int descriptors_of(const char *path)
{
    int before = descriptor_of(path), count = 0;

    for (int fd = 0; before >= 0 && fd <= before; fd++) {
        struct stat a, b;

        if (fstat(fd, &a) == 0 && fstat(before, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
            count++;
    }
    return count;
}

/* Runs a function in a child; gives what it returns.  It must not use cmocka's assertions. */
static int in_child(int (*function)(struct bearer_store *store), struct bearer_store *store)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        _exit(function(store));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int can_lock(struct bearer_store *store)
{
    return bearer_store_lock(store);
}

/* The same through a descriptor of the child's own. */
static int can_lock_anew(struct bearer_store *store)
{
    static struct bearer_store *own; /* the lock is kept as long as the child lives */

    return bearer_store_open(bearer_store_name(store), 0, &own, NULL) == BEARER_OK && bearer_store_lock(own);
}

/* Begins a child that runs function, writes one byte when that returned 1, and stays until it is killed. */
static pid_t linger(int (*function)(struct bearer_store *store), struct bearer_store *store)
{
    int pipes[2];
    char ready = 0;
    pid_t child;

    assert_int_equal(pipe(pipes), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        ready = (char)function(store);
        if (write(pipes[1], &ready, 1) == 1)
            for (;;)
                pause();
        _exit(1);
    }
    close(pipes[1]);
    assert_int_equal(read(pipes[0], &ready, 1), 1);
    assert_int_equal(ready, 1);
    close(pipes[0]);
    return child;
}

static void end_child(pid_t child)
{
    int status;

    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
}

/* ------------------------------------------------------------------ two slots */

static void an_absent_file_is_no_store_unless_it_is_to_be_made(void **state)
{
    struct bearer_store *store = (void *)state;
    struct stat status;
    mode_t mask;

    (void)state;
    assert_int_equal(bearer_store_open(token_path(), 0, &store, NULL), BEARER_OK);
    assert_null(store);
    assert_int_equal(access(token_path(), F_OK), -1);
    mask = umask(0);
    store = open_store(BEARER_STORE_CREATE);
    umask(mask);
    assert_string_equal(bearer_store_name(store), token_path());
    assert_string_equal(get(store), "");
    assert_int_equal(stat(token_path(), &status), 0);
    assert_int_equal(status.st_mode, S_IFREG | 0600);
    bearer_store_free(&store);
    assert_null(store);
    bearer_store_free(&store);
}

static void what_is_written_is_read_by_everybody_at_once(void **state)
{
    struct bearer_store *writer = open_store(BEARER_STORE_CREATE), *reader = open_store(0);

    (void)state;
    assert_string_equal(get(reader), "");
    for (int i = 0; i < 5; i++) {
        const char *text = scratch_text("token %d", i);

        put(writer, text);
        assert_string_equal(get(writer), text);
        assert_string_equal(get(reader), text);
        assert_string_equal(get(reader), text);
        assert_string_equal(get_fresh(), text);
    }
    put(reader, "from the other side");
    assert_string_equal(get(writer), "from the other side");
    bearer_store_free(&writer);
    bearer_store_free(&reader);
}

static void writes_alternate_between_the_slots_and_spare_the_current_one(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);
    struct image before, after;
    struct stat first, last;
    uint64_t id = 0;

    (void)state;
    put(store, "token 1");
    assert_int_equal(stat(token_path(), &first), 0);
    before = image_of(token_path());
    for (int i = 1; i < 6; i++) {
        int current = (i - 1) % 2, other = !current;
        const unsigned char *slot = slot_of(&before, current);

        assert_int_equal(number_at(slot, SEQUENCE_AT, 8), i);
        if (i == 1)
            id = number_at(slot, FILE_ID_AT, 8);
        assert_true(id != 0 && number_at(slot, FILE_ID_AT, 8) == id);
        put(store, scratch_text("token %d", i + 1));
        after = image_of(token_path());
        assert_true(same_slot(&before, &after, current));
        assert_false(same_slot(&before, &after, other));
        free(before.bytes);
        before = after;
    }
    free(before.bytes);
    assert_int_equal(stat(token_path(), &last), 0);
    assert_int_equal(last.st_ino, first.st_ino);
    assert_int_equal(last.st_size, first.st_size);
    assert_int_equal(last.st_mode, first.st_mode);
    bearer_store_free(&store);
}

static void a_mark_names_the_state_that_was_read(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE), *other = open_store(0);
    struct bearer_store_mark before, mark;

    (void)state;
    get(store);
    mark = bearer_store_mark(store);
    assert_true(mark.file_id == 0 && mark.sequence == 0);
    for (int i = 0; i < 4; i++) {
        before = mark;
        put(i % 2 ? other : store, "t");
        get(store);
        mark = bearer_store_mark(store);
        assert_true(mark.sequence != before.sequence);
        get(store);
        assert_true(bearer_store_mark(store).sequence == mark.sequence && bearer_store_mark(store).file_id == mark.file_id);
    }
    bearer_store_free(&other);
    bearer_store_free(&store);
}

static void a_new_file_is_all_zeros_but_for_what_was_written(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);
    struct image image;

    (void)state;
    put(store, "t");
    image = image_of(token_path());
    for (size_t i = image.length / 2; i < image.length; i++)
        assert_int_equal(image.bytes[i], 0);
    free(image.bytes);
    bearer_store_free(&store);
}

static void every_file_has_an_id_of_its_own(void **state)
{
    uint64_t ids[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct bearer_store *store = open_store(BEARER_STORE_CREATE);
        struct image image;

        put(store, "t");
        image = image_of(token_path());
        ids[i] = number_at(image.bytes, FILE_ID_AT, 8);
        free(image.bytes);
        bearer_store_free(&store);
        assert_int_equal(unlink(token_path()), 0);
    }
    assert_true(ids[0] != ids[1]);
}

static void nothing_of_what_was_overwritten_twice_stays_in_the_file(void **state)
{
    static char longer[3000];
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);
    struct image image;

    (void)state;
    memset(longer, 'S', sizeof longer - 1);
    put(store, longer);
    put(store, longer);
    put(store, "");
    put(store, "");
    assert_string_equal(get(store), "");
    image = image_of(token_path());
    assert_null(memmem(image.bytes, image.length, "SSSS", 4));
    free(image.bytes);
    bearer_store_free(&store);
}

/* Slot 0 holds "older", slot 1 "newest"; *before is the file before the last write. */
static struct image torn_begin(struct image *before, bool reused)
{
    static char newest[1501];
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);
    struct image after;

    memset(newest, 'n', sizeof newest - 1);
    if (reused) { /* the slot to be torn holds an older record, valid until it is written over */
        put(store, "oldest");
        put(store, "oldest too");
    }
    put(store, "older");
    *before = image_of(token_path());
    put(store, newest);
    after = image_of(token_path());
    bearer_store_free(&store);
    return after;
}

static void a_slot_torn_anywhere_leaves_the_other(void **state)
{
    (void)state;
    for (int reused = 0; reused < 2; reused++) {
        struct image before, after, torn;
        size_t whole = HEADER_SIZE;

        after = torn_begin(&before, reused);
        whole += number_at(slot_of(&after, 1), LENGTH_AT, 4);
        torn = (struct image){ malloc(after.length), after.length };
        assert_non_null(torn.bytes);
        for (size_t cut = 0; cut < whole + 64; cut += 64) {
            struct bearer_store *store;

            memcpy(torn.bytes, before.bytes, torn.length);
            memcpy(slot_of(&torn, 1), slot_of(&after, 1), cut < whole ? cut : whole);
            put_image(&torn);
            store = open_store(0);
            if (cut < whole)
                assert_string_equal(get(store), "older");
            else
                assert_int_equal(strlen(get(store)), 1500);
            put(store, "next"); /* and life goes on */
            assert_string_equal(get(store), "next");
            assert_string_equal(get_fresh(), "next");
            bearer_store_free(&store);
        }
        free(torn.bytes);
        free(before.bytes);
        free(after.bytes);
        assert_int_equal(unlink(token_path()), 0);
    }
}

static void a_slot_with_any_byte_changed_leaves_the_other(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);
    struct image image;
    size_t whole;

    (void)state;
    put(store, "older");
    put(store, "newest");
    bearer_store_free(&store);
    image = image_of(token_path());
    whole = HEADER_SIZE + number_at(slot_of(&image, 1), LENGTH_AT, 4);
    for (size_t i = 0; i < whole; i++) {
        if (i >= BYTE_ORDER_AT && i < FLAGS_AT) /* another kind of slot, see below */
            continue;
        slot_of(&image, 1)[i] ^= 0x40;
        put_image(&image);
        assert_string_equal(get_fresh(), "older");
        slot_of(&image, 1)[i] ^= 0x40;
    }
    put_image(&image);
    assert_string_equal(get_fresh(), "newest");
    free(image.bytes);
}

/* Slot 0 holds "older", slot 1 "newest". */
static struct image two_slots(void)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);

    put(store, "older");
    put(store, "newest");
    bearer_store_free(&store);
    return image_of(token_path());
}

static void a_slot_without_magic_or_sequence_is_none_even_if_its_checksum_is_right(void **state)
{
    static const struct {
        size_t at, length;
        unsigned char bytes[8];
    } table[] = { { MAGIC_AT, 8, "SASLBTK2" }, { MAGIC_AT, 8, { 0 } }, { SEQUENCE_AT, 8, { 0 } } };
    struct image image = two_slots(), changed = { malloc(image.length), image.length };

    (void)state;
    assert_non_null(changed.bytes);
    memcpy(changed.bytes, image.bytes, image.length);
    seal_slot(slot_of(&changed, 1));
    assert_memory_equal(changed.bytes, image.bytes, image.length); /* seal_slot does it right */
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        for (int both = 0; both < 2; both++) {
            memcpy(changed.bytes, image.bytes, image.length);
            for (int slot = !both; slot < 2; slot++) {
                memcpy(slot_of(&changed, slot) + table[i].at, table[i].bytes, table[i].length);
                seal_slot(slot_of(&changed, slot));
            }
            put_image(&changed);
            assert_string_equal(get_fresh(), both ? "" : "older");
        }
    free(changed.bytes);
    free(image.bytes);
}

static void a_slot_of_another_version_or_machine_is_neither_read_nor_overwritten(void **state)
{
    static const struct {
        size_t at, length;
        unsigned char bytes[4];
    } table[] = { { BYTE_ORDER_AT, 4, { 1, 2, 3, 4 } }, { FORMAT_AT, 2, { 7, 7 } } };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        for (int slot = 0; slot < 2; slot++) {
            struct image image = two_slots(), after;
            struct bearer_error err = BEARER_ERROR_INIT;
            const struct bearer_token *token = (void *)&err;
            struct bearer_store *store;
            bool stored = true;

            if (i == 0) { /* the other order, whichever ours is */
                const unsigned char *ours = slot_of(&image, slot) + BYTE_ORDER_AT;
                const unsigned char other[] = { ours[3], ours[2], ours[1], ours[0] };

                memcpy(slot_of(&image, slot) + BYTE_ORDER_AT, other, sizeof other);
            } else {
                memcpy(slot_of(&image, slot) + table[i].at, table[i].bytes, table[i].length);
            }
            seal_slot(slot_of(&image, slot));
            put_image(&image);
            store = open_store(0);
            assert_int_equal(bearer_store_read(store, &token, &err), BEARER_LOCAL);
            assert_null(token);
            assert_text(
                err.text,
                "token file '%s' was written by another version of sasl-bearer or on another kind of machine: move it "
                "away and sign in again",
                token_path());
            assert_true(bearer_store_lock(store));
            assert_int_equal(write_text(store, "mine", &stored, NULL), BEARER_LOCAL);
            assert_false(stored);
            bearer_store_unlock(store);
            after = image_of(token_path());
            assert_true(same_slot(&image, &after, 0) && same_slot(&image, &after, 1));
            free(after.bytes);
            free(image.bytes);
            bearer_store_free(&store);
            assert_int_equal(unlink(token_path()), 0);
        }
}

static void a_record_length_beyond_all_bounds_is_passed_over(void **state)
{
    static const uint32_t lengths[] = { BEARER_RECORD_MAX + 1, 40960, 0x7fffffff, UINT32_MAX };
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);
    struct image image;

    (void)state;
    put(store, "older");
    put(store, "newest");
    bearer_store_free(&store);
    image = image_of(token_path());
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        memcpy(slot_of(&image, 1) + LENGTH_AT, &lengths[i], sizeof lengths[i]);
        put_image(&image);
        assert_string_equal(get_fresh(), "older");
    }
    free(image.bytes);
}

static void a_record_that_makes_no_sense_is_told_by_file(void **state)
{
    struct image image = two_slots();
    struct bearer_error err = BEARER_ERROR_INIT;
    const struct bearer_token *token;
    struct bearer_store *store;

    (void)state;
    memset(slot_of(&image, 1) + HEADER_SIZE + 4, 0xff, 4); /* the first field's length */
    seal_slot(slot_of(&image, 1));
    put_image(&image);
    free(image.bytes);
    store = open_store(0);
    assert_int_equal(bearer_store_read(store, &token, &err), BEARER_LOCAL);
    assert_text(err.text, "token file '%s' cannot be understood: damaged", token_path());
    put(store, "signed in anew"); /* that mends it */
    assert_string_equal(get(store), "signed in anew");
    bearer_store_free(&store);
}

static void a_file_with_anything_else_in_it_reads_as_empty_and_can_be_written(void **state)
{
    static unsigned char noise[100000];
    static const size_t lengths[] = { 0, 1, 47, 48, 49, 4096, 40960, 81919, 81920, 100000 };

    (void)state;
    for (int filled = 0; filled < 2; filled++)
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
            struct bearer_store *store;

            for (size_t k = 0; filled && k < sizeof noise; k++)
                noise[k] = (unsigned char)(k * 7 + 3);
            scratch_write_bytes("store/delegated-bob.token", 0600, noise, lengths[i]);
            store = open_store(0);
            assert_string_equal(get(store), "");
            put(store, "one");
            put(store, "two");
            assert_string_equal(get_fresh(), "two");
            bearer_store_free(&store);
        }
}

static void a_file_cut_to_nothing_reads_as_empty(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);

    (void)state;
    put(store, "one");
    assert_string_equal(get(store), "one");
    assert_int_equal(truncate(token_path(), 0), 0);
    assert_string_equal(get(store), "");
    put(store, "two");
    assert_string_equal(get(store), "two");
    assert_string_equal(get_fresh(), "two");
    bearer_store_free(&store);
}

static void a_token_too_large_leaves_the_state_before(void **state)
{
    static char larger[BEARER_RECORD_MAX + 1];
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);
    bool stored = true;

    (void)state;
    memset(larger, 'x', sizeof larger - 1);
    put(store, "before");
    assert_true(bearer_store_lock(store));
    assert_int_equal(write_text(store, larger, &stored, NULL), BEARER_LOCAL);
    bearer_store_unlock(store);
    assert_false(stored);
    assert_string_equal(get(store), "before");
    assert_string_equal(get_fresh(), "before");
    bearer_store_free(&store);
}

static void the_largest_token_fits_a_slot(void **state)
{
    static char largest[BEARER_RECORD_MAX - 2 * FIELD_HEAD - sizeof REFRESH + 2];
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);

    (void)state;
    memset(largest, 'x', sizeof largest - 1);
    for (int i = 0; i < 3; i++) {
        largest[0] = (char)('a' + i);
        put(store, largest);
        assert_string_equal(get_fresh(), largest);
    }
    bearer_store_free(&store);
}

/* ------------------------------------------------------------------ disks that fail */

static void a_write_that_may_not_survive_is_read_but_given_up_first(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);
    struct bearer_error err = BEARER_ERROR_INIT;
    struct image before, after;
    bool stored = false;

    (void)state;
    put(store, "durable");
    before = image_of(token_path());
    assert_true(bearer_store_lock(store));
    fsyncs_that_fail = 1; /* its own: what was there is known to be on disk */
    assert_int_equal(write_text(store, "volatile", &stored, &err), BEARER_LOCAL);
    assert_true(stored);
    assert_text(err.text, "cannot be sure that token file '%s' survives a power cut: Input/output error", token_path());
    assert_string_equal(get(store), "volatile");
    assert_string_equal(get_fresh(), "volatile");
    assert_int_equal(write_text(store, "next", &stored, NULL), BEARER_OK);
    bearer_store_unlock(store);
    assert_string_equal(get_fresh(), "next");
    after = image_of(token_path());
    assert_true(same_slot(&before, &after, 0)); /* what is surely on the disk is still there */
    free(before.bytes);
    free(after.bytes);
    bearer_store_free(&store);
}

static void a_state_that_may_not_be_on_disk_is_given_up_before_the_one_that_is(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);
    struct image before, after;
    bool stored = false;

    (void)state;
    put(store, "durable");
    put(store, "perhaps");
    bearer_store_free(&store);
    store = open_store(0); /* another process, which does not know */
    before = image_of(token_path());
    assert_true(bearer_store_lock(store));
    fsyncs_that_fail = 3; /* the first of this write: for what is there */
    assert_int_equal(write_text(store, "next", &stored, NULL), BEARER_OK);
    assert_true(stored);
    bearer_store_unlock(store);
    assert_string_equal(get_fresh(), "next");
    after = image_of(token_path());
    assert_true(same_slot(&before, &after, 0));
    free(before.bytes);
    free(after.bytes);
    bearer_store_free(&store);
}

static void a_disk_on_which_nothing_is_sure_still_serves(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);

    (void)state;
    put(store, "first");
    assert_true(bearer_store_lock(store));
    for (int i = 0; i < 4; i++) {
        const char *text = scratch_text("token %d", i);
        bool stored = false;

        fsyncs_that_fail = ~0u;
        assert_int_equal(write_text(store, text, &stored, NULL), BEARER_LOCAL);
        assert_true(stored);
        assert_string_equal(get_fresh(), text);
    }
    fsyncs_that_fail = 0;
    bearer_store_unlock(store);
    bearer_store_free(&store);
}

static void a_file_that_cannot_be_given_its_size_is_taken_away_again(void **state)
{
    struct bearer_store *store;
    struct bearer_error err = BEARER_ERROR_INIT;

    (void)state;
    fsyncs_that_fail = 1;
    assert_int_equal(bearer_store_open(token_path(), BEARER_STORE_CREATE, &store, &err), BEARER_LOCAL);
    assert_null(store);
    assert_text(err.text, "cannot write token file '%s': Input/output error", token_path());
    assert_int_equal(access(token_path(), F_OK), -1);
    store = open_store(BEARER_STORE_CREATE);
    put(store, "one");
    assert_string_equal(get_fresh(), "one");
    bearer_store_free(&store);
}

static void a_file_that_lost_its_size_is_given_it_again(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);
    struct bearer_error err = BEARER_ERROR_INIT;
    struct stat status;
    bool stored = true;

    (void)state;
    assert_int_equal(stat(token_path(), &status), 0);
    assert_int_equal(truncate(token_path(), 10), 0);
    assert_true(bearer_store_lock(store));
    fsyncs_that_fail = 1;
    assert_int_equal(write_text(store, "one", &stored, &err), BEARER_LOCAL);
    assert_false(stored);
    assert_text(err.text, "cannot write token file '%s': Input/output error", token_path());
    bearer_store_unlock(store);
    assert_int_equal(access(token_path(), F_OK), 0);
    put(store, "two");
    assert_string_equal(get_fresh(), "two");
    {
        struct stat after;

        assert_int_equal(stat(token_path(), &after), 0);
        assert_int_equal(after.st_size, status.st_size);
    }
    bearer_store_free(&store);
}

static void a_write_cut_short_leaves_the_state_before(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);
    struct bearer_error err = BEARER_ERROR_INIT;
    struct rlimit whole, cut;
    struct stat status;
    bool stored = true;

    (void)state;
    put(store, "before");
    assert_int_equal(stat(token_path(), &status), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &whole), 0);
    cut = whole;
    cut.rlim_cur = (rlim_t)status.st_size / 2 + 60; /* into the second slot's record */
    signal(SIGXFSZ, SIG_IGN);
    assert_true(bearer_store_lock(store));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &cut), 0);
    assert_int_equal(write_text(store, "a token that does not fit", &stored, &err), BEARER_LOCAL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &whole), 0);
    bearer_store_unlock(store);
    signal(SIGXFSZ, SIG_DFL);
    assert_false(stored);
    assert_text(err.text, "cannot write token file '%s': File too large", token_path());
    assert_string_equal(get(store), "before");
    assert_string_equal(get_fresh(), "before");
    put(store, "after");
    assert_string_equal(get_fresh(), "after");
    bearer_store_free(&store);
}

/* ------------------------------------------------------------------ what is refused */

static void a_file_open_to_others_is_refused(void **state)
{
    static const mode_t modes[] = { 0640, 0660, 0604, 0644, 0666, 0610, 0601, 0620, 0602 };

    (void)state;
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        scratch_write("store/delegated-bob.token", modes[i], "");
        refuses_to_open(token_path(), BEARER_STORE_CREATE,
                        scratch_text("token file '%s' is open to others than its owner: run chmod 600 '%s'", token_path(),
                                     token_path()));
    }
}

static void a_file_with_two_names_is_refused(void **state)
{
    (void)state;
    scratch_write("store/delegated-bob.token", 0600, "");
    assert_int_equal(link(token_path(), scratch_path("other")), 0);
    refuses_to_open(token_path(), BEARER_STORE_CREATE,
                    scratch_text("token file '%s' is not a regular file with one name: move it away", token_path()));
}

static void a_symbolic_link_is_never_followed(void **state)
{
    const char *target = scratch_write("target", 0600, "untouched");
    struct image image;

    (void)state;
    assert_int_equal(symlink(target, token_path()), 0);
    refuses_to_open(token_path(), 0,
                    scratch_text("cannot open token file '%s': Too many levels of symbolic links", token_path()));
    image = image_of(target);
    assert_string_equal((const char *)image.bytes, "untouched");
    free(image.bytes);
    assert_int_equal(unlink(target), 0); /* dangling: nothing is made where it points */
    refuses_to_open(token_path(), BEARER_STORE_CREATE,
                    scratch_text("cannot open token file '%s': Too many levels of symbolic links", token_path()));
    assert_int_equal(access(target, F_OK), -1);
}

static void what_is_no_file_is_refused(void **state)
{
    struct bearer_store *store;

    (void)state;
    assert_int_equal(mkfifo(token_path(), 0600), 0);
    refuses_to_open(token_path(), 0,
                    scratch_text("token file '%s' is not a regular file with one name: move it away", token_path()));
    assert_int_equal(unlink(token_path()), 0);
    assert_int_equal(mkdir(token_path(), 0700), 0);
    assert_int_equal(bearer_store_open(token_path(), BEARER_STORE_CREATE, &store, NULL), BEARER_LOCAL);
    assert_null(store);
}

static void a_directory_that_others_may_write_is_refused(void **state)
{
    static const mode_t modes[] = { 0770, 0702, 0777, 01777 };

    (void)state;
    scratch_write("store/delegated-bob.token", 0600, "");
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        assert_int_equal(chmod(scratch_path("store"), modes[i]), 0);
        refuses_to_open(token_path(), BEARER_STORE_CREATE,
                        scratch_text("token directory '%s' can be written by others than its owner: run chmod go-w '%s'",
                                     scratch_path("store"), scratch_path("store")));
    }
    assert_int_equal(chmod(scratch_path("store"), 0755), 0);
    {
        struct bearer_store *store = open_store(0);

        bearer_store_free(&store);
    }
}

static void a_directory_that_is_absent_holds_no_file_and_none_is_made(void **state)
{
    const char *path = scratch_path("nowhere/delegated-bob.token");
    struct bearer_store *store = (void *)state;

    (void)state;
    assert_int_equal(bearer_store_open(path, 0, &store, NULL), BEARER_OK);
    assert_null(store);
    refuses_to_open(path, BEARER_STORE_CREATE,
                    scratch_text("cannot open token directory '%s': No such file or directory", scratch_path("nowhere")));
}

static void a_file_belongs_to_us_or_to_whom_the_directory_belongs(void **state)
{
    struct bearer_store *store;

    (void)state;
    scratch_write("store/delegated-bob.token", 0600, "");
    if (geteuid() != 0 || chown(token_path(), 12345, (gid_t)-1) != 0)
        skip();
    refuses_to_open(token_path(), 0,
                    scratch_text("token file '%s' belongs to user id 12345: run chown on it", token_path()));
    assert_int_equal(chown(scratch_path("store"), 12345, (gid_t)-1), 0);
    store = open_store(0); /* root looks after it for its owner */
    bearer_store_free(&store);
    assert_int_equal(chown(token_path(), 0, (gid_t)-1), 0);
    store = open_store(0);
    bearer_store_free(&store);
}

static void root_makes_a_file_that_belongs_to_the_directorys_owner(void **state)
{
    struct bearer_store *store;
    struct stat status;

    (void)state;
    if (geteuid() != 0 || chown(scratch_path("store"), 12345, 12346) != 0)
        skip();
    assert_int_equal(chmod(scratch_directory(), 0755), 0);
    store = open_store(BEARER_STORE_CREATE);
    put(store, "t");
    assert_int_equal(stat(token_path(), &status), 0);
    assert_int_equal(status.st_uid, 12345);
    assert_int_equal(status.st_gid, 12346);
    assert_int_equal(status.st_mode, S_IFREG | 0600);
    bearer_store_free(&store);
    scratch_write("afterwards", 0600, ""); /* and is root again */
    assert_int_equal(stat(scratch_path("afterwards"), &status), 0);
    assert_int_equal(status.st_uid, 0);
}

/* ------------------------------------------------------------------ files that come and go */

static void a_file_replaced_by_another_is_opened_by_name(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE), *other;

    (void)state;
    put(store, "one");
    assert_string_equal(get(store), "one");
    assert_int_equal(rename(token_path(), scratch_path("store/aside")), 0);
    other = open_store(BEARER_STORE_CREATE);
    put(other, "two");
    time_passes();
    assert_string_equal(get(store), "two");
    put(store, "three");
    assert_string_equal(get(other), "three");
    bearer_store_free(&other);
    bearer_store_free(&store);
}

static void a_file_that_was_removed_is_told_of_or_made_anew(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);
    struct bearer_error err = BEARER_ERROR_INIT;
    const struct bearer_token *token = (void *)&err;

    (void)state;
    put(store, "one");
    assert_string_equal(get(store), "one");
    assert_int_equal(unlink(token_path()), 0);
    time_passes();
    assert_string_equal(get(store), ""); /* this one may make it */
    put(store, "two");
    assert_string_equal(get_fresh(), "two");
    bearer_store_free(&store);
    store = open_store(0);
    assert_string_equal(get(store), "two");
    assert_int_equal(unlink(token_path()), 0);
    time_passes();
    assert_int_equal(bearer_store_read(store, &token, &err), BEARER_LOCAL);
    assert_null(token);
    assert_text(err.text, "token file '%s' was removed", token_path());
    assert_false(bearer_store_lock(store));
    assert_int_equal(access(token_path(), F_OK), -1);
    bearer_store_free(&store);
}

static void a_file_that_came_back_open_to_others_is_refused(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);
    const struct bearer_token *token;

    (void)state;
    put(store, "one");
    assert_string_equal(get(store), "one");
    assert_int_equal(unlink(token_path()), 0);
    scratch_write("store/delegated-bob.token", 0644, "");
    time_passes();
    assert_int_equal(bearer_store_read(store, &token, NULL), BEARER_LOCAL);
    assert_null(token);
    bearer_store_free(&store);
}

static void a_sealed_store_opens_no_path(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE), *other;
    struct bearer_error err = BEARER_ERROR_INIT;
    const struct bearer_token *token;

    (void)state;
    put(store, "one");
    bearer_store_seal(store);
    assert_int_equal(rename(scratch_path("store"), scratch_path("moved")), 0); /* the path leads nowhere, as in a jail */
    put(store, "two");
    assert_string_equal(get(store), "two");
    assert_int_equal(rename(scratch_path("moved"), scratch_path("store")), 0);
    assert_string_equal(get_fresh(), "two");
    assert_int_equal(unlink(token_path()), 0);
    other = open_store(BEARER_STORE_CREATE);
    put(other, "elsewhere");
    time_passes();
    for (int twice = 0; twice < 2; twice++) {
        bearer_error_clear(&err);
        assert_int_equal(bearer_store_read(store, &token, &err), BEARER_LOCAL);
        assert_text(err.text,
                    "token file '%s' was removed, and this program cannot open the new one: reload it (postfix reload)",
                    token_path());
        assert_false(bearer_store_lock(store));
    }
    assert_string_equal(get(other), "elsewhere");
    bearer_store_free(&other);
    bearer_store_free(&store);
}

static void a_sealed_store_writes_its_first_record_without_a_path(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);

    (void)state;
    bearer_store_seal(store);
    assert_int_equal(rename(scratch_path("store"), scratch_path("moved")), 0);
    assert_string_equal(get(store), "");
    put(store, "one");
    assert_string_equal(get(store), "one");
    assert_int_equal(rename(scratch_path("moved"), scratch_path("store")), 0);
    assert_string_equal(get_fresh(), "one");
    bearer_store_free(&store);
}

/* ------------------------------------------------------------------ hosts that meddle with descriptors */

static void the_descriptor_is_high_and_close_on_exec_and_the_only_one(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);
    int fd = descriptor_of(token_path());

    (void)state;
    assert_true(fd >= 10);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(descriptors_of(token_path()), 1);
    assert_int_equal(descriptor_of(scratch_path("store")), -1); /* a directory's would be a way out of the jail */
    put(store, "t");
    assert_int_equal(descriptors_of(token_path()), 1);
    assert_int_equal(descriptor_of(scratch_path("store")), -1);
    bearer_store_free(&store);
    assert_int_equal(descriptor_of(token_path()), -1);
}

static void a_descriptor_that_the_host_closed_is_opened_again(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);

    (void)state;
    put(store, "one");
    close(descriptor_of(token_path()));
    assert_string_equal(get(store), "one");
    close(descriptor_of(token_path()));
    put(store, "two");
    assert_string_equal(get(store), "two");
    assert_int_equal(descriptors_of(token_path()), 1);
    bearer_store_free(&store);
}

static void a_file_that_the_host_opened_under_our_number_is_never_written_to(void **state)
{
    static const char mail[] = "From: somebody\n";
    struct bearer_error err = BEARER_ERROR_INIT;
    const struct bearer_token *token;

    (void)state;
    for (int sealed = 0; sealed < 2; sealed++) {
        struct bearer_store *store = open_store(BEARER_STORE_CREATE);
        const char *mailbox = scratch_write("mailbox", 0600, mail);
        struct image image;
        int number, fd;

        put(store, "one");
        if (sealed)
            bearer_store_seal(store);
        number = descriptor_of(token_path());
        fd = open(mailbox, O_RDWR);
        assert_int_equal(dup2(fd, number), number); /* closes ours */
        close(fd);
        time_passes();
        if (sealed) {
            assert_int_equal(bearer_store_read(store, &token, &err), BEARER_LOCAL);
            assert_text(err.text, "the program closed token file '%s', which it cannot open again: reload it", token_path());
            assert_false(bearer_store_lock(store));
            assert_int_equal(write_text(store, "stray", NULL, NULL), BEARER_LOCAL);
        } else {
            put(store, "two");
            assert_string_equal(get(store), "two");
        }
        bearer_store_free(&store);
        image = image_of(mailbox);
        assert_string_equal((const char *)image.bytes, mail);
        free(image.bytes);
        assert_true(fcntl(number, F_GETFD) >= 0); /* nor closed */
        close(number);
    }
}

static void a_number_taken_while_the_lock_was_held_is_left_alone(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE), *other = open_store(0);
    const char *mailbox = scratch_write("mailbox", 0600, "mail");
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 2 }, probe = lock;
    int number, fd;

    (void)state;
    bearer_store_free(&other);
    assert_true(bearer_store_lock(store));
    number = descriptor_of(token_path());
    fd = open(mailbox, O_RDWR);
    assert_int_equal(dup2(fd, number), number);
    close(fd);
    assert_int_equal(fcntl(number, F_OFD_SETLK, &lock), 0); /* the host's own lock on its mailbox */
    bearer_store_unlock(store);
    fd = open(mailbox, O_RDWR);
    assert_int_equal(fcntl(fd, F_OFD_GETLK, &probe), 0);
    assert_int_equal(probe.l_type, F_WRLCK);
    close(fd);
    close(number);
    assert_true(bearer_store_lock(store));
    bearer_store_unlock(store);
    bearer_store_free(&store);
}

/* ------------------------------------------------------------------ the lock */

static void two_stores_on_one_file_in_one_process_exclude_each_other(void **state)
{
    struct bearer_store *one = open_store(BEARER_STORE_CREATE), *two = open_store(0);

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_true(bearer_store_lock(one));
        assert_false(bearer_store_lock(two));
        assert_false(bearer_store_lock(two));
        bearer_store_unlock(one);
        assert_true(bearer_store_lock(two));
        assert_false(bearer_store_lock(one));
        bearer_store_unlock(two);
    }
    assert_true(bearer_store_lock(one));
    bearer_store_free(&one); /* its end frees the lock */
    assert_true(bearer_store_lock(two));
    bearer_store_free(&two);
}

static void *lock_in_thread(void *data)
{
    return bearer_store_lock(data) ? data : NULL;
}

static void threads_of_one_store_exclude_each_other(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);
    pthread_t thread;
    void *result;

    (void)state;
    assert_true(bearer_store_lock(store));
    assert_int_equal(pthread_create(&thread, NULL, lock_in_thread, store), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_null(result);
    bearer_store_unlock(store);
    assert_int_equal(pthread_create(&thread, NULL, lock_in_thread, store), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, store);
    bearer_store_free(&store);
}

static void a_forked_child_that_shares_the_descriptor_is_excluded(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);

    (void)state;
    for (int sealed = 0; sealed < 2; sealed++) {
        if (sealed)
            bearer_store_seal(store);
        assert_true(bearer_store_lock(store));
        assert_int_equal(in_child(can_lock, store), 0);
        assert_int_equal(in_child(can_lock_anew, store), 0);
        bearer_store_unlock(store);
        assert_int_equal(in_child(can_lock_anew, store), 1);
        assert_int_equal(in_child(can_lock, store), 1);
        bearer_store_unlock(store);
    }
    bearer_store_free(&store);
}

static void a_childs_attempt_takes_nothing_from_its_parents_lock(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE), *second = open_store(0);

    (void)state;
    assert_true(bearer_store_lock(store));
    assert_int_equal(in_child(can_lock, store), 0);
    assert_false(bearer_store_lock(second)); /* another copy of us in this process */
    assert_int_equal(in_child(can_lock_anew, store), 0);
    bearer_store_unlock(store);
    bearer_store_free(&second);
    bearer_store_free(&store);
}

static void a_killed_holder_frees_the_lock_by_dying(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);
    pid_t child;

    (void)state;
    child = linger(can_lock_anew, store);
    assert_false(bearer_store_lock(store));
    assert_int_equal(bearer_store_lock_holder(store), child);
    end_child(child);
    assert_int_equal(bearer_store_lock_holder(store), 0);
    assert_true(bearer_store_lock(store));
    bearer_store_unlock(store);
    bearer_store_free(&store);
}

static void a_killed_child_that_shared_the_descriptor_frees_the_lock_too(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE), *other = open_store(0);
    pid_t child;

    (void)state;
    child = linger(can_lock, store);
    assert_false(bearer_store_lock(store));
    assert_false(bearer_store_lock(other));
    assert_int_equal(bearer_store_lock_holder(store), child);
    end_child(child);
    assert_true(bearer_store_lock(other)); /* whoever comes first, not only who shared it */
    bearer_store_unlock(other);
    assert_true(bearer_store_lock(store));
    bearer_store_unlock(store);
    bearer_store_free(&other);
    bearer_store_free(&store);
}

static void a_lock_that_the_host_undid_and_another_took_protects_nothing(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);
    struct bearer_error err = BEARER_ERROR_INIT;
    bool stored = true;
    pid_t child;

    (void)state;
    put(store, "before");
    assert_true(bearer_store_lock(store));
    close(open(token_path(), O_RDONLY)); /* ends this process' POSIX locks on it */
    child = linger(can_lock_anew, store);
    assert_int_equal(write_text(store, "mine", &stored, &err), BEARER_LOCAL);
    assert_false(stored);
    assert_text(err.text, "the lock of token file '%s' was lost: Resource temporarily unavailable", token_path());
    bearer_store_unlock(store);
    assert_string_equal(get(store), "before");
    end_child(child);
    put(store, "after");
    assert_string_equal(get_fresh(), "after");
    bearer_store_free(&store);
}

static void a_file_replaced_while_it_is_locked_stays_the_one_that_is_locked(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE), *other;

    (void)state;
    put(store, "one");
    assert_true(bearer_store_lock(store));
    assert_int_equal(unlink(token_path()), 0);
    other = open_store(BEARER_STORE_CREATE);
    put(other, "another file");
    time_passes();
    assert_string_equal(get(store), "one");
    assert_int_equal(write_text(store, "stray", NULL, NULL), BEARER_LOCAL);
    assert_string_equal(get(other), "another file");
    bearer_store_unlock(store);
    time_passes();
    assert_string_equal(get(store), "another file");
    assert_true(bearer_store_lock(store));
    assert_false(bearer_store_lock(other));
    bearer_store_unlock(store);
    bearer_store_free(&other);
    bearer_store_free(&store);
}

static void reading_needs_no_lock(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE), *reader = open_store(0);

    (void)state;
    put(store, "one");
    assert_true(bearer_store_lock(store));
    assert_string_equal(get(reader), "one");
    write_text(store, "two", NULL, NULL);
    assert_string_equal(get(reader), "two");
    bearer_store_unlock(store);
    bearer_store_free(&reader);
    bearer_store_free(&store);
}

static struct bearer_store *meanwhile; /* somebody else's */

/* Writes twice between a reader's look at the headers and at a record, and so overwrites both slots under its hands. */
static void write_in_between(unsigned read)
{
    if (read == 3) {
        put(meanwhile, "written meanwhile");
        put(meanwhile, "and once more");
    }
}

static void a_reader_that_both_slots_change_under_sees_one_of_the_states(void **state)
{
    struct bearer_store *reader;

    (void)state;
    meanwhile = open_store(BEARER_STORE_CREATE);
    put(meanwhile, "one");
    put(meanwhile, "two");
    reader = open_store(0);
    before_each_read = write_in_between;
    assert_string_not_equal(get(reader), "");
    before_each_read = NULL;
    assert_string_equal(get(reader), "and once more");
    bearer_store_free(&reader);
    bearer_store_free(&meanwhile);
}

static void a_write_that_was_seen_half_done_is_seen_whole_at_once(void **state)
{
    struct image before = two_slots(), after, half;
    struct bearer_store *store = open_store(0);

    (void)state;
    put(store, "third");
    after = image_of(token_path());
    bearer_store_free(&store);
    half = (struct image){ malloc(before.length), before.length };
    assert_non_null(half.bytes);
    memcpy(half.bytes, before.bytes, before.length);
    memcpy(slot_of(&half, 0), slot_of(&after, 0), HEADER_SIZE); /* the header is there, the record is not */
    put_image(&half);
    store = open_store(0);
    assert_string_equal(get(store), "newest");
    put_image(&after);
    assert_string_equal(get(store), "third");
    bearer_store_free(&store);
    free(half.bytes);
    free(after.bytes);
    free(before.bytes);
}

#define WRITERS 4
#define ROUNDS  25

/* Counts up under the lock, ROUNDS times. */
static int count_up(struct bearer_store *shared)
{
    struct bearer_token token = BEARER_TOKEN_INIT;
    struct bearer_store *store;
    int done = 0;

    if (bearer_store_open(bearer_store_name(shared), 0, &store, NULL) != BEARER_OK)
        return 1;
    while (done < ROUNDS) {
        const struct bearer_token *seen;
        bool good;

        if (!bearer_store_lock(store)) {
            usleep(200);
            continue;
        }
        good = bearer_store_read(store, &seen, NULL) == BEARER_OK && bearer_token_copy(&token, seen, NULL) == BEARER_OK;
        token.failures++;
        good = good && bearer_store_write(store, &token, NULL, NULL) == BEARER_OK;
        bearer_store_unlock(store);
        if (!good)
            break;
        done++;
    }
    bearer_token_clear(&token);
    bearer_store_free(&store);
    return done == ROUNDS ? 0 : 1;
}

static void processes_that_take_turns_lose_no_write(void **state)
{
    struct bearer_store *store = open_store(BEARER_STORE_CREATE);
    const struct bearer_token *token;
    pid_t children[WRITERS];
    int64_t before = 0;
    int running = WRITERS;

    (void)state;
    put(store, "kept through all of it");
    for (int i = 0; i < WRITERS; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0)
            _exit(count_up(store));
    }
    while (running > 0) { /* a reader among the writers always sees a whole state, and never an older one again */
        int status;

        assert_int_equal(bearer_store_read(store, &token, NULL), BEARER_OK);
        assert_string_equal(bearer_secret_reveal(&token->access_token), "kept through all of it");
        assert_true(token->failures >= before);
        before = token->failures;
        if (waitpid(-1, &status, WNOHANG) > 0) {
            assert_int_equal(status, 0);
            running--;
        }
    }
    assert_int_equal(bearer_store_read(store, &token, NULL), BEARER_OK);
    assert_int_equal(token->failures, WRITERS * ROUNDS);
    bearer_store_free(&store);
}

/* ------------------------------------------------------------------ names and directories */

static void keys_are_encoded_as_the_table_says(void **state)
{
    static const struct {
        const char *provider, *key, *path;
    } table[] = {
        { "delegated", "bob@contoso.com", "/d/delegated-bob@contoso.com.token" },
        { "app_only", "*@contoso.com", "/d/app_only-%2A@contoso.com.token" },
        { "app_only", "*", "/d/app_only-%2A.token" },
        { "delegated", "a+b_c.d@x", "/d/delegated-a+b_c.d@x.token" },
        { "delegated", "../../etc/passwd", "/d/delegated-..%2F..%2Fetc%2Fpasswd.token" },
        { "delegated", "a-b", "/d/delegated-a%2Db.token" },
        { "delegated", "100%", "/d/delegated-100%25.token" },
        { "delegated", "Bob", "/d/delegated-%42ob.token" },
        { "delegated", "j\xc3\xb6rg@x", "/d/delegated-j%C3%B6rg@x.token" },
        { "delegated", "a b;c", "/d/delegated-a%20b%3Bc.token" },
        { "module:acme-2", "k", "/d/module%3Aacme%2D2-k.token" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char *path = bearer_store_path("/d", table[i].provider, table[i].key), *provider, *key;

        assert_string_equal(path, table[i].path);
        assert_true(bearer_store_parse_name(path + 3, &provider, &key));
        assert_string_equal(provider, table[i].provider);
        assert_string_equal(key, table[i].key);
        free(provider);
        free(key);
        free(path);
    }
}

static void every_byte_of_a_key_comes_back(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        const char text[] = { (char)c, 'x', (char)c, '\0' };
        char *path = bearer_store_path("/d", text, text), *provider, *key;

        assert_null(strchr(path + 3, '/'));
        for (const char *p = path; *p != '\0'; p++)
            assert_true(*p > ' ' && *p < 0x7f);
        assert_true(bearer_store_parse_name(path + 3, &provider, &key));
        assert_string_equal(provider, text);
        assert_string_equal(key, text);
        free(provider);
        free(key);
        free(path);
    }
}

static void what_is_no_token_files_name_is_not_taken_for_one(void **state)
{
    static const char *const names[] = { "",
                                         ".",
                                         "..",
                                         ".token",
                                         "-",
                                         "-.token",
                                         "delegated",
                                         "delegated.token",
                                         "delegated-.token",
                                         "delegated-bob",
                                         "delegated-bob.token~",
                                         "delegated-bob.tok",
                                         "delegated-bob%.token",
                                         "delegated-bob%4.token",
                                         "delegated-bob%zz.token",
                                         "delegated-bob%4z.token",
                                         "delegated-%+f.token",
                                         "delegated-% f.token",
                                         "delegated-%00.token",
                                         "delegated-bob%00x.token",
                                         "README" };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *provider = (char *)state, *key = (char *)state;

        if (bearer_store_parse_name(names[i], &provider, &key))
            fail_msg("'%s' is taken for a token file's name", names[i]);
        assert_null(provider);
        assert_null(key);
    }
}

static void a_directory_is_made_for_us_alone_with_its_parents(void **state)
{
    struct stat status;
    mode_t mask = umask(022);

    (void)state;
    assert_int_equal(bearer_store_make_directory(scratch_path("a/b/c"), NULL), BEARER_OK);
    assert_int_equal(stat(scratch_path("a/b/c"), &status), 0);
    assert_int_equal(status.st_mode, S_IFDIR | 0700);
    assert_int_equal(stat(scratch_path("a/b"), &status), 0);
    assert_int_equal(status.st_mode, S_IFDIR | 0755);
    assert_int_equal(bearer_store_make_directory(scratch_path("with/slash/"), NULL), BEARER_OK);
    assert_int_equal(stat(scratch_path("with/slash"), &status), 0);
    assert_int_equal(status.st_mode, S_IFDIR | 0700);
    umask(mask);
}

static void a_directory_that_is_there_stays_as_it_is(void **state)
{
    struct stat status;

    (void)state;
    assert_int_equal(chmod(scratch_path("store"), 0750), 0);
    assert_int_equal(bearer_store_make_directory(scratch_path("store"), NULL), BEARER_OK);
    assert_int_equal(stat(scratch_path("store"), &status), 0);
    assert_int_equal(status.st_mode, S_IFDIR | 0750);
}

static void a_directory_that_cannot_be_made_is_named(void **state)
{
    struct bearer_error err = BEARER_ERROR_INIT;

    (void)state;
    scratch_write("file", 0600, "");
    assert_int_equal(bearer_store_make_directory(scratch_path("file/a/b"), &err), BEARER_LOCAL);
    assert_text(err.text, "cannot make directory '%s': Not a directory", scratch_path("file/a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(an_absent_file_is_no_store_unless_it_is_to_be_made),
        store_test(what_is_written_is_read_by_everybody_at_once),
        store_test(writes_alternate_between_the_slots_and_spare_the_current_one),
        store_test(a_mark_names_the_state_that_was_read),
        store_test(a_new_file_is_all_zeros_but_for_what_was_written),
        store_test(every_file_has_an_id_of_its_own),
        store_test(nothing_of_what_was_overwritten_twice_stays_in_the_file),
        store_test(a_slot_torn_anywhere_leaves_the_other),
        store_test(a_slot_with_any_byte_changed_leaves_the_other),
        store_test(a_slot_without_magic_or_sequence_is_none_even_if_its_checksum_is_right),
        store_test(a_slot_of_another_version_or_machine_is_neither_read_nor_overwritten),
        store_test(a_record_length_beyond_all_bounds_is_passed_over),
        store_test(a_record_that_makes_no_sense_is_told_by_file),
        store_test(a_file_with_anything_else_in_it_reads_as_empty_and_can_be_written),
        store_test(a_file_cut_to_nothing_reads_as_empty),
        store_test(a_token_too_large_leaves_the_state_before),
        store_test(the_largest_token_fits_a_slot),
        store_test(a_write_that_may_not_survive_is_read_but_given_up_first),
        store_test(a_state_that_may_not_be_on_disk_is_given_up_before_the_one_that_is),
        store_test(a_disk_on_which_nothing_is_sure_still_serves),
        store_test(a_file_that_cannot_be_given_its_size_is_taken_away_again),
        store_test(a_file_that_lost_its_size_is_given_it_again),
        store_test(a_write_cut_short_leaves_the_state_before),
        store_test(a_file_open_to_others_is_refused),
        store_test(a_file_with_two_names_is_refused),
        store_test(a_symbolic_link_is_never_followed),
        store_test(what_is_no_file_is_refused),
        store_test(a_directory_that_others_may_write_is_refused),
        store_test(a_directory_that_is_absent_holds_no_file_and_none_is_made),
        store_test(a_file_belongs_to_us_or_to_whom_the_directory_belongs),
        store_test(root_makes_a_file_that_belongs_to_the_directorys_owner),
        store_test(a_file_replaced_by_another_is_opened_by_name),
        store_test(a_file_that_was_removed_is_told_of_or_made_anew),
        store_test(a_file_that_came_back_open_to_others_is_refused),
        store_test(a_sealed_store_opens_no_path),
        store_test(a_sealed_store_writes_its_first_record_without_a_path),
        store_test(the_descriptor_is_high_and_close_on_exec_and_the_only_one),
        store_test(a_descriptor_that_the_host_closed_is_opened_again),
        store_test(a_file_that_the_host_opened_under_our_number_is_never_written_to),
        store_test(a_number_taken_while_the_lock_was_held_is_left_alone),
        store_test(two_stores_on_one_file_in_one_process_exclude_each_other),
        store_test(threads_of_one_store_exclude_each_other),
        store_test(a_forked_child_that_shares_the_descriptor_is_excluded),
        store_test(a_childs_attempt_takes_nothing_from_its_parents_lock),
        store_test(a_killed_holder_frees_the_lock_by_dying),
        store_test(a_killed_child_that_shared_the_descriptor_frees_the_lock_too),
        store_test(a_lock_that_the_host_undid_and_another_took_protects_nothing),
        store_test(a_file_replaced_while_it_is_locked_stays_the_one_that_is_locked),
        store_test(reading_needs_no_lock),
        store_test(a_reader_that_both_slots_change_under_sees_one_of_the_states),
        store_test(a_write_that_was_seen_half_done_is_seen_whole_at_once),
        store_test(processes_that_take_turns_lose_no_write),
        cmocka_unit_test(keys_are_encoded_as_the_table_says),
        cmocka_unit_test(every_byte_of_a_key_comes_back),
        cmocka_unit_test(what_is_no_token_files_name_is_not_taken_for_one),
        store_test(a_directory_is_made_for_us_alone_with_its_parents),
        store_test(a_directory_that_is_there_stays_as_it_is),
        store_test(a_directory_that_cannot_be_made_is_named),
    };

    return run_group("store", tests);
}
