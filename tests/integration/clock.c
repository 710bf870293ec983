/* clock.c - to be preloaded: a time of day that is AHEAD seconds ahead, or late if that is negative.  Clocks that only measure
 * how long something takes are left alone. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
    long result = syscall(SYS_clock_gettime, clock, now);
    const char *ahead = getenv("AHEAD");

    if (result == 0 && clock == CLOCK_REALTIME && ahead != NULL)
        now->tv_sec += atol(ahead);
    return (int)result;
}
