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
#define FLAG_VOLATILE 0x0001 /* its fsync failed: current for readers, first to be overwritten */
#define SLOT_SIZE 40960      /* bytes; whole pages, and room for BEARER_RECORD_MAX */
#define FILE_SIZE (2 * SLOT_SIZE)

#define LOOK_INTERVAL 1000 /* ms between two looks at the whole file while nothing seems to change */

#define LOCK_DESCRIPTORS 0 /* byte locked between open file descriptions */
#define LOCK_PROCESSES 1   /* byte locked between processes, for those that share a description through fork */

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
    struct bearer_token token;
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

/* Reads a whole slot and believes it only if its checksum is right. */
static bool read_slot(int fd, int slot, struct slot_header *header, struct bearer_secret *record)
{
    if (!read_header(fd, slot, header) || !header_plausible(header) ||
        bearer_secret_reserve(record, header->length, NULL) != BEARER_OK)
        return false;
    return read_at(fd, record->bytes, header->length, slot_offset(slot) + (off_t)sizeof *header) ==
               (ssize_t)header->length &&
           checksum(header, record->bytes) == header->crc;
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

/* Reads the valid slot with the higher sequence.  A writer at work can make the slot we read invalid under our hands; then
 * the other one is, or in a moment will be, the newer: look again. */
static enum bearer_status reload(struct bearer_store *store, struct bearer_error *err)
{
    enum { TRIES = 5 };
    enum bearer_status st = BEARER_OK;

    for (int try = 0; try < TRIES; try++) {
        struct slot_header headers[2] = { { .sequence = 0 }, { .sequence = 0 } };
        struct bearer_secret records[2] = { BEARER_SECRET_INIT, BEARER_SECRET_INIT };
        bool valid[2];
        int best = -1;

        for (int slot = 0; slot < 2; slot++) {
            valid[slot] = read_slot(store->file.fd, slot, &headers[slot], &records[slot]);
            if (valid[slot] && (best < 0 || headers[slot].sequence > headers[best].sequence))
                best = slot;
        }
        if (best >= 0) {
            forget(store);
            st = bearer_token_decode(records[best].bytes, records[best].length, &store->token, err);
            if (st == BEARER_OK) {
                store->current = headers[best];
                store->slot = best;
                store->other = headers[!best];
                store->looked = bearer_monotonic();
            }
        }
        for (int slot = 0; slot < 2; slot++)
            bearer_secret_clear(&records[slot]);
        if (best >= 0)
            return st;
    }
    forget(store);
    return BEARER_OK;
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
    char *slash = strrchr(store->path, '/');
    struct stat directory;
    enum bearer_status st;
    int directory_fd, fd = -1;

    *slash = '\0'; /* the directory, for a moment */
    directory_fd = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory_fd < 0 && errno == ENOENT && !(store->flags & BEARER_STORE_CREATE)) {
        *slash = '/';
        return BEARER_OK;
    }
    if (directory_fd < 0 || fstat(directory_fd, &directory) != 0)
        st = bearer_fail(err, BEARER_LOCAL, "cannot open token directory '%s': %m", store->path);
    else
        st = judge_directory(store->path, &directory, err);
    *slash = '/';
    if (st == BEARER_OK)
        st = open_in(directory_fd, store->path, slash + 1, &directory, store->flags, &fd, err);
    if (directory_fd >= 0)
        close(directory_fd);
    if (st == BEARER_OK && fd >= 0 && !bearer_descriptor_keep(&store->file, fd))
        st = bearer_fail(err, BEARER_LOCAL, "cannot keep token file '%s' open: %m", store->path);
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

/* Makes sure that the descriptor is the file of that name, opening it anew where that is possible. */
static enum bearer_status ensure_open(struct bearer_store *store, struct bearer_error *err)
{
    nlink_t links = 0;
    enum bearer_status st;

    if (bearer_descriptor_valid(&store->file, &links) && links > 0)
        return BEARER_OK;
    if (store->sealed)
        return bearer_fail(err, BEARER_LOCAL,
                           store->file.fd < 0 ? "the program closed token file '%s', which it cannot open again: reload it"
                                              : "token file '%s' was removed, and this program cannot open the new one: "
                                                "reload it (postfix reload)",
                           store->path);
    bearer_descriptor_close(&store->file);
    forget(store);
    st = open_path(store, err);
    if (st == BEARER_OK && store->file.fd < 0)
        st = bearer_fail(err, BEARER_LOCAL, "token file '%s' was removed", store->path);
    return st;
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

/* Gives a new file its full size, so that on most file systems a full disk can never stop a write into it. */
static enum bearer_status extend(struct bearer_store *store, off_t size, struct bearer_error *err)
{
    static const char zeros[FILE_SIZE];
    int fd = store->file.fd;
#ifdef FS_NOCOW_FL
    int attributes = 0;

    if (ioctl(fd, FS_IOC_GETFLAGS, &attributes) == 0) {
        attributes |= FS_NOCOW_FL;
        (void)ioctl(fd, FS_IOC_SETFLAGS, &attributes);
    }
#endif
    if (fallocate(fd, 0, 0, FILE_SIZE) != 0 && errno != EOPNOTSUPP && errno != ENOSYS && errno != EINTR)
        return bearer_fail(err, BEARER_LOCAL, "cannot make room for token file '%s': %m", store->path);
    if (!write_at(fd, zeros + size, (size_t)(FILE_SIZE - size), size) || !sync_file(fd))
        return bearer_fail(err, BEARER_LOCAL, "cannot write token file '%s': %m", store->path);
    return BEARER_OK;
}

/* Prepares a file for its first write.  One that we could not give its size held nothing and is taken away again. */
static enum bearer_status prepare(struct bearer_store *store, struct bearer_error *err)
{
    struct stat status;
    enum bearer_status st;

    if (fstat(store->file.fd, &status) != 0)
        return bearer_fail(err, BEARER_LOCAL, "cannot examine '%s': %m", store->path);
    if (status.st_size >= FILE_SIZE)
        return BEARER_OK;
    st = extend(store, status.st_size, err);
    if (st != BEARER_OK && status.st_size == 0 && !store->sealed)
        unlink(store->path);
    return st;
}

/* Makes the file's name durable.  Where there are no paths any more, whoever created the file did it. */
static void sync_directory(const struct bearer_store *store)
{
    char *slash = strrchr(store->path, '/');
    int fd;

    if (store->sealed)
        return;
    *slash = '\0';
    fd = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *slash = '/';
    if (fd < 0)
        return;
    sync_file(fd);
    close(fd);
}

static void fill_header(const struct bearer_store *store, struct slot_header *header, const struct bearer_secret *record)
{
    *header = (struct slot_header){ .byte_order = BYTE_ORDER_MARK, .format = FORMAT };
    memcpy(header->magic, MAGIC, sizeof header->magic);
    header->file_id = store->current.file_id;
    while (header->file_id == 0)
        if (getrandom(&header->file_id, sizeof header->file_id, 0) < 0)
            header->file_id = (uint64_t)getpid() << 32 | 1;
    header->sequence = store->current.sequence + 1;
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

/* One pwrite for header and record: both or, if torn, neither. */
static bool write_slot(int fd, int slot, const struct slot_header *header, const struct bearer_secret *record)
{
    struct bearer_secret image = BEARER_SECRET_INIT;
    bool done;

    if (bearer_secret_reserve(&image, sizeof *header + record->length, NULL) != BEARER_OK) {
        errno = ENOMEM;
        return false;
    }
    memcpy(image.bytes, header, sizeof *header);
    memcpy(image.bytes + sizeof *header, record->bytes, record->length);
    done = write_at(fd, image.bytes, image.length, slot_offset(slot));
    bearer_secret_clear(&image);
    return done;
}

static enum bearer_status write_locked(struct bearer_store *store, const struct bearer_secret *record, bool *stored,
                                       struct bearer_error *err)
{
    struct slot_header header;
    enum bearer_status st;
    bool fresh, durable;
    int slot, fd;

    if ((st = ensure_open(store, err)) != BEARER_OK || (st = prepare(store, err)) != BEARER_OK)
        return st;
    fd = store->file.fd;
    /* The current slot must be on disk before the other one is touched: its writer may have died before its fsync. */
    durable = sync_file(fd);
    if ((st = reload(store, err)) != BEARER_OK)
        return st;
    fresh = store->current.sequence == 0;
    slot = fresh ? 0 : durable && !(store->current.flags & FLAG_VOLATILE) ? !store->slot : store->slot;
    fill_header(store, &header, record);
    if (!write_slot(fd, slot, &header, record))
        return bearer_fail(err, BEARER_LOCAL, "cannot write token file '%s': %m", store->path);
    *stored = true;
    if (!sync_file(fd)) {
        st = bearer_fail(err, BEARER_LOCAL, "cannot be sure that token file '%s' survives a power cut: %m", store->path);
        reseal_volatile(fd, slot, &header, record);
    }
    if (fresh)
        sync_directory(store);
    return st;
}

enum bearer_status bearer_store_write(struct bearer_store *store, const struct bearer_token *token, bool *stored_out,
                                      struct bearer_error *err)
{
    struct bearer_secret record = BEARER_SECRET_INIT;
    enum bearer_status st = bearer_token_encode(token, &record, err);
    bool stored = false;

    if (st == BEARER_OK)
        st = write_locked(store, &record, &stored, err);
    if (stored_out != NULL)
        *stored_out = stored;
    bearer_secret_clear(&record);
    return st;
}

/* ------------------------------------------------------------------ locking */

static bool lock_byte(int fd, int command, short type, off_t byte)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

    return fcntl(fd, command, &lock) == 0;
}

/* The first lock keeps out other descriptors of this file, in this process (two copies of this code) or elsewhere; the
 * second keeps out processes that share our descriptor through fork, to whom the first is their own. */
bool bearer_store_lock(struct bearer_store *store)
{
    int fd;

    if (ensure_open(store, NULL) != BEARER_OK || !bearer_guard_try(&store->lock))
        return false;
    fd = store->file.fd;
    if (lock_byte(fd, F_OFD_SETLK, F_WRLCK, LOCK_DESCRIPTORS)) {
        if (lock_byte(fd, F_SETLK, F_WRLCK, LOCK_PROCESSES))
            return true;
        lock_byte(fd, F_OFD_SETLK, F_UNLCK, LOCK_DESCRIPTORS);
    }
    bearer_guard_unlock(&store->lock);
    return false;
}

void bearer_store_unlock(struct bearer_store *store)
{
    if (bearer_descriptor_valid(&store->file, NULL)) {
        lock_byte(store->file.fd, F_SETLK, F_UNLCK, LOCK_PROCESSES);
        lock_byte(store->file.fd, F_OFD_SETLK, F_UNLCK, LOCK_DESCRIPTORS);
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
