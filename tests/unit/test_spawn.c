/* test_spawn.c - programs that print, fail, hang, flood and hide, and hosts that make it hard to run them. */
#include "credential/spawn.h"

#include "credential/clock.h"
#include "tests/unit/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG 60000 /* ms; nothing that works takes so long */
#define SHORT 2000 /* ms; for what never ends, and has made itself known by then */

#define LETTERS_10 "aB3-_~.xY9"
#define LETTERS_40 LETTERS_10 LETTERS_10 LETTERS_10 LETTERS_10

static int before; /* descriptors that were open */

static int open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int n = 0;

    assert_non_null(directory);
    while (readdir(directory) != NULL)
        n++;
    closedir(directory);
    return n;
}

static int begin(void **state)
{
    before = open_descriptors();
    return scratch_begin(state);
}

/* Whatever a test did: no child is left, no descriptor either. */
static int end(void **state)
{
    int after = open_descriptors(), left = waitpid(-1, NULL, WNOHANG);

    if (after != before)
        print_error("%d descriptors before, %d after\n", before, after);
    if (left != -1 || errno != ECHILD)
        print_error("a child is left\n");
    return scratch_end(state) != 0 || after != before || left != -1 ? -1 : 0;
}

#define spawn_test(test) cmocka_unit_test_setup_teardown(test, begin, end)

/* Makes a shell script and lends its path. */
static const char *script(const char *lines)
{
    return scratch_write("command", 0755, scratch_text("#!/bin/sh\n%s\n", lines));
}

static enum bearer_status run(const char *command, int64_t milliseconds, struct bearer_secret *output,
                              struct bearer_error *err)
{
    *err = (struct bearer_error)BEARER_ERROR_INIT;
    return bearer_spawn_read(command, bearer_monotonic() + milliseconds, 4096, output, err);
}

static void assert_prints(const char *command, const char *text)
{
    struct bearer_secret output = BEARER_SECRET_INIT;
    struct bearer_error err;

    if (run(command, LONG, &output, &err) != BEARER_OK)
        fail_msg("%s", err.text);
    assert_string_equal(bearer_secret_reveal(&output), text);
    assert_int_equal(output.length, strlen(text));
    bearer_secret_clear(&output);
}

static void assert_fails(const char *command, int64_t milliseconds, enum bearer_status status, const char *text)
{
    struct bearer_secret output = BEARER_SECRET_INIT;
    struct bearer_error err;

    assert_int_equal(run(command, milliseconds, &output, &err), status);
    assert_string_equal(err.text, text);
    assert_null(output.bytes);
}

/* Waits until the process whose number a file holds is no more. */
static void assert_ends(const char *file)
{
    size_t length;
    char *number = (char *)scratch_read(file, &length), state = '?';
    const char *path = scratch_text("/proc/%ld/stat", strtol(number, NULL, 10));
    FILE *stat = NULL;

    free(number);
    for (int i = 0; i < 1000 && state != 'Z' && (stat = fopen(path, "re")) != NULL; i++) {
        if (fscanf(stat, "%*d (%*[^)]) %c", &state) != 1)
            state = '?';
        fclose(stat);
        usleep(10000);
    }
    assert_true(stat == NULL || state == 'Z'); /* whoever inherits orphans may be slow */
}

/* ------------------------------------------------------------------ what it prints */

static void what_a_command_prints_is_given_as_it_is(void **state)
{
    struct bearer_secret output = BEARER_SECRET_INIT;
    struct bearer_error err;

    (void)state;
    assert_prints(script("echo token"), "token\n");
    assert_prints(script("printf ' a\\n b'"), " a\n b");
    assert_prints(script("printf a; sleep 0.1; printf b; exec >&-; sleep 0.1"), "ab");
    assert_int_equal(run(script("printf 'a\\0b'"), LONG, &output, &err), BEARER_OK);
    assert_int_equal(output.length, 3);
    assert_memory_equal(output.bytes, "a\0b", 4);
    bearer_secret_clear(&output);
}

