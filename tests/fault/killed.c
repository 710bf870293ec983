/* killed.c - see killed.h */
#include "tests/fault/killed.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAY_NOT 77 /* the child's exit status where it may not be traced */

/* Gives a child that stands still before its work. */
static pid_t begin(void (*work)(const void *data), const void *data)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(MAY_NOT);
        raise(SIGSTOP);
        work(data);
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == MAY_NOT) {
        print_message("             skipped: no process may be traced here\n");
        skip();
    }
    assert_true(WIFSTOPPED(status));
    return child;
}

bool killed_at(long stop, void (*work)(const void *data), const void *data)
{
    pid_t child = begin(work, data);
    bool killed = false;
    int status;

    for (long i = 0; !killed; i++) {
        killed = i == stop;
        if (killed)
            assert_int_equal(kill(child, SIGKILL), 0);
        else
            assert_int_equal(ptrace(PTRACE_SYSCALL, child, NULL, NULL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFSTOPPED(status))
            break;
    }
    while (WIFSTOPPED(status)) /* the stop that was on its way */
        assert_int_equal(waitpid(child, &status, 0), child);
    if (killed)
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("the work did not end well: status 0x%x", (unsigned)status);
    return killed;
}
