/* test_power_cut.c - a model of power cuts.
 *
 * What writers do to the file is recorded sector by sector.  What was written and not yet synchronised may be on the disk or
 * not, each sector by itself; the sector with a slot's header may be torn at any byte.  What was pending when an fsync failed
 * may never get there, whatever a later fsync says.  After each step of each history, every such disk is given to the real
 * code: it must read, and hold the last state of which a writer was told that it is stored, or a newer one.  In place of a state
 * without a refresh token there may be an older one of that kind or none, but no refresh token comes back.
 */
#include "tests/fault/numbered.h"
#include "tests/unit/scratch_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512
#define SECTORS 160 /* of the file */
#define SLOT_SECTORS (SECTORS / 2)
#define HEADER_SIZE 48
#define VERSIONS 8    /* of one sector that may be on the disk */
#define IMAGES_MOST 512 /* that are tried at one step; of more, so many at random */

/* ------------------------------------------------------------------ the disk */

struct sector {
    unsigned char cached[SECTOR]; /* what the system shows */
    unsigned char versions[VERSIONS][SECTOR];
    int count;  /* of versions that may be on the disk */
    bool dirty; /* the next fsync that succeeds writes it */
};

static struct disk {
    struct sector sectors[SECTORS];
} disk;

/* ------------------------------------------------------------------ the writer under test */

enum fsync_plan { PLAN_OK, PLAN_FIRST_FAILS, PLAN_SECOND_FAILS, PLAN_BOTH_FAIL, PLANS };

#define NEVER 99

static struct {
    bool on;
    enum fsync_plan plan;
    int dies_at; /* before its so many-th pwrite or fsync; NEVER */
    int step;
    int fsyncs;
    long durable;      /* of which a writer was told that it is stored */
    bool may_be_lost; /* the state that the next writer replaces is expendable, so that one need not be kept */
} writer;

static struct {
    unsigned long histories, images;
} counts;

int __real_fsync(int fd);
int __wrap_fsync(int fd);
ssize_t __real_pwrite(int fd, const void *bytes, size_t length, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t length, off_t offset);

static void cut_here(void);

/* Whether the writer is no more; what it still does is without effect. */
static bool is_dead(void)
{
    return writer.step++ >= writer.dies_at;
}

static void add_version(struct sector *sector, const unsigned char *bytes)
{
    for (int i = 0; i < sector->count; i++)
        if (memcmp(sector->versions[i], bytes, SECTOR) == 0)
            return;
    assert_true(sector->count < VERSIONS);
    memcpy(sector->versions[sector->count++], bytes, SECTOR);
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    if (!writer.on)
        return __real_pwrite(fd, bytes, length, offset);
    if (is_dead())
        return (ssize_t)length;
    assert_int_equal(__real_pwrite(fd, bytes, length, offset), (ssize_t)length);
    for (size_t i = 0; i < length;) {
        size_t at = (size_t)offset + i, within = at % SECTOR;
        size_t part = SECTOR - within < length - i ? SECTOR - within : length - i;
        struct sector *sector = &disk.sectors[at / SECTOR];

        memcpy(sector->cached + within, (const char *)bytes + i, part);
        add_version(sector, sector->cached);
        sector->dirty = true;
        i += part;
    }
    cut_here();
    return (ssize_t)length;
}

static bool fsync_fails(void)
{
    int which = ++writer.fsyncs;

    if (which == 1)
        return writer.plan == PLAN_FIRST_FAILS || writer.plan == PLAN_BOTH_FAIL;
    return which == 2 && (writer.plan == PLAN_SECOND_FAILS || writer.plan == PLAN_BOTH_FAIL);
}

int __wrap_fsync(int fd)
{
    bool fails;

    if (!writer.on)
        return __real_fsync(fd);
    if (is_dead())
        return 0;
    fails = fsync_fails();
    for (int i = 0; i < SECTORS; i++) {
        struct sector *sector = &disk.sectors[i];

        if (sector->dirty && !fails) {
            sector->count = 0;
            add_version(sector, sector->cached);
        }
        sector->dirty = false; /* if it failed: what was pending counts as written and is not tried again */
    }
    cut_here();
    errno = EIO;
    return fails ? -1 : 0;
}

/* ------------------------------------------------------------------ after the cut */

static const char *cut_path(void)
{
    return scratch_path("cut/delegated-bob.token");
}

static char history[200]; /* as told when something is wrong */
static int cut_file;
static struct bearer_store *cut_store;

/* The disk is what was made of it: a store reads it, and can be written. */
static void survives(void)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    long number = number_read_path(cut_path(), &err);

    counts.images++;
    if (number < writer.durable && !(writer.may_be_lost && (number == NUMBER_EMPTY || number_is_expendable(number))))
        fail_msg("%s, power cut after step %d: state %ld, though %ld was stored %s", history, writer.step, number,
                 writer.durable, err.text);
}

