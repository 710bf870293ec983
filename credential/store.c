/* store.c - see store.h */
#include "credential/store.h"

#include "credential/clock.h"
#include "credential/crc32c.h"
#include "credential/descriptor.h"
#include "credential/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/fs.h>
#endif

#define MAGIC "SASLBTK1"
#define BYTE_ORDER_MARK 0x01020304u
#define FORMAT 1
#define FLAG_VOLATILE 0x0001   /* its fsync failed: current for readers, first to be overwritten */
#define FLAG_EXPENDABLE 0x0002 /* holds no refresh token: nothing that cannot be had again */
#define FLAG_SETTLED    0x0004 /* nor does either slot on the disk, whatever became of this write */
#define SLOT_SIZE 40960      /* bytes; whole pages, and room for BEARER_RECORD_MAX */
#define FILE_SIZE (2 * SLOT_SIZE)

#define LOOK_INTERVAL 1000 /* ms between two looks at the whole file while nothing seems to change */

/* Two locks.  Between processes: a POSIX lock, which ends with its process and is not inherited.  POSIX locks do not keep apart
 * two copies of this code in one process, so those have a lock between open file descriptions; on a byte of each process' own,
 * since a description, and a lock on it, outlives its process where a child inherited it. */
#define LOCK_PROCESSES 1
#define LOCK_COPIES ((off_t)1 << 40) /* plus the process id */

struct slot_header {
    char magic[8];
    uint32_t byte_order;
    uint16_t format;
    uint16_t flags;
    uint64_t file_id;
    uint64_t sequence; /* 0 = no slot */
    uint32_t length;
    uint32_t crc;
    uint64_t reserved;
};

_Static_assert(sizeof(struct slot_header) == 48, "the header has no holes");
_Static_assert(sizeof(struct slot_header) + BEARER_RECORD_MAX <= SLOT_SIZE, "a record fits a slot");

struct bearer_store {
    char *path;
    unsigned flags;
    bool sealed; /* no paths any more */
    struct bearer_descriptor file;
    struct bearer_guard lock; /* between the threads of this process; held as long as the file's */

    /* What was last read. */
    struct slot_header current; /* sequence 0 = nothing */
    int slot;                   /* where it stands */
    struct slot_header other;   /* what the other slot's header was then */
    int64_t looked;             /* CLOCK_MONOTONIC ms of the last look at everything */
    struct slot_header synced;  /* of the last slot that this process wrote and saw on disk; sequence 0 = none */
    struct bearer_token token;
};

/* The file as it is. */
struct view {
    struct slot_header headers[2];
    int best;                    /* the valid slot with the higher sequence, or -1 */
    struct bearer_secret record; /* of that one */
};

/* ------------------------------------------------------------------ bytes */