static void words_are_parted_by_blanks_and_nothing_is_expanded(void **state)
{
    const char *path = script("printf '<%s>' \"$@\"");

    (void)state;
    assert_prints(scratch_text("%s a  'b\t$HOME * \"c d\" ;id", path), "<a><'b><$HOME><*><\"c><d\"><;id>");
    assert_prints(scratch_text("  %s a ", path), "<a>");
    assert_prints(path, "<>");
}

static void standard_error_is_not_output(void **state)
{
    (void)state;
    assert_prints(script("echo a warning >&2; echo token"), "token\n");
    assert_prints(script("head -c 300000 /dev/zero >&2; echo token"), "token\n");
    assert_prints(script("exec 2>&-; echo token"), "token\n");
}

static void standard_input_is_empty(void **state)
{
    (void)state;
    assert_prints(script("cat || echo unreadable; readlink /proc/$$/fd/0"), "/dev/null\n");
}

static void environment_is_the_hosts(void **state)
{
    (void)state;
    assert_int_equal(setenv("OF_THE_HOST", "its value", 1), 0);
    assert_prints(script("printf %s \"$OF_THE_HOST\""), "its value");
    unsetenv("OF_THE_HOST");
}

static void output_has_a_ceiling(void **state)
{
    struct bearer_secret output = BEARER_SECRET_INIT;
    const char *path = script("head -c $1 /dev/zero | tr '\\0' x");
    struct bearer_error err;

    (void)state;
    assert_int_equal(run(scratch_text("%s 4096", path), LONG, &output, &err), BEARER_OK);
    assert_int_equal(output.length, 4096);
    bearer_secret_clear(&output);
    assert_fails(scratch_text("%s 4097", path), LONG, BEARER_CONFIG,
                 scratch_text("the command '%s' printed more than 4096 bytes", path));
}

static void printing_forever_does_not_last(void **state)
{
    int64_t begin_ms = bearer_monotonic();
    const char *path;

    (void)state;
    path = script("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done");
    assert_fails(path, LONG, BEARER_CONFIG, scratch_text("the command '%s' printed more than 4096 bytes", path));
    assert_true(bearer_monotonic() - begin_ms < LONG / 2);
}

/* ------------------------------------------------------------------ how it fails */

/* Its child has memory of its own, so posix_spawn() does not hear why there is no program. */
static bool under_valgrind(void)
{
    const char *preloaded = getenv("LD_PRELOAD");

    return preloaded != NULL && strstr(preloaded, "vgpreload") != NULL;
}

static void what_cannot_be_run_is_for_the_administrator(void **state)
{
    const char *not_executable = scratch_write("plain", 0644, "#!/bin/sh\n");
    const char *not_a_program = scratch_write("text", 0755, "some text\n");
    const char *no_shell = scratch_write("script", 0755, "#!/no/such/shell\n");

    (void)state;
    if (under_valgrind())
        skip();
    assert_fails("/no/such/program --token", LONG, BEARER_CONFIG,
                 "cannot run '/no/such/program': No such file or directory");
    assert_fails(not_executable, LONG, BEARER_CONFIG, scratch_text("cannot run '%s': Permission denied", not_executable));
    assert_fails(not_a_program, LONG, BEARER_CONFIG, scratch_text("cannot run '%s': Exec format error", not_a_program));
    assert_fails(no_shell, LONG, BEARER_CONFIG,
                 scratch_text("cannot run '%s': what its first line names: No such file or directory", no_shell));
    assert_fails("az account", LONG, BEARER_CONFIG,
                 "a command must begin with the absolute path of a program, not with 'az'");
    assert_fails(" ", LONG, BEARER_CONFIG, "a command must begin with the absolute path of a program, not with ''");
}

