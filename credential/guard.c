/* guard.c - see guard.h */
#include "credential/guard.h"

#include "credential/clock.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#define SPINS 100

#define PROCESS_BITS 22 /* pids have no more (proc(5), pid_max) */

/* Process and thread in one word: a thread's descriptor is an address of 47 bits, aligned to 64 at least. */
static uint64_t self(void)
{
    return (uint64_t)(uintptr_t)pthread_self() >> 6 << PROCESS_BITS | (uint64_t)getpid();
}

static bool same_process(uint64_t a, uint64_t b)
{
    return ((a ^ b) & (((uint64_t)1 << PROCESS_BITS) - 1)) == 0;
}

bool bearer_guard_try(struct bearer_guard *guard)
{
    uint64_t me = self(), holder = 0;

    if (atomic_compare_exchange_strong(&guard->holder, &holder, me))
        return true;
    if (holder != me && same_process(holder, me))
        return false;
    return atomic_compare_exchange_strong(&guard->holder, &holder, me);
}

void bearer_guard_lock(struct bearer_guard *guard)
{
    for (int i = 0; !bearer_guard_try(guard); i++) {
        if (i < SPINS)
            sched_yield();
        else
            bearer_sleep(1);
    }
}

bool bearer_guard_held(const struct bearer_guard *guard)
{
    uint64_t holder = atomic_load(&guard->holder);

    return holder != 0 && same_process(holder, self());
}

void bearer_guard_unlock(struct bearer_guard *guard)
{
    atomic_store(&guard->holder, 0);
}