/* Reads up to length bytes; fewer at the end of the file; -1 and errno. */
static ssize_t read_at(int fd, void *bytes, size_t length, off_t offset)
{
    size_t have = 0;

    while (have < length) {
        ssize_t n = pread(fd, (char *)bytes + have, length - have, offset + (off_t)have);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

static bool write_at(int fd, const void *bytes, size_t length, off_t offset)
{
    size_t done = 0;

    while (done < length) {
        ssize_t n = pwrite(fd, (const char *)bytes + done, length - done, offset + (off_t)done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

static bool write_zeros(int fd, off_t from, off_t to)
{
    static const char zeros[4096];

    for (; from < to; from += (off_t)sizeof zeros)
        if (!write_at(fd, zeros, to - from < (off_t)sizeof zeros ? (size_t)(to - from) : sizeof zeros, from))
            return false;
    return true;
}

static bool sync_file(int fd)
{
    int result;

    do
        result = fsync(fd);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

/* ------------------------------------------------------------------ slots */

static off_t slot_offset(int slot)
{
    return (off_t)slot * SLOT_SIZE;
}

static uint32_t checksum(const struct slot_header *header, const void *record)
{
    struct slot_header bare = *header;

    bare.crc = 0;
    return bearer_crc32c(bearer_crc32c(0, &bare, sizeof bare), record, header->length);
}

static bool header_plausible(const struct slot_header *header)
{
    return memcmp(header->magic, MAGIC, sizeof header->magic) == 0 && header->byte_order == BYTE_ORDER_MARK &&
           header->format == FORMAT && header->sequence != 0 && header->length <= BEARER_RECORD_MAX;
}

static bool read_header(int fd, int slot, struct slot_header *header)
{
    return read_at(fd, header, sizeof *header, slot_offset(slot)) == (ssize_t)sizeof *header;
}

enum slot_state {
    SLOT_VALID,
    SLOT_INVALID, /* never written, or torn */
    SLOT_FOREIGN, /* another version's, or another machine's: not ours to overwrite */
    SLOT_UNREADABLE,
};

/* Reads a slot's header.  SLOT_VALID: a record should stand behind it. */
static enum slot_state read_head(int fd, int slot, struct slot_header *header)
{
    ssize_t n = read_at(fd, header, sizeof *header, slot_offset(slot));

    if (n < 0)
        return SLOT_UNREADABLE;
    if (n < (ssize_t)sizeof *header || memcmp(header->magic, MAGIC, sizeof header->magic) != 0)
        return SLOT_INVALID;
    if (header->byte_order == __builtin_bswap32(BYTE_ORDER_MARK) ||
        (header->byte_order == BYTE_ORDER_MARK && header->format != FORMAT && header->format != 0))
        return SLOT_FOREIGN; /* anything else here is a header that was not written to its end */
    return header_plausible(header) ? SLOT_VALID : SLOT_INVALID;
}

/* Reads the record behind a header and believes both only if the checksum is right. */
static enum slot_state read_record(int fd, int slot, const struct slot_header *header, struct bearer_secret *record)
{
    ssize_t n;

    if (bearer_secret_reserve(record, header->length, NULL) != BEARER_OK ||
        (n = read_at(fd, record->bytes, header->length, slot_offset(slot) + (off_t)sizeof *header)) < 0)
        return SLOT_UNREADABLE;
    return n == (ssize_t)header->length && checksum(header, record->bytes) == header->crc ? SLOT_VALID : SLOT_INVALID;
}

static void view_clear(struct view *view)
{
    bearer_secret_clear(&view->record);
}

static enum bearer_status cannot_tell(const char *path, enum slot_state state, struct bearer_error *err)
{
    if (state == SLOT_FOREIGN)
        return bearer_fail(err, BEARER_LOCAL,
                           "token file '%s' was written by another version of sasl-bearer or on another kind of machine: move it "
                           "away and sign in again",
                           path);
    return bearer_fail(err, BEARER_LOCAL, "cannot read token file '%s': %m", path);
}

/* Looks at both slots, the one with the higher sequence first; the other counts only if that one is torn.
 * BEARER_LOCAL: what is there cannot be told, so nothing may be concluded or overwritten. */
static enum bearer_status view_read(const char *path, int fd, struct view *view, struct bearer_error *err)
{
    enum slot_state states[2];
    int first;

    *view = (struct view){ .best = -1 };
    for (int slot = 0; slot < 2; slot++) {
        states[slot] = read_head(fd, slot, &view->headers[slot]);
        if (states[slot] == SLOT_FOREIGN || states[slot] == SLOT_UNREADABLE)
            return cannot_tell(path, states[slot], err);
    }
    first = states[0] != SLOT_VALID || (states[1] == SLOT_VALID && view->headers[1].sequence > view->headers[0].sequence);
    for (int i = 0; i < 2 && view->best < 0; i++) {
        int slot = i == 0 ? first : !first;
        enum slot_state state = states[slot] == SLOT_VALID ? read_record(fd, slot, &view->headers[slot], &view->record)
                                                           : SLOT_INVALID;

        if (state == SLOT_UNREADABLE) {
            view_clear(view);
            return cannot_tell(path, state, err);
        }
        if (state == SLOT_VALID)
            view->best = slot;
    }
    return BEARER_OK;
}

/* Whether the file holds just what was last read.  Costs one short pread and no lock: a writer fills the slot that is not
 * current.  The exceptions (a volatile slot is overwritten in place, a file is removed, a descriptor gets lost) are found by
 * looking at everything once in a while; until then what was last read is as good as it was. */
static bool unchanged(const struct bearer_store *store)
{
    struct slot_header header;

    return store->current.sequence != 0 && !(store->current.flags & FLAG_VOLATILE) &&
           bearer_monotonic() - store->looked < LOOK_INTERVAL && read_header(store->file.fd, !store->slot, &header) &&
           memcmp(&header, &store->other, sizeof header) == 0;
}

static void forget(struct bearer_store *store)
{
    store->current = (struct slot_header){ .sequence = 0 };
    bearer_token_clear(&store->token);
}

/* Whether both slots are invalid though something stands in one: two writers overwrote each just as it was looked at. */
static bool was_overtaken(const struct view *view)
{
    return view->best < 0 && (memcmp(view->headers[0].magic, MAGIC, sizeof view->headers[0].magic) == 0 ||
                              memcmp(view->headers[1].magic, MAGIC, sizeof view->headers[1].magic) == 0);
}

static enum bearer_status reload(struct bearer_store *store, struct bearer_error *err)
{
    enum { TRIES = 10 };
    struct view view;
    enum bearer_status st = view_read(store->path, store->file.fd, &view, err);

    for (int i = 1; st == BEARER_OK && was_overtaken(&view) && i < TRIES; i++) {
        view_clear(&view);
        st = view_read(store->path, store->file.fd, &view, err);
    }
    if (st != BEARER_OK)
        return st;
    forget(store);
    if (view.best >= 0) {
        st = bearer_token_decode(view.record.bytes, view.record.length, &store->token, err);
        if (st == BEARER_OK) {
            store->current = view.headers[view.best];
            store->slot = view.best;
            store->other = view.headers[!view.best];
            if (header_plausible(&store->other) && store->other.sequence > store->current.sequence)
                store->other = (struct slot_header){ .sequence = 0 }; /* seen half written: look again */
            store->looked = bearer_monotonic();
        } else {
            bearer_error_prepend(err, "token file '%s' cannot be understood: ", store->path);
        }
    }
    view_clear(&view);
    return st;
}

/* ------------------------------------------------------------------ opening */

static enum bearer_status judge(const char *path, const struct stat *file, const struct stat *directory,
                                struct bearer_error *err)
{
    if (!S_ISREG(file->st_mode) || file->st_nlink > 1)
        return bearer_fail(err, BEARER_LOCAL, "token file '%s' is not a regular file with one name: move it away", path);
    if (file->st_uid != geteuid() && file->st_uid != directory->st_uid)
        return bearer_fail(err, BEARER_LOCAL, "token file '%s' belongs to user id %lu: run chown on it", path,
                           (unsigned long)file->st_uid);
    if (file->st_mode & (S_IRWXG | S_IRWXO))
        return bearer_fail(err, BEARER_LOCAL, "token file '%s' is open to others than its owner: run chmod 600 '%s'", path,
                           path);
    return BEARER_OK;
}

/* A directory that others may write into could serve us any file. */
static enum bearer_status judge_directory(const char *path, const struct stat *directory, struct bearer_error *err)
{
    if (directory->st_uid != 0 && directory->st_uid != geteuid() && geteuid() != 0)
        return bearer_fail(err, BEARER_LOCAL, "token directory '%s' belongs to user id %lu", path,
                           (unsigned long)directory->st_uid);
    if (directory->st_mode & (S_IWGRP | S_IWOTH))
        return bearer_fail(err, BEARER_LOCAL,
                           "token directory '%s' can be written by others than its owner: run chmod go-w '%s'", path, path);
    return BEARER_OK;
}

static bool lock_byte(int fd, int command, short type, off_t byte)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

    return fcntl(fd, command, &lock) == 0;
}

/* Gives a new file its full size, so that on most file systems a full disk can never stop a write into it. */
static enum bearer_status extend(const char *path, int fd, off_t size, struct bearer_error *err)
{
#ifdef FS_NOCOW_FL
    int attributes = 0;

    if (size == 0 && ioctl(fd, FS_IOC_GETFLAGS, &attributes) == 0) {
        attributes |= FS_NOCOW_FL;
        (void)ioctl(fd, FS_IOC_SETFLAGS, &attributes);
    }
#endif
    if (fallocate(fd, 0, 0, FILE_SIZE) != 0 && errno != EOPNOTSUPP && errno != ENOSYS && errno != EINTR)
        return bearer_fail(err, BEARER_LOCAL, "cannot make room for token file '%s': %m", path);
    if (!write_zeros(fd, size, FILE_SIZE) || !sync_file(fd))
        return bearer_fail(err, BEARER_LOCAL, "cannot write token file '%s': %m", path);
    return BEARER_OK;
}

/* Prepares a file that nobody else has prepared.  Held: the lock between processes. */
static enum bearer_status prepare(const char *path, int fd, struct bearer_error *err)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return bearer_fail(err, BEARER_LOCAL, "cannot examine '%s': %m", path);
    return status.st_size < FILE_SIZE ? extend(path, fd, status.st_size, err) : BEARER_OK;
}

/* Prepares a file that was just created.  One that cannot be given its size holds nothing and is taken away again.  Where
 * somebody else has the lock already, their write prepares it. */
static enum bearer_status prepare_new(const char *path, const char *name, int directory_fd, int fd, struct bearer_error *err)
{
    enum bearer_status st;

    if (!lock_byte(fd, F_SETLK, F_WRLCK, LOCK_PROCESSES))
        return BEARER_OK;
    st = prepare(path, fd, err);
    if (st != BEARER_OK)
        unlinkat(directory_fd, name, 0);
    else
        sync_file(directory_fd);
    lock_byte(fd, F_SETLK, F_UNLCK, LOCK_PROCESSES);
    return st;
}

/* Creates the file; as root under the directory owner's identity, so that the owner can use it. */
static int create_file(int directory_fd, const char *name, const struct stat *directory)
{
    bool borrow = geteuid() == 0 && directory->st_uid != 0;
    int gid = 0, uid = 0, fd, error;

    if (borrow) {
        gid = setfsgid(directory->st_gid);
        uid = setfsuid(directory->st_uid);
    }
    fd = openat(directory_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
    error = errno;
    if (borrow) {
        setfsuid((uid_t)uid);
        setfsgid((gid_t)gid);
    }
    errno = error;
    return fd;
}

/* Gives a descriptor of the file, -1 with BEARER_OK if it is absent and not to be created. */
static enum bearer_status open_in(int directory_fd, const char *path, const char *name, const struct stat *directory,
                                  unsigned flags, int *fd_out, struct bearer_error *err)
{
    const int mode = O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    struct stat status;
    enum bearer_status st;
    int fd = openat(directory_fd, name, mode);

    if (fd < 0 && errno == ENOENT && (flags & BEARER_STORE_CREATE)) {
        fd = create_file(directory_fd, name, directory);
        if (fd >= 0 && (st = prepare_new(path, name, directory_fd, fd, err)) != BEARER_OK) {
            close(fd);
            return st;
        }
        if (fd < 0 && errno == EEXIST) /* somebody was faster */
            fd = openat(directory_fd, name, mode);
    }
    if (fd < 0 && errno == ENOENT && !(flags & BEARER_STORE_CREATE))
        return BEARER_OK;
    if (fd < 0)
        return bearer_fail(err, BEARER_LOCAL, "cannot open token file '%s': %m", path);
    st = fstat(fd, &status) == 0 ? judge(path, &status, directory, err)
                                 : bearer_fail(err, BEARER_LOCAL, "cannot examine '%s': %m", path);
    if (st != BEARER_OK)
        close(fd);
    else
        *fd_out = fd;
    return st;
}

/* Opens the store's path and keeps the descriptor; none with BEARER_OK where it is absent and not to be created. */
static enum bearer_status open_path(struct bearer_store *store, struct bearer_error *err)
{
    const char *name = strrchr(store->path, '/') + 1;
    char *directory_path = strndup(store->path, (size_t)(name - store->path - 1));
    struct stat directory;
    enum bearer_status st = BEARER_OK;
    int directory_fd, fd = -1;

    if (directory_path == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    directory_fd = open(directory_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory_fd < 0 && errno == ENOENT && !(store->flags & BEARER_STORE_CREATE))
        goto out;
    if (directory_fd < 0 || fstat(directory_fd, &directory) != 0)
        st = bearer_fail(err, BEARER_LOCAL, "cannot open token directory '%s': %m", directory_path);
    else if ((st = judge_directory(directory_path, &directory, err)) == BEARER_OK)
        st = open_in(directory_fd, store->path, name, &directory, store->flags, &fd, err);
    if (st == BEARER_OK && fd >= 0 && !bearer_descriptor_keep(&store->file, fd))
        st = bearer_fail(err, BEARER_LOCAL, "cannot keep token file '%s' open: %m", store->path);
out:
    if (directory_fd >= 0)
        close(directory_fd);
    free(directory_path);
    return st;
}

enum bearer_status bearer_store_open(const char *path, unsigned flags, struct bearer_store **store_out,
                                     struct bearer_error *err)
{
    struct bearer_store *store = calloc(1, sizeof *store);
    enum bearer_status st;

    *store_out = NULL;
    if (store == NULL || (store->path = strdup(path)) == NULL) {
        free(store);
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    }
    store->flags = flags;
    store->file = (struct bearer_descriptor)BEARER_DESCRIPTOR_INIT;
    store->token = (struct bearer_token)BEARER_TOKEN_INIT;
    st = open_path(store, err);
    if (st == BEARER_OK && store->file.fd >= 0)
        *store_out = store;
    else
        bearer_store_free(&store);
    return st;
}

void bearer_store_free(struct bearer_store **store)
{
    if (*store == NULL)
        return;
    bearer_descriptor_close(&(*store)->file);
    bearer_token_clear(&(*store)->token);
    free((*store)->path);
    free(*store);
    *store = NULL;
}

void bearer_store_seal(struct bearer_store *store)
{
    store->sealed = true;
}

const char *bearer_store_name(const struct bearer_store *store)
{
    return store->path;
}

/* Whether the file of that name is still the one that is open: somebody may have renamed it. */
static bool is_named(const struct bearer_store *store)
{
    struct stat status;

    return lstat(store->path, &status) == 0 && status.st_dev == store->file.device && status.st_ino == store->file.inode;
}

/* Makes sure that the descriptor is the file of that name, opening it anew where that is possible.  While the lock is held the
 * descriptor stays what it is, for the lock is on it. */
static enum bearer_status ensure_open(struct bearer_store *store, struct bearer_error *err)
{
    bool locked = bearer_guard_held(&store->lock);
    nlink_t links = 0;
    bool valid = bearer_descriptor_valid(&store->file, &links);
    enum bearer_status st;

    if (valid && (locked || (links > 0 && (store->sealed || is_named(store)))))
        return BEARER_OK;
    if (locked || (store->sealed && !valid))
        return bearer_fail(err, BEARER_LOCAL, "the program closed token file '%s', which it cannot open again: reload it",
                           store->path);
    if (store->sealed)
        return bearer_fail(err, BEARER_LOCAL,
                           "token file '%s' was removed, and this program cannot open the new one: reload it (postfix reload)",
                           store->path);
    bearer_descriptor_close(&store->file);
    forget(store);
    st = open_path(store, err);
    if (st == BEARER_OK && store->file.fd < 0)
        st = bearer_fail(err, BEARER_LOCAL, "token file '%s' was removed", store->path);
    return st;
}

struct bearer_store_mark bearer_store_mark(const struct bearer_store *store)
{
    return (struct bearer_store_mark){ store->current.file_id, store->current.sequence };
}

enum bearer_status bearer_store_read(struct bearer_store *store, const struct bearer_token **token_out,
                                     struct bearer_error *err)
{
    enum bearer_status st = BEARER_OK;

    *token_out = NULL;
    if (!unchanged(store) && (st = ensure_open(store, err)) == BEARER_OK)
        st = reload(store, err);
    if (st == BEARER_OK)
        *token_out = &store->token;
    return st;
}

/* ------------------------------------------------------------------ writing */

static void fill_header(const struct slot_header *before, struct slot_header *header, const struct bearer_secret *record,
                        uint16_t flags)
{
    *header = (struct slot_header){ .byte_order = BYTE_ORDER_MARK, .format = FORMAT, .flags = flags };
    memcpy(header->magic, MAGIC, sizeof header->magic);
    header->file_id = before->file_id;
    while (header->file_id == 0)
        if (getrandom(&header->file_id, sizeof header->file_id, 0) < 0)
            header->file_id = (uint64_t)getpid() << 32 | 1;
    header->sequence = before->sequence + 1;
    header->length = (uint32_t)record->length;
    header->crc = checksum(header, record->bytes);
}

/* Marks a slot whose fsync failed: readers use it, but the next writer gives it up before the older, durable one. */
static void reseal_volatile(int fd, int slot, struct slot_header *header, const struct bearer_secret *record)
{
    header->flags |= FLAG_VOLATILE;
    header->crc = checksum(header, record->bytes);
    (void)write_at(fd, header, sizeof *header, slot_offset(slot));
}

/* One pwrite for header and record: both or, if torn, neither.  What a longer record left behind is overwritten with zeros, so
 * that no token outlives its place. */
static bool write_slot(int fd, int slot, const struct slot_header *header, const struct bearer_secret *record)
{
    struct bearer_secret image = BEARER_SECRET_INIT;
    struct slot_header before;
    size_t length = record->length;
    bool done;

    if (read_header(fd, slot, &before) && header_plausible(&before) && before.length > length)
        length = before.length;
    if (bearer_secret_reserve(&image, sizeof *header + length, NULL) != BEARER_OK) {
        errno = ENOMEM;
        return false;
    }
    memcpy(image.bytes, header, sizeof *header);
    memcpy(image.bytes + sizeof *header, record->bytes, record->length);
    done = write_at(fd, image.bytes, image.length, slot_offset(slot));
    bearer_secret_clear(&image);
    return done;
}

/* Which slot to fill: the one that is not current, unless the current one may not be on disk. */
static int slot_to_fill(const struct view *view, bool durable)
{
    if (view->best < 0)
        return 0;
    return durable && !(view->headers[view->best].flags & FLAG_VOLATILE) ? !view->best : view->best;
}

/* Gets the current slot on disk before the other one is touched: its writer may have died before its fsync, or between an fsync
 * that failed and the mark that says so.  It is written again as it is, for no fsync tells of what an earlier one lost; twice,
 * for an error may be an old one. */
static bool settle(int fd, const struct view *view)
{
    if (view->best < 0)
        return sync_file(fd);
    if (view->headers[view->best].flags & FLAG_VOLATILE)
        return false;
    for (int attempt = 0; attempt < 2; attempt++)
        if (write_slot(fd, view->best, &view->headers[view->best], &view->record) && sync_file(fd))
            return true;
    return false;
}

/* Whether the current slot is the one that we wrote last and saw on disk: then nothing is left to settle. */
static bool is_synced(const struct bearer_store *store, const struct view *view)
{
    return view->best >= 0 && store->synced.sequence != 0 &&
           memcmp(&view->headers[view->best], &store->synced, sizeof store->synced) == 0;
}

static bool is_expendable(const struct slot_header *header)
{
    return !header_plausible(header) || (header->flags & FLAG_EXPENDABLE);
}

/* Whether a write need not wait for the disk: a power cut can take nothing but what can be had again, and bring back nothing
 * that was to go.  What the system shows does not tell: a writer that died may have left an old refresh token on the disk below it. */
static bool may_be_lazy(const struct view *view, uint16_t flags)
{
    return (flags & FLAG_EXPENDABLE) && view->best >= 0 && (view->headers[view->best].flags & FLAG_SETTLED);
}

/* The current slot is on the disk, and the other one has been since that one was filled. */
static bool leaves_settled(const struct view *view, uint16_t flags, bool durable)
{
    return (flags & FLAG_EXPENDABLE) && durable && is_expendable(&view->headers[0]) && is_expendable(&view->headers[1]);
}

/* Whether the file may be written: it is still ours, and so is its lock (POSIX locks end when anybody in this process closes the
 * file). */
static enum bearer_status still_ours(const struct bearer_store *store, struct bearer_error *err)
{
    struct bearer_descriptor file = store->file;
    nlink_t links;

    if (!bearer_descriptor_valid(&file, &links))
        return bearer_fail(err, BEARER_LOCAL, "the program closed token file '%s' while it was written", store->path);
    if (links == 0)
        return bearer_fail(err, BEARER_LOCAL, "token file '%s' was removed while it was written", store->path);
    if (!lock_byte(file.fd, F_SETLK, F_WRLCK, LOCK_PROCESSES))
        return bearer_fail(err, BEARER_LOCAL, "the lock of token file '%s' was lost: %m", store->path);
    return BEARER_OK;
}

static enum bearer_status write_locked(struct bearer_store *store, const struct bearer_secret *record, uint16_t flags,
                                       bool *stored, struct bearer_error *err)
{
    static const struct slot_header nothing = { .sequence = 0 };
    struct slot_header header;
    struct view view;
    enum bearer_status st;
    bool lazy, durable;
    int slot, fd = store->file.fd;

    if ((st = still_ours(store, err)) != BEARER_OK || (st = prepare(store->path, fd, err)) != BEARER_OK)
        return st;
    if ((st = view_read(store->path, fd, &view, err)) != BEARER_OK)
        return st;
    lazy = may_be_lazy(&view, flags);
    durable = lazy || is_synced(store, &view) || settle(fd, &view);
    slot = slot_to_fill(&view, durable);
    if (leaves_settled(&view, flags, durable))
        flags |= FLAG_SETTLED;
    fill_header(view.best >= 0 ? &view.headers[view.best] : &nothing, &header, record, flags);
    view_clear(&view);
    if (!write_slot(fd, slot, &header, record))
        return bearer_fail(err, BEARER_LOCAL, "cannot write token file '%s': %m", store->path);
    *stored = true;
    if (lazy)
        return BEARER_OK;
    if (sync_file(fd)) {
        store->synced = header;
    } else {
        st = bearer_fail(err, BEARER_LOCAL, "cannot be sure that token file '%s' survives a power cut: %m", store->path);
        reseal_volatile(fd, slot, &header, record);
    }
    return st;
}

/* What is bound to nothing is a sign-out, which is to last. */
static uint16_t flags_of(const struct bearer_token *token)
{
    return token->refresh_token.length == 0 && token->binding != NULL ? FLAG_EXPENDABLE : 0;
}

enum bearer_status bearer_store_write(struct bearer_store *store, const struct bearer_token *token, bool *stored_out,
                                      struct bearer_error *err)
{
    struct bearer_secret record = BEARER_SECRET_INIT;
    enum bearer_status st = bearer_token_encode(token, &record, err);
    bool stored = false;

    if (st == BEARER_OK)
        st = write_locked(store, &record, flags_of(token), &stored, err);
    if (stored_out != NULL)
        *stored_out = stored;
    bearer_secret_clear(&record);
    return st;
}

/* ------------------------------------------------------------------ locking */

bool bearer_store_lock(struct bearer_store *store)
{
    int fd;

    if (ensure_open(store, NULL) != BEARER_OK || !bearer_guard_try(&store->lock))
        return false;
    fd = store->file.fd;
    if (lock_byte(fd, F_OFD_SETLK, F_WRLCK, LOCK_COPIES + getpid())) {
        if (lock_byte(fd, F_SETLK, F_WRLCK, LOCK_PROCESSES))
            return true;
        lock_byte(fd, F_OFD_SETLK, F_UNLCK, LOCK_COPIES + getpid());
    }
    bearer_guard_unlock(&store->lock);
    return false;
}

void bearer_store_unlock(struct bearer_store *store)
{
    struct bearer_descriptor file = store->file;

    if (bearer_descriptor_valid(&file, NULL)) {
        lock_byte(file.fd, F_SETLK, F_UNLCK, LOCK_PROCESSES);
        lock_byte(file.fd, F_OFD_SETLK, F_UNLCK, LOCK_COPIES + getpid());
    }
    bearer_guard_unlock(&store->lock);
}

pid_t bearer_store_lock_holder(struct bearer_store *store)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_PROCESSES, .l_len = 1 };

    if (ensure_open(store, NULL) != BEARER_OK || fcntl(store->file.fd, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK)
        return 0;
    return lock.l_pid > 0 ? lock.l_pid : 0;
}