static void a_failure_is_told_with_what_the_command_says(void **state)
{
    static const struct {
        const char *lines, *end;
    } table[] = {
        { "exit 3", "failed with exit status 3" },
        { "echo token; exit 1", "failed with exit status 1" },
        { "echo \"ERROR: Please run 'az login'.\" >&2; exit 1", "failed with exit status 1: ERROR: Please run 'az login'" },
        { "printf '\\n \\r\\n first \\nsecond\\n' >&2; exit 1", "failed with exit status 1: first" },
        { "printf 'a\\033[31mb\\302\\240c' >&2; exit 1", "failed with exit status 1: a?[31mb??c" },
        { "kill -9 $$", "was ended by signal 9" },
        { "echo token; kill -15 $$", "was ended by signal 15" },
        { ":", "printed nothing" },
        { "echo 'no account' >&2", "printed nothing: no account" },
        { "sleep 1000 >/dev/null & echo 'still there' >&2; kill -9 $! $$", "was ended by signal 9: still there" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const char *path = script(table[i].lines);

        assert_fails(path, LONG, BEARER_LATER, scratch_text("the command '%s' %s", path, table[i].end));
    }
}

static void no_text_holds_arguments_output_or_tokens(void **state)
{
    static const struct {
        const char *line, *shown;
    } table[] = {
        { "cannot use https://login.example.com/common/oauth2/v2.0/token",
          ": cannot use https://login.example.com/common/oauth2/v2.0/token" },
        { "no application 0c1d2e3f-2222-4222-8222-0123456789ab", ": no application 0c1d2e3f-2222-4222-8222-0123456789ab" },
        { "token: " LETTERS_40, "" },
        { "short: " LETTERS_10 LETTERS_10, ": short: " LETTERS_10 LETTERS_10 },
        { LETTERS_10 LETTERS_10 "/" LETTERS_10 LETTERS_10 "/" LETTERS_10 LETTERS_10 "/+/", "" },
    };
    const char *path;
    char far[700];

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        path = script("echo output; echo \"$@\" >&2; exit 1");

        assert_fails(scratch_text("%s %s", path, table[i].line), LONG, BEARER_LATER,
                     scratch_text("the command '%s' failed with exit status 1%s", path, table[i].shown));
    }
    /* A token that begins where the shown part ends is known by what follows. */
    memset(far, ' ', sizeof far);
    for (size_t i = 0; i < 190; i += 2)
        far[i] = 'w';
    memset(far + 190, 'T', sizeof far - 190);
    far[sizeof far - 1] = '\0';
    path = script("echo \"$@\" >&2; exit 1");
    assert_fails(scratch_text("%s %s", path, far), LONG, BEARER_LATER,
                 scratch_text("the command '%s' failed with exit status 1", path));
}

/* ------------------------------------------------------------------ when it does not end */

static void a_command_that_hangs_is_ended(void **state)
{
    const char *path = script("echo $$ >\"$1\"; echo token; while :; do sleep 1000; done");
    const char *file = scratch_path("pid");

    (void)state;
    assert_fails(scratch_text("%s %s", path, file), SHORT, BEARER_LATER,
                 scratch_text("the command '%s' took too long and was ended: oauth2_timeout says how long it may", path));
    assert_ends(file);
}

static void one_that_ignores_sigterm_is_ended_as_well(void **state)
{
    const char *path = script("trap '' TERM; echo $$ >\"$1\"; while :; do sleep 1000; done");
    const char *file = scratch_path("pid");

    (void)state;
    assert_fails(scratch_text("%s %s", path, file), SHORT, BEARER_LATER,
                 scratch_text("the command '%s' took too long and was ended: oauth2_timeout says how long it may", path));
    assert_ends(file);
}

static void what_it_started_is_ended_with_it(void **state)
{
    const char *deaf = scratch_write("deaf", 0755, "#!/bin/sh\ntrap '' TERM; echo $$ >\"$1\"; exec sleep 1000\n");
    const char *path = script(scratch_text("%s \"$1\" & echo token", deaf));
    const char *file = scratch_path("pid");

    (void)state;
    assert_fails(
        scratch_text("%s %s", path, file), SHORT, BEARER_LATER,
        scratch_text("the command '%s' has ended, but something that it started kept its output open and was ended", path));
    assert_ends(file);
}

static void what_it_started_may_tidy_up_first(void **state)
{
    const char *tidy = scratch_write("tidy", 0755, "#!/bin/sh\ntrap 'echo $$ >\"$1\"; exit' TERM; sleep 1000 & wait\n");
    const char *path = script(scratch_text("%s \"$1\" & wait", tidy));
    const char *file = scratch_path("pid");

    (void)state;
    assert_fails(scratch_text("%s %s", path, file), SHORT, BEARER_LATER,
                 scratch_text("the command '%s' took too long and was ended: oauth2_timeout says how long it may", path));
    assert_ends(file);
}