static void put_sector(int which, const unsigned char *bytes)
{
    assert_int_equal(__real_pwrite(cut_file, bytes, SECTOR, (off_t)which * SECTOR), SECTOR);
}

/* Tears a header's sector at every byte: its beginning is of one version, the rest of another. */
static void tear_header(int which)
{
    const struct sector *sector = &disk.sectors[which];
    unsigned char torn[SECTOR];

    for (int a = 0; a < sector->count; a++)
        for (int b = 0; b < sector->count; b++)
            for (int at = 1; a != b && at <= HEADER_SIZE; at++) {
                memcpy(torn, sector->versions[b], SECTOR);
                memcpy(torn, sector->versions[a], (size_t)at);
                put_sector(which, torn);
                survives();
            }
}

/* Tries every disk that the cut may leave. */
static void cut_here(void)
{
    int open[SECTORS], choice[SECTORS] = { 0 }, opens = 0;
    unsigned long images = 1;
    bool at_random;

    writer.on = false;
    for (int i = 0; i < SECTORS; i++) {
        put_sector(i, disk.sectors[i].versions[0]);
        if (disk.sectors[i].count > 1) {
            open[opens++] = i;
            if (images <= IMAGES_MOST)
                images *= (unsigned long)disk.sectors[i].count;
        }
    }
    at_random = images > IMAGES_MOST;
    for (unsigned long image = 0; image < (at_random ? IMAGES_MOST : images); image++) {
        unsigned long rest = image;

        for (int k = 0; k < opens; k++) {
            const struct sector *sector = &disk.sectors[open[k]];
            unsigned long count = (unsigned long)sector->count;

            choice[k] = (int)((at_random ? (unsigned long)random() : rest) % count);
            rest /= count;
            put_sector(open[k], sector->versions[choice[k]]);
        }
        survives();
    }
    /* Torn headers, with everything else as new as possible, and as old. */
    for (int newest = 0; newest < 2; newest++) {
        for (int k = 0; k < opens; k++)
            put_sector(open[k], disk.sectors[open[k]].versions[newest ? disk.sectors[open[k]].count - 1 : 0]);
        for (int slot = 0; slot < 2; slot++)
            tear_header(slot * SLOT_SECTORS);
    }
    writer.on = true;
}

/* ------------------------------------------------------------------ histories */

static int cut_begin(void **state)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    int result = scratch_store_begin(state);

    writer.on = false;
    number_lengths = (struct number_lengths){ 200, 700, 0 }; /* one to three sectors for a state */
    if (result != 0 || mkdir(scratch_path("cut"), 0700) != 0)
        return -1;
    if (bearer_store_open(cut_path(), BEARER_STORE_CREATE, &cut_store, &err) != BEARER_OK)
        return -1;
    bearer_store_free(&cut_store);
    cut_file = open(cut_path(), O_WRONLY | O_CLOEXEC);
    memset(&disk, 0, sizeof disk);
    for (int i = 0; i < SECTORS; i++)
        disk.sectors[i].count = 1; /* zeros */
    memset(&counts, 0, sizeof counts);
    srandom(1);
    return cut_file >= 0 ? 0 : -1;
}

static int cut_end(void **state)
{
    writer.on = false;
    close(cut_file);
    return scratch_end(state);
}

/* One writer comes, with a process of its own: writes state NUMBER and goes, or dies.  Gives whether it got to its end. */
static bool one_writer(long number, enum fsync_plan plan, int dies_at)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct bearer_store *store;
    enum bearer_status st;
    bool died;

    writer.may_be_lost = number_is_expendable(number_read_path(token_path(), NULL));
    assert_int_equal(bearer_store_open(token_path(), BEARER_STORE_CREATE, &store, &err), BEARER_OK);
    assert_true(bearer_store_lock(store));
    writer.plan = plan;
    writer.dies_at = dies_at;
    writer.step = writer.fsyncs = 0;
    writer.on = true;
    st = number_write(store, number, NULL, &err);
    writer.on = false;
    died = writer.step > dies_at;
    if (!died && st == BEARER_OK) {
        assert_true(writer.fsyncs > 0 || number_is_expendable(number));
        writer.may_be_lost = number_is_expendable(number);
        if (writer.fsyncs > 0)
            writer.durable = number;
    }
    bearer_store_unlock(store);
    bearer_store_free(&store);
    return !died;
}

