/* signals.c - see signals.h */
#include "credential/signals.h"

#include <stdbool.h>
#include <stddef.h>

/* What a fault of the program's own raises must reach its handler where it happens. */
static bool is_fault(int number)
{
    return number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL || number == SIGTRAP || number == SIGABRT;
}

static bool is_handled(int number)
{
    struct sigaction action;

    return !is_fault(number) && sigaction(number, NULL, &action) == 0 &&
           ((action.sa_flags & SA_SIGINFO) || (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN));
}

void bearer_signals_hold(sigset_t *before_out)
{
    sigset_t handled;

    sigemptyset(&handled);
    for (int number = 1; number < NSIG; number++)
        if (is_handled(number))
            sigaddset(&handled, number);
    pthread_sigmask(SIG_BLOCK, &handled, before_out);
}

void bearer_signals_release(const sigset_t *before)
{
    pthread_sigmask(SIG_SETMASK, before, NULL);
}