static void what_it_leaves_behind_in_peace_stays(void **state)
{
    const char *path = script("sleep 1000 >/dev/null & echo $! >\"$1\"; echo token");
    const char *file = scratch_path("pid");
    size_t length;
    char *number;
    pid_t pid;

    (void)state;
    assert_prints(scratch_text("%s %s", path, file), "token\n"); /* though it holds standard error */
    number = (char *)scratch_read(file, &length);
    pid = (pid_t)strtol(number, NULL, 10);
    free(number);
    assert_int_equal(kill(pid, SIGKILL), 0);
}

static void output_that_is_complete_counts_though_the_command_goes_on(void **state)
{
    const char *path = script("echo token; exec >&- 2>&-; echo $$ >\"$1\"; exec sleep 1000");
    struct bearer_secret output = BEARER_SECRET_INIT;
    const char *file = scratch_path("pid");
    struct bearer_error err;

    (void)state;
    assert_int_equal(run(scratch_text("%s %s", path, file), SHORT, &output, &err), BEARER_OK);
    assert_string_equal(bearer_secret_reveal(&output), "token\n");
    bearer_secret_clear(&output);
    assert_ends(file);
}

static void a_deadline_that_is_over_ends_it_at_once(void **state)
{
    struct bearer_secret output = BEARER_SECRET_INIT;
    struct bearer_error err;

    (void)state;
    assert_int_equal(run(script("sleep 1000"), -SHORT, &output, &err), BEARER_LATER);
}

/* ------------------------------------------------------------------ hosts */

