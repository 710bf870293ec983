/* spawn.c - see spawn.h */
#include "credential/spawn.h"

#include "credential/clock.h"
#include "credential/signals.h"
#include "credential/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_FREE 3    /* descriptors below are the program's standard ones */
#define GRACE 250       /* ms between SIGTERM and SIGKILL, and as much for SIGKILL to take effect */
#define PAUSE_MAX 50    /* ms between two looks at a program that closed its output but has not ended */
#define REMARK_KEPT 512 /* bytes of standard error */
#define REMARK_SHOWN 200

extern char **environ;

/* A command's words, for execve(2). */
struct words {
    char *copy;
    char **argv; /* into copy; ended by NULL */
};

/* A program that runs. */
struct run {
    const char *name; /* for messages */
    pid_t pid;        /* also its process group's */
    int output;       /* read ends of its standard output and error; -1 = closed */
    int error;
    struct bearer_secret *printed;
    size_t maximum;
    char remark[REMARK_KEPT]; /* the beginning of what it wrote to standard error */
    size_t remark_length;
};

/* ------------------------------------------------------------------ words */

static void words_clear(struct words *words)
{
    free(words->copy);
    free(words->argv);
}

static enum bearer_status words_split(const char *command, struct words *words, struct bearer_error *err)
{
    const char *cursor, *word;
    size_t length, n = 0;

    words->copy = strdup(command);
    words->argv = calloc(strlen(command) / 2 + 2, sizeof *words->argv);
    if (words->copy == NULL || words->argv == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    for (cursor = words->copy; bearer_text_word(&cursor, &word, &length); n++)
        words->argv[n] = words->copy + (word - words->copy);
    for (size_t i = 0; i < n; i++)
        words->argv[i][strcspn(words->argv[i], " \t")] = '\0';
    if (n == 0 || words->argv[0][0] != '/')
        return bearer_fail(err, BEARER_CONFIG, "a command must begin with the absolute path of a program, not with '%s'",
                           n > 0 ? words->argv[0] : "");
    return BEARER_OK;
}

/* ------------------------------------------------------------------ starting */

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Moves a descriptor to where the program's standard ones will not overwrite it: a host may have closed its own. */
static bool move_up(int *fd)
{
    int high;

    if (*fd >= FIRST_FREE)
        return true;
    high = fcntl(*fd, F_DUPFD_CLOEXEC, FIRST_FREE);
    if (high < 0)
        return false;
    close(*fd);
    *fd = high;
    return true;
}

static enum bearer_status make_pipe(int ends[2], struct bearer_error *err)
{
    enum bearer_status st = BEARER_OK;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return bearer_fail(err, BEARER_LOCAL, "cannot make a pipe: %m");
    if (!move_up(&ends[0]) || !move_up(&ends[1])) {
        st = bearer_fail(err, BEARER_LOCAL, "cannot make a pipe: %m");
        close_one(&ends[0]);
        close_one(&ends[1]);
    }
    return st;
}

/* Standard input from nowhere, the two pipes, and nothing else: a host's descriptors need not be close-on-exec. */
static int set_descriptors(posix_spawn_file_actions_t *actions, int output, int error)
{
    int failed = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

    if (failed == 0)
        failed = posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
    if (failed == 0)
        failed = posix_spawn_file_actions_adddup2(actions, error, STDERR_FILENO);
#ifdef HAVE_POSIX_SPAWN_FILE_ACTIONS_ADDCLOSEFROM_NP
    if (failed == 0)
        failed = posix_spawn_file_actions_addclosefrom_np(actions, FIRST_FREE);
#endif
    return failed;
}

/* A process group of its own, to be ended as a whole; signals as a program expects to find them. */
static int set_signals(posix_spawnattr_t *attributes)
{
    sigset_t all, none;
    int failed;

    sigfillset(&all);
    sigemptyset(&none);
    failed = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    if (failed == 0)
        failed = posix_spawnattr_setpgroup(attributes, 0);
    if (failed == 0)
        failed = posix_spawnattr_setsigdefault(attributes, &all);
    return failed != 0 ? failed : posix_spawnattr_setsigmask(attributes, &none);
}

/* Returns 0 or what errno would be. */
static int spawn(char *const argv[], int output, int error, pid_t *pid_out)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int failed;

