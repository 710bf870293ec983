/* stepped_clock.c - see stepped_clock.h */
#include "tests/load/stepped_clock.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

atomic_long clock_ahead;

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *now)
{
    long result = syscall(SYS_clock_gettime, clock, now);

    if (result == 0 && clock == CLOCK_REALTIME)
        now->tv_sec += clock_ahead;
    return (int)result;
}
