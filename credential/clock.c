/* clock.c - see clock.h */
#include "credential/clock.h"

#include <time.h>

int64_t bearer_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec;
}

int64_t bearer_monotonic(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void bearer_sleep(int64_t milliseconds)
{
    struct timespec t = { (time_t)(milliseconds / 1000), (long)(milliseconds % 1000) * 1000000 };

    if (milliseconds > 0)
        nanosleep(&t, NULL);
}