static void nothing_of_the_hosts_signals_gets_in(void **state)
{
    sigset_t all, old;

    (void)state;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &old);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    /* Signals 1 to 28; a C library may ignore those it keeps for itself, from 32 on. */
    assert_prints(script("sed -n 's/^\\(Sig...\\):.*\\(.......\\)$/\\1 \\2/p' /proc/self/status | grep -E 'Blk|Ign'"),
                  "SigBlk 0000000\nSigIgn 0000000\n");
    signal(SIGPIPE, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

static void it_has_a_process_group_of_its_own(void **state)
{
    (void)state;
    assert_prints(script("[ $$ -eq \"$(cut -d' ' -f5 /proc/$$/stat)\" ] && echo yes"), "yes\n");
}

static void nothing_of_the_hosts_descriptors_gets_in(void **state)
{
    int fd, wild;

    (void)state;
#ifndef HAVE_POSIX_SPAWN_FILE_ACTIONS_ADDCLOSEFROM_NP
    skip(); /* ours are close-on-exec, the host's are its own affair */
#endif
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    wild = fcntl(fd, F_DUPFD, 50); /* not close-on-exec */
    assert_prints(script("exec ls /proc/self/fd"), "0\n1\n2\n3\n"); /* 3 is the directory that ls reads */
    close(wild);
    close(fd);
}

/* Runs a body in a process of its own, whose settings are nobody else's. */
static void in_a_child(bool (*body)(const char *path), const char *path)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        _exit(body(path) ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* For in_a_child: it prints `token`, and nothing is left behind. */
static bool prints_token(const char *path)
{
    struct bearer_secret output = BEARER_SECRET_INIT;
    struct bearer_error err;
    bool good = run(path, LONG, &output, &err) == BEARER_OK && strcmp(bearer_secret_reveal(&output), "token\n") == 0;

    bearer_secret_clear(&output);
    return good && waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD;
}

static bool without_descriptors(const char *path)
{
    int fd;
    bool good;

    for (fd = 0; fd < 3; fd++)
        close(fd);
    good = prints_token(path);
    for (fd = 0; fd < 3; fd++)
        good = good && fcntl(fd, F_GETFD) == -1;
    return good;
}

static bool without_standard_output(const char *path)
{
    close(1);
    return prints_token(path);
}

static void a_host_may_have_closed_its_own(void **state)
{
    const char *path = script("echo noise >&2; cat; echo token");

    (void)state;
    in_a_child(without_descriptors, path);
    in_a_child(without_standard_output, path);
    /* Nor do we use these numbers: the host might read its standard input meanwhile, and get the token. */
    in_a_child(without_descriptors, script("for n in 0 1 2; do [ ! -L /proc/$PPID/fd/$n ] || exit 1; done; echo token"));
}

static bool ignoring_children(const char *path)
{
    signal(SIGCHLD, SIG_IGN);
    return prints_token(path);
}

static bool silence_while_ignoring_children(const char *path)
{
    struct bearer_secret output = BEARER_SECRET_INIT;
    struct bearer_error err;

    signal(SIGCHLD, SIG_IGN);
    return run(path, LONG, &output, &err) == BEARER_LATER && strstr(err.text, "printed nothing: sign in") != NULL;
}

static bool hanging_while_ignoring_children(const char *path)
{
    struct bearer_secret output = BEARER_SECRET_INIT;
    struct bearer_error err;

    signal(SIGCHLD, SIG_IGN);
    return run(path, SHORT, &output, &err) == BEARER_LATER && strstr(err.text, "took too long") != NULL &&
           waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD;
}

static void a_host_may_ignore_its_children(void **state)
{
    (void)state;
    in_a_child(ignoring_children, script("echo token"));
    in_a_child(ignoring_children, script("echo token; exec >&-; sleep 0.2"));
    in_a_child(silence_while_ignoring_children, script("echo sign in >&2; exit 1"));
    in_a_child(hanging_while_ignoring_children, script("exec sleep 1000"));
}

static void reap_all(int number)
{
    int error = errno;

    (void)number;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    errno = error;
}

static bool reaping_everything(const char *path)
{
    const struct sigaction action = { .sa_handler = reap_all };

    sigaction(SIGCHLD, &action, NULL);
    return prints_token(path);
}

/* The same from another thread, which gets every child before we do. */
static void *reap_forever(void *stop)
{
    while (!__atomic_load_n((int *)stop, __ATOMIC_SEQ_CST)) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        usleep(1000);
    }
    return NULL;
}

static bool reaped_by_a_thread(const char *path)
{
    pthread_t thread;
    int stop = 0;
    bool good;

    if (pthread_create(&thread, NULL, reap_forever, &stop) != 0)
        return false;
    good = prints_token(path);
    __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
    return pthread_join(thread, NULL) == 0 && good;
}

static void a_host_may_reap_what_is_not_its_own(void **state)
{
    const char *path = script("echo token; exec >&- 2>&-; sleep 0.2");

    (void)state;
    in_a_child(reaping_everything, path);
    in_a_child(reaped_by_a_thread, path);
}

static sigjmp_buf back;

static void leave(int number)
{
    (void)number;
    siglongjmp(back, 1);
}

static void a_handler_that_leaves_by_longjmp_leaves_nothing_behind(void **state)
{
    const struct sigaction leaving = { .sa_handler = leave };
    const struct itimerval soon = { .it_value = { .tv_usec = 50000 } };
    struct bearer_secret output = BEARER_SECRET_INIT;
    volatile bool left = false;
    struct bearer_error err;
    struct sigaction old;
    const char *path = script("sleep 0.5; echo token");

    (void)state;
    sigaction(SIGALRM, &leaving, &old);
    if (sigsetjmp(back, 1) == 0) {
        setitimer(ITIMER_REAL, &soon, NULL);
        (void)run(path, LONG, &output, &err);
    } else {
        left = true;
    }
    sigaction(SIGALRM, &old, NULL);
    assert_true(left);
    bearer_secret_clear(&output);
}

static void nod(int number)
{
    (void)number;
}

/* Signals whose handler lets no system call go on, one every few milliseconds. */
static bool interrupted(const char *path)
{
    const struct sigaction action = { .sa_handler = nod };
    const struct itimerval often = { .it_value = { .tv_usec = 3000 }, .it_interval = { .tv_usec = 3000 } };

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    return prints_token(path);
}

static void interruptions_do_no_harm(void **state)
{
    (void)state;
    in_a_child(interrupted, script("sleep 0.2; echo token"));
}

static bool without_room(const char *path)
{
    struct bearer_secret output = BEARER_SECRET_INIT;
    struct bearer_error err;
    struct rlimit limit = { 64, 64 };
    int fd, last = -1;
    bool good = true;

    setrlimit(RLIMIT_NOFILE, &limit);
    while ((fd = dup(0)) >= 0)
        last = fd;
    for (int freed = 0; freed < 4; freed++) { /* four are needed */
        good = good && run(path, LONG, &output, &err) == BEARER_LOCAL &&
               strcmp(err.text, "cannot make a pipe: Too many open files") == 0;
        close(last - freed);
    }
    return good && prints_token(path);
}

static void a_host_may_be_out_of_descriptors(void **state)
{
    (void)state;
    in_a_child(without_room, script("echo token"));
}

static bool without_processes(const char *path)
{
    struct bearer_secret output = BEARER_SECRET_INIT;
    struct bearer_error err;
    struct rlimit limit = { 0, 0 };

    /* Root has no limit; where it cannot become somebody else, nothing is tested. */
    if (setrlimit(RLIMIT_NPROC, &limit) != 0 || (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0))
        return true;
    return run(path, LONG, &output, &err) == BEARER_LOCAL &&
           strcmp(err.text, "cannot run '/bin/sh': Resource temporarily unavailable") == 0;
}

static void a_host_may_be_out_of_processes(void **state)
{
    (void)state;
    in_a_child(without_processes, "/bin/sh");
}

static void *one_of_many(void *path)
{
    struct bearer_secret output = BEARER_SECRET_INIT;
    struct bearer_error err;
    bool good = run(path, LONG, &output, &err) == BEARER_OK && strcmp(bearer_secret_reveal(&output), "token\n") == 0;

    bearer_secret_clear(&output);
    return good ? path : NULL;
}

static void threads_do_not_hear_each_others_commands(void **state)
{
    pthread_t threads[8];
    void *good;
    const char *path = script("echo token");

    (void)state;
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, one_of_many, (void *)(uintptr_t)path), 0);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(pthread_join(threads[i], &good), 0);
        assert_non_null(good);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        spawn_test(what_a_command_prints_is_given_as_it_is),
        spawn_test(words_are_parted_by_blanks_and_nothing_is_expanded),
        spawn_test(standard_error_is_not_output),
        spawn_test(standard_input_is_empty),
        spawn_test(environment_is_the_hosts),
        spawn_test(output_has_a_ceiling),
        spawn_test(printing_forever_does_not_last),
        spawn_test(what_cannot_be_run_is_for_the_administrator),
        spawn_test(a_failure_is_told_with_what_the_command_says),
        spawn_test(no_text_holds_arguments_output_or_tokens),
        spawn_test(a_command_that_hangs_is_ended),
        spawn_test(one_that_ignores_sigterm_is_ended_as_well),
        spawn_test(what_it_started_is_ended_with_it),
        spawn_test(what_it_started_may_tidy_up_first),
        spawn_test(what_it_leaves_behind_in_peace_stays),
        spawn_test(output_that_is_complete_counts_though_the_command_goes_on),
        spawn_test(a_deadline_that_is_over_ends_it_at_once),
        spawn_test(nothing_of_the_hosts_signals_gets_in),
        spawn_test(it_has_a_process_group_of_its_own),
        spawn_test(nothing_of_the_hosts_descriptors_gets_in),
        spawn_test(a_host_may_have_closed_its_own),
        spawn_test(a_host_may_ignore_its_children),
        spawn_test(a_host_may_reap_what_is_not_its_own),
        spawn_test(a_handler_that_leaves_by_longjmp_leaves_nothing_behind),
        spawn_test(interruptions_do_no_harm),
        spawn_test(a_host_may_be_out_of_descriptors),
        spawn_test(a_host_may_be_out_of_processes),
        spawn_test(threads_do_not_hear_each_others_commands),
    };

    return run_group("spawn", tests);
}