    if ((failed = posix_spawn_file_actions_init(&actions)) != 0)
        return failed;
    if ((failed = posix_spawnattr_init(&attributes)) == 0) {
        if ((failed = set_descriptors(&actions, output, error)) == 0 && (failed = set_signals(&attributes)) == 0)
            failed = posix_spawn(pid_out, argv[0], &actions, &attributes, argv, environ);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/* Says why a program cannot be run: for want of something now, or because of what sasl.conf names. */
static enum bearer_status explain_spawn(const char *name, int error, struct bearer_error *err)
{
    bool lacking = error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE;
    bool no_interpreter = error == ENOENT && access(name, X_OK) == 0;

    errno = error;
    return bearer_fail(err, lacking ? BEARER_LOCAL : BEARER_CONFIG, "cannot run '%s': %s%m", name,
                       no_interpreter ? "what its first line names: " : "");
}

static enum bearer_status start(struct run *run, char *const argv[], struct bearer_error *err)
{
    int output[2] = { -1, -1 }, error[2] = { -1, -1 }, failed;
    enum bearer_status st;

    if ((st = make_pipe(output, err)) == BEARER_OK && (st = make_pipe(error, err)) == BEARER_OK &&
        (failed = spawn(argv, output[1], error[1], &run->pid)) != 0)
        st = explain_spawn(argv[0], failed, err);
    close_one(&output[1]);
    close_one(&error[1]);
    run->output = output[0];
    run->error = error[0];
    return st;
}

/* ------------------------------------------------------------------ following */

/* Reads into a buffer.  At the end of the stream, or if it cannot be read, closes it. */
static size_t read_some(int *fd, void *buffer, size_t size)
{
    ssize_t got = read(*fd, buffer, size);

    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
        close_one(fd);
    return got > 0 ? (size_t)got : 0;
}

/* Too much is enough: the rest stays unread. */
static void read_output(struct run *run)
{
    struct bearer_secret *printed = run->printed;

    printed->length += read_some(&run->output, printed->bytes + printed->length, run->maximum + 1 - printed->length);
    if (printed->length > run->maximum)
        close_one(&run->output);
}

/* What is beyond the remark's size is read too, so that the program does not wait for us. */
static void read_remark(struct run *run)
{
    char rest[1024];
    size_t room = sizeof run->remark - run->remark_length;

    if (room > 0)
        run->remark_length += read_some(&run->error, run->remark + run->remark_length, room);
    else
        bearer_wipe(rest, read_some(&run->error, rest, sizeof rest));
}

/* Waits for something to read.  Poll ignores descriptors that are -1 and then just waits. */
static bool follow_once(struct run *run, int64_t patience)
{
    struct pollfd ready[2] = { { run->output, POLLIN, 0 }, { run->error, POLLIN, 0 } };

    if (poll(ready, 2, (int)patience) <= 0)
        return false;
    if (ready[0].revents != 0)
        read_output(run);
    if (ready[1].revents != 0)
        read_remark(run);
    return true;
}

/* Whether the program has ended, or was reaped by a host that does so with all children.  Does not reap it: until then
 * nobody else gets its number, and with it our kill(). */
static bool has_ended(const struct run *run)
{
    siginfo_t info = { .si_pid = 0 };

    if (waitid(P_PID, (id_t)run->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0)
        return errno == ECHILD;
    return info.si_pid == run->pid;
}

/* Reads until the output's end, then waits for the program's; or until the time is over. */
static bool follow(struct run *run, int64_t deadline)
{
    int64_t pause = 1, left, most;

    while (run->output >= 0 || !has_ended(run)) {
        left = deadline - bearer_monotonic();
        if (left <= 0)
            return false;
        most = run->output >= 0 ? 1000 : pause; /* the output's end wakes us, the program's may not */
        if (run->output < 0 && pause < PAUSE_MAX)
            pause *= 2;
        (void)follow_once(run, left < most ? left : most);
    }
    return true;
}

/* Ends the program with all that it started.  One that even SIGKILL does not end (it sleeps in the kernel, or runs as
 * somebody else) is left alone: a login must not wait for it. */
static void stop(struct run *run)
{
    kill(-run->pid, SIGTERM);
    (void)follow(run, bearer_monotonic() + GRACE);
    kill(-run->pid, SIGKILL);
    (void)follow(run, bearer_monotonic() + GRACE);
}

/* ------------------------------------------------------------------ how it ended */

/* Whether a text holds so many such characters in a row. */
static bool has_run(const char *text, const char *characters, size_t many)
{
    for (size_t length; *text != '\0'; text += length > 0 ? length : 1) {
        length = strspn(text, characters);
        if (length >= many)
            return true;
    }
    return false;
}

/* A path, a URL or a GUID may be shown; a token, and a client secret of 40 characters, not.  The line is judged as far as it
 * was kept and shown not half as far, so that no token is taken for a word because it was cut. */
static bool may_be_secret(const char *line)
{
#define WORD "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+="
    return has_run(line, WORD, 40) || has_run(line, WORD "/", 64);
#undef WORD
}

/* The first line of standard error, behind a colon; or nothing.  Its end is not waited for: others may hold it open. */
static void take_remark(struct run *run, char shown[REMARK_SHOWN])
{
    char text[REMARK_KEPT + 1] = "", *line;
    size_t length;

    shown[0] = '\0';
    while (run->error >= 0 && run->remark_length < sizeof run->remark && follow_once(run, 0))
        ;
    memcpy(text, run->remark, run->remark_length);
    line = text + strspn(text, " \t\r\n");
    line[strcspn(line, "\r\n")] = '\0';
    for (length = strlen(line); length > 0 && strchr(" \t.", line[length - 1]) != NULL;)
        length--;
    if (length > 0 && !may_be_secret(line)) {
        memcpy(shown, ": ", 2);
        bearer_text_printable(shown + 2, REMARK_SHOWN - 2, line, length);
    }
    bearer_wipe(text, sizeof text);
}

static enum bearer_status explain_end(struct run *run, int status, struct bearer_error *err)
{
    char remark[REMARK_SHOWN];

    take_remark(run, remark);
    if (WIFSIGNALED(status))
        return bearer_fail(err, BEARER_LATER, "the command '%s' was ended by signal %d%s", run->name, WTERMSIG(status),
                           remark);
    if (WEXITSTATUS(status) != 0)
        return bearer_fail(err, BEARER_LATER, "the command '%s' failed with exit status %d%s", run->name,
                           WEXITSTATUS(status), remark);
    if (run->printed->length == 0)
        return bearer_fail(err, BEARER_LATER, "the command '%s' printed nothing%s", run->name, remark);
    return BEARER_OK;
}

/* Takes the program's status; success where the host has it, for then only the output can tell. */
static int reap(const struct run *run)
{
    int status = 0;

    while (waitpid(run->pid, &status, WNOHANG) < 0 && errno == EINTR)
        ;
    return status;
}

/* Follows a program to its end, its own or the one we set. */
static enum bearer_status finish(struct run *run, int64_t deadline, struct bearer_error *err)
{
    bool ended = follow(run, deadline), complete = run->output < 0;
    bool too_much = run->printed->length > run->maximum;
    bool only_others = !complete && has_ended(run);
    int status;

    if (!ended)
        stop(run);
    status = reap(run);
    if (too_much)
        return bearer_fail(err, BEARER_CONFIG, "the command '%s' printed more than %zu bytes", run->name, run->maximum);
    if (only_others)
        return bearer_fail(err, BEARER_LATER,
                           "the command '%s' has ended, but something that it started kept its output open and was ended",
                           run->name);
    if (!complete)
        return bearer_fail(err, BEARER_LATER,
                           "the command '%s' took too long and was ended: oauth2_timeout says how long it may", run->name);
    return explain_end(run, ended ? status : 0, err); /* what we ended after its last word did not fail */
}

enum bearer_status bearer_spawn_read(const char *command, int64_t deadline, size_t maximum, struct bearer_secret *output_out,
                                     struct bearer_error *err)
{
    struct run run = { .output = -1, .error = -1, .printed = output_out, .maximum = maximum };
    struct words words = { NULL, NULL };
    sigset_t before;
    enum bearer_status st;

    bearer_signals_hold(&before); /* whose handlers might leave by longjmp, and leave the program behind */
    if ((st = words_split(command, &words, err)) == BEARER_OK &&
        (st = bearer_secret_reserve(output_out, maximum + 1, err)) == BEARER_OK) {
        output_out->length = 0; /* grows with what is read */
        run.name = words.argv[0];
        if ((st = start(&run, words.argv, err)) == BEARER_OK)
            st = finish(&run, deadline, err);
    }
    if (st != BEARER_OK)
        bearer_secret_clear(output_out);
    close_one(&run.output);
    close_one(&run.error);
    bearer_wipe(run.remark, sizeof run.remark);
    words_clear(&words);
    bearer_signals_release(&before);
    return st;
}
