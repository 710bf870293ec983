/* store.h - a token file: two slots, changed in place.
 *
 * Each write fills the slot that is not current and so leaves the current one intact until the new one is on disk.  Readers
 * take the valid slot with the higher sequence and need no lock.  The file is never renamed or removed, so it works through
 * a descriptor in a chroot jail, owner and mode stay, and the lock is on the file itself.
 *
 *     offset 0               slot 0: header, record
 *     offset SLOT_SIZE       slot 1: header, record
 *
 * Header: magic, byte order, format, flags, file id, sequence, record length, CRC32C over header (with this field zero) and
 * record; 48 bytes.  Record: see token.h.  A new file is all zeros.
 */
#ifndef BEARER_STORE_H
#define BEARER_STORE_H

#include "credential/token.h"

#include <stdbool.h>
#include <sys/types.h>

struct bearer_store;

#define BEARER_STORE_CREATE 0x01 /* make the file (and nothing else) if it is not there */

/* Gives "DIRECTORY/PROVIDER-KEY.token", the key percent-encoded; NULL without memory.  Free it. */
char *bearer_store_path(const char *directory, const char *provider, const char *key);

/* Gives the provider and the key of a token file's name, or false if it is not one.  Free both. */
bool bearer_store_parse_name(const char *name, char **provider_out, char **key_out);

/* Makes the directory of token files, 0700, with its parents; nothing if it is there. */
enum bearer_status bearer_store_make_directory(const char *path, struct bearer_error *err);

/* Opens a token file: regular, one name, owned by the directory's owner or by us, no access for anyone else.
 * Gives *store_out; NULL with BEARER_OK where the file is absent and is not to be created.
 * BEARER_LOCAL: refused or impossible, with the reason. */
enum bearer_status bearer_store_open(const char *path, unsigned flags, struct bearer_store **store_out,
                                     struct bearer_error *err);
void bearer_store_free(struct bearer_store **store);

/* From now on only the descriptor is used and no path opened: this process will be in a jail. */
void bearer_store_seal(struct bearer_store *store);

const char *bearer_store_name(const struct bearer_store *store);

/* Threads take turns with bearer_store_read(), _lock(), _lock_holder() and _mark() (the caller sees to it); _write() and _unlock()
 * belong to whoever holds the lock and need no turn. */

/* Lends what the file holds now, until the next call; an empty token where it holds nothing.  No lock needed between
 * processes.  BEARER_LOCAL: the file is gone and cannot be opened again, or cannot be read. */
enum bearer_status bearer_store_read(struct bearer_store *store, const struct bearer_token **token_out,
                                     struct bearer_error *err);

/* Names the state that was last read: another state, another mark.  All zeros for an empty file. */
struct bearer_store_mark {
    uint64_t file_id;
    uint64_t sequence;
};
struct bearer_store_mark bearer_store_mark(const struct bearer_store *store);

/* Writes a new state; the lock must be held.  BEARER_OK: it is on disk, or will be; the latter only where neither it nor what it
 * takes the place of has a refresh token, so that a power cut loses nothing that cannot be had again.  BEARER_LOCAL: it is not, or
 * a power cut may undo it; the state before is never lost.  *stored_out, if not NULL: whether readers see the new state. */
enum bearer_status bearer_store_write(struct bearer_store *store, const struct bearer_token *token, bool *stored_out,
                                      struct bearer_error *err);

/* Takes the lock if nobody holds it: between processes, threads, and copies of this code in one process.  Does not wait.  It
 * ends with the process, however that ends. */
bool bearer_store_lock(struct bearer_store *store);
void bearer_store_unlock(struct bearer_store *store);

/* The process that holds the lock, or 0 if that cannot be told. */
pid_t bearer_store_lock_holder(struct bearer_store *store);

#endif
