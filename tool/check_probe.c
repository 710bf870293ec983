/* check_probe.c - see check_probe.h */
#include "tool/check_probe.h"

#include "credential/clock.h"
#include "credential/spawn.h"
#include "credential/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE   10 /* seconds; all of this is local and takes milliseconds */
#define OUTPUT_MAX 262144

char *probe_find(const char *program)
{
    const char *path = getenv("PATH"), *part;
    char *places = bearer_text_format("%s:/usr/sbin:/usr/local/sbin:/sbin:/usr/bin:/bin", path != NULL ? path : "");
    char *rest = places, *found = NULL;

    while (rest != NULL && found == NULL && (part = strsep(&rest, ":")) != NULL) {
        if (*part != '/' || strpbrk(part, " \t") != NULL)
            continue;
        found = bearer_text_format("%s/%s", part, program);
        if (found != NULL && access(found, X_OK) != 0) {
            free(found);
            found = NULL;
        }
    }
    free(places);
    return found;
}

static bool run(struct bearer_secret *output_out, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static bool run(struct bearer_secret *output_out, const char *format, va_list arguments)
{
    char *command;
    enum bearer_status st;

    if (vasprintf(&command, format, arguments) < 0)
        return false;
    st = bearer_spawn_read(command, bearer_monotonic() + PATIENCE * 1000, OUTPUT_MAX, output_out, NULL);
    free(command);
    return st == BEARER_OK;
}

bool probe_run_secret(struct bearer_secret *output_out, const char *format, ...)
{
    va_list arguments;
    bool ran;

    va_start(arguments, format);
    ran = run(output_out, format, arguments);
    va_end(arguments);
    return ran;
}

char *probe_run(const char *format, ...)
{
    struct bearer_secret output = BEARER_SECRET_INIT;
    char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    if (run(&output, format, arguments))
        text = strdup(bearer_secret_reveal(&output));
    va_end(arguments);
    bearer_secret_clear(&output);
    for (size_t length = text != NULL ? strlen(text) : 0; length > 0 && text[length - 1] == '\n';)
        text[--length] = '\0';
    return text;
}

/* Nothing of what the work's libraries print may reach our own output, and nothing may last. */
static void work_in_child(probe_work *work, void *data, int to_parent)
{
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    FILE *out = fdopen(to_parent, "w");

    if (nowhere >= 0)
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
            dup2(nowhere, fd);
    signal(SIGALRM, SIG_DFL);
    alarm(PATIENCE);
    if (out == NULL)
        _exit(1);
    work(out, data);
    _exit(fflush(out) == 0 ? 0 : 1);
}

static char *read_all(int fd)
{
    FILE *in = fdopen(fd, "r");
    char *text = NULL;
    size_t size = 0;

    if (in == NULL) {
        close(fd);
        return NULL;
    }
    if (getdelim(&text, &size, '\0', in) < 0 && text != NULL)
        *text = '\0';
    fclose(in);
    return text != NULL ? text : strdup("");
}

char *probe_in_child(probe_work *work, void *data, bool *ended_out)
{
    int ends[2], status = 1;
    char *text;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return NULL;
    fflush(NULL); /* or the child's exit might print it again */
    pid = fork();
    if (pid == 0)
        work_in_child(work, data, ends[1]);
    close(ends[1]);
    text = read_all(ends[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (ended_out != NULL)
        *ended_out = pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    return text;
}
