/* guard.h - a lock between the threads of a process that survives what guests must survive.
 *
 * A mutex stays locked for ever when its holder forks (in the child), or leaves by longjmp from a signal handler.  A guard
 * remembers who holds it: a holder in another process, or the asking thread itself, holds nothing any more.
 */
#ifndef BEARER_GUARD_H
#define BEARER_GUARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct bearer_guard {
    _Atomic uint64_t holder; /* process and thread; 0 = nobody */
};

#define BEARER_GUARD_INIT { 0 }

/* Takes it if it is free. */
bool bearer_guard_try(struct bearer_guard *guard);

/* Takes it; for work that takes microseconds. */
void bearer_guard_lock(struct bearer_guard *guard);

/* Whether a thread of this process holds it. */
bool bearer_guard_held(const struct bearer_guard *guard);

void bearer_guard_unlock(struct bearer_guard *guard);

#endif
