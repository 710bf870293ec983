/* guard.c - see guard.h */
#include "credential/guard.h"

#include "credential/clock.h"

#include <sched.h>
#include <unistd.h>

#define SPINS 100

static uint64_t self(void)
{
    return (uint64_t)(uint32_t)getpid() << 32 | (uint32_t)gettid();
}

bool bearer_guard_try(struct bearer_guard *guard)
{
    uint64_t me = self(), holder = 0;

    if (atomic_compare_exchange_strong(&guard->holder, &holder, me))
        return true;
    if (holder != me && holder >> 32 == me >> 32)
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

void bearer_guard_unlock(struct bearer_guard *guard)
{
    atomic_store(&guard->holder, 0);
}