/* What the system shows becomes what the disk model has cached. */
static void restore_file(void)
{
    int fd = open(token_path(), O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    for (int i = 0; i < SECTORS; i++)
        assert_int_equal(__real_pwrite(fd, disk.sectors[i].cached, SECTOR, (off_t)i * SECTOR), SECTOR);
    close(fd);
}

/* Writers come one after another, each in every way it can go, until there were enough or no failure is left. */
static void writers_come(long number, long last, int failures, int deaths)
{
    struct disk *before = malloc(sizeof *before);
    long durable = writer.durable;
    bool may_be_lost = writer.may_be_lost;
    size_t told = strlen(history);

    assert_non_null(before);
    *before = disk;
    for (enum fsync_plan plan = PLAN_OK; plan < PLANS; plan++) {
        int failing = plan == PLAN_OK ? 0 : plan == PLAN_BOTH_FAIL ? 2 : 1;
        bool ended = false;

        for (int dies_at = failing <= failures ? 0 : NEVER + 1; dies_at <= NEVER; dies_at = ended ? NEVER + 1 : dies_at + 1) {
            if (deaths == 0)
                dies_at = NEVER;
            snprintf(history + told, sizeof history - told, "%s%ld:%s%s%.0d", told > 0 ? ", " : "writer ", number,
                     plan == PLAN_OK             ? "fsyncs succeed"
                     : plan == PLAN_FIRST_FAILS  ? "first fsync fails"
                     : plan == PLAN_SECOND_FAILS ? "second fsync fails"
                                                 : "both fsyncs fail",
                     dies_at == NEVER ? "" : ", killed before step ", dies_at == NEVER ? 0 : dies_at + 1);
            ended = one_writer(number, plan, dies_at);
            counts.histories++;
            if (number < last)
                writers_come(number + 1, last, failures - failing, deaths - !ended);
            disk = *before;
            writer.durable = durable;
            writer.may_be_lost = may_be_lost;
            restore_file();
        }
    }
    history[told] = '\0';
    free(before);
}

static void tell(void)
{
    print_message("             %lu histories, %lu disks\n", counts.histories, counts.images);
}

/* Begins with a file just made, and one state stored in it, or two. */
static void begin_with(long states)
{
    struct bearer_store *store;

    assert_int_equal(bearer_store_open(token_path(), BEARER_STORE_CREATE, &store, NULL), BEARER_OK);
    bearer_store_free(&store);
    restore_file();
    writer.durable = 0;
    writer.may_be_lost = false;
    history[0] = '\0';
    for (long number = 1; number <= states; number++)
        assert_true(one_writer(number, PLAN_OK, NEVER));
}

static void nothing_stored_is_lost_whoever_dies(void **state)
{
    (void)state;
    for (long states = 0; states <= 2; states++) {
        begin_with(states);
        writers_come(states + 1, states + 3, 0, 3);
        memset(&disk, 0, sizeof disk);
        for (int i = 0; i < SECTORS; i++)
            disk.sectors[i].count = 1;
    }
    tell();
}

static void nothing_stored_is_lost_when_an_fsync_fails(void **state)
{
    (void)state;
    begin_with(2);
    writers_come(3, 6, 1, 0);
    tell();
}

static void nothing_stored_is_lost_when_an_fsync_fails_and_a_writer_dies(void **state)
{
    (void)state;
    begin_with(2);
    writers_come(3, 5, 1, 1);
    tell();
}

/* States 2 to 5 are expendable: they follow on one that is not, are followed by one, and there are enough of them to fill both
 * slots without an fsync. */
static void what_cannot_be_had_again_is_not_lost_among_what_can(void **state)
{
    (void)state;
    number_lengths.expendable = 0x3c;
    begin_with(1);
    writers_come(2, 6, 0, 2);
    begin_with(4);
    writers_come(5, 7, 1, 1);
    tell();
}

/* Two writes after a sign-out no slot holds the refresh token any more, and the disk is waited for until then. */
static void the_disk_is_waited_for_only_where_a_refresh_token_is_at_stake(void **state)
{
    static const bool waits[] = { true, true, true, true, false, true };

    (void)state;
    number_lengths.expendable = 0x3c;
    begin_with(0);
    for (long number = 1; number <= 6; number++) {
        snprintf(history, sizeof history, "writer %ld", number);
        assert_true(one_writer(number, PLAN_OK, NEVER));
        assert_int_equal(writer.fsyncs > 0, waits[number - 1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_stored_is_lost_whoever_dies, cut_begin, cut_end),
        cmocka_unit_test_setup_teardown(nothing_stored_is_lost_when_an_fsync_fails, cut_begin, cut_end),
        cmocka_unit_test_setup_teardown(nothing_stored_is_lost_when_an_fsync_fails_and_a_writer_dies, cut_begin, cut_end),
        cmocka_unit_test_setup_teardown(what_cannot_be_had_again_is_not_lost_among_what_can, cut_begin, cut_end),
        cmocka_unit_test_setup_teardown(the_disk_is_waited_for_only_where_a_refresh_token_is_at_stake, cut_begin, cut_end),
    };

    return run_group("power cut", tests);
}
