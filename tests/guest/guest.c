/* guest.c - hosts that do to the plugin what hosts do: `guest SCENARIO USER...`
 *
 * Plugins come from SASL_PATH, the configuration from SASL_CONF_PATH.  What the identity provider does meanwhile is up to the
 * caller.  Exit status 0: it went well; otherwise standard error says what did not.
 *
 * The server's part is what libsasl2 never sees; after the first message a login counts as done. */
#include "tests/load/stepped_clock.h"

#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <locale.h>
#include <pthread.h>
#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HOUR 4000 /* seconds after which every token has expired */
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static char **users; /* of the command line, at least one */
static int user_count;

static void __attribute__((format(printf, 1, 2), noreturn)) die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fflush(stdout);
    fprintf(stderr, "guest: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    _exit(1);
}

static void pause_ms(long milliseconds)
{
    struct timespec t = { milliseconds / 1000, milliseconds % 1000 * 1000000 };

    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}

/* ------------------------------------------------------------------ a login */

static int get_simple(void *context, int id, const char **result, unsigned *length)
{
    (void)id;
    *result = context;
    if (length != NULL)
        *length = (unsigned)strlen(context);
    return SASL_OK;
}

static int quiet(void *context, int level, const char *message)
{
    (void)context;
    (void)level;
    (void)message;
    return SASL_OK;
}

/* What the environment says, even to a program that libsasl2 does not trust with it. */
static int get_path(void *context, const char **path)
{
    *path = getenv(context);
    return *path != NULL ? SASL_OK : SASL_FAIL;
}

static char plugin_variable[] = "SASL_PATH", configuration_variable[] = "SASL_CONF_PATH";
static const sasl_callback_t global_callbacks[] = {
    { SASL_CB_LOG, (sasl_callback_ft)(void *)quiet, NULL },
    { SASL_CB_GETPATH, (sasl_callback_ft)(void *)get_path, plugin_variable },
    { SASL_CB_GETCONFPATH, (sasl_callback_ft)(void *)get_path, configuration_variable },
    { SASL_CB_LIST_END, NULL, NULL },
};

static void begin(void)
{
    int result = sasl_client_init(global_callbacks);

    if (result != SASL_OK)
        die("sasl_client_init: %s", sasl_errstring(result, NULL, NULL));
}

/* Logs in; a SASL code, and what libsasl2 says about it. */
static int try_login(char *user, char *why, size_t size)
{
    const sasl_callback_t callbacks[] = {
        { SASL_CB_USER, (sasl_callback_ft)(void *)get_simple, user },
        { SASL_CB_AUTHNAME, (sasl_callback_ft)(void *)get_simple, user },
        { SASL_CB_LOG, (sasl_callback_ft)(void *)quiet, NULL },
        { SASL_CB_LIST_END, NULL, NULL },
    };
    sasl_conn_t *conn = NULL;
    const char *out, *chosen;
    unsigned length;
    int result = sasl_client_new("smtp", "localhost", NULL, NULL, callbacks, 0, &conn);

    if (result == SASL_OK)
        result = sasl_client_start(conn, "XOAUTH2", NULL, &out, &length, &chosen);
    if (result == SASL_OK && length < 100)
        die("%s: a first message of %u bytes", user, length);
    if (result == SASL_OK)
        result = sasl_client_step(conn, NULL, 0, NULL, &out, &length);
    snprintf(why, size, "%s", conn != NULL ? sasl_errdetail(conn) : sasl_errstring(result, NULL, NULL));
    sasl_dispose(&conn);
    return result;
}

static void login(char *user)
{
    char why[1500];

    if (try_login(user, why, sizeof why) != SASL_OK)
        die("%s: %s", user, why);
}

/* A login that meets an expired token. */
static void renewing_login(char *user)
{
    clock_ahead += HOUR;
    login(user);
}

/* May fail, but not without a reason of ours. */
static bool login_or_reason(char *user)
{
    char why[1500];

    if (try_login(user, why, sizeof why) == SASL_OK)
        return true;
    if (strstr(why, "cause=") == NULL)
        die("%s: failed without a reason: %s", user, why);
    printf("# %s\n", why);
    return false;
}

static void *login_thread(void *user)
{
    login(user);
    return NULL;
}

static pthread_t start(void *(*function)(void *), void *argument)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, function, argument);

    if (error != 0)
        die("cannot start a thread: %s", strerror(error));
    return thread;
}

static pid_t fork_or_die(void)
{
    pid_t pid = fork();

    if (pid < 0)
        die("cannot fork: %m");
    return pid;
}

static void expect_good_end(pid_t pid)
{
    int status;

    if (waitpid(pid, &status, 0) != pid || status != 0)
        die("a child ended with status %#x", (unsigned)status);
}

/* ------------------------------------------------------------------ what a process has */

static long entries(const char *path)
{
    DIR *directory = opendir(path);
    long count = 0;

    if (directory == NULL)
        die("%s: %m", path);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static bool is_mapped(const char *name, long *lines_out)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[5000];
    bool found = false;

    if (maps == NULL)
        die("/proc/self/maps: %m");
    for (*lines_out = 0; fgets(line, sizeof line, maps) != NULL; ++*lines_out)
        found = found || strstr(line, name) != NULL;
    fclose(maps);
    return found;
}

static long resident_kilobytes(void)
{
    FILE *statm = fopen("/proc/self/statm", "re");
    long size, pages;

    if (statm == NULL || fscanf(statm, "%ld %ld", &size, &pages) != 2)
        die("/proc/self/statm: %m");
    fclose(statm);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

struct belongings {
    long descriptors, threads, mappings, kilobytes;
};

static struct belongings take_stock(void)
{
    struct belongings now = { entries("/proc/self/fd"), entries("/proc/self/task"), 0, resident_kilobytes() };

    (void)is_mapped("", &now.mappings);
    return now;
}

/* ------------------------------------------------------------------ init, login, done */

static void cycles(void)
{
    struct belongings before = take_stock(), warm = before, after;
    long lines;

    for (int i = 0; i < 500; i++) {
        begin();
        if (i % 50 == 0)
            renewing_login(users[0]);
        else
            login(users[i % user_count]);
        sasl_done();
        if (i == 0 && is_mapped("libsaslbearer.so", &lines))
            die("the plugin is still there after sasl_done");
        if (i == 100)
            warm = take_stock();
    }
    after = take_stock();
    printf("# descriptors %ld %ld, threads %ld %ld, mappings %ld %ld, kilobytes %ld %ld\n", before.descriptors,
           after.descriptors, before.threads, after.threads, warm.mappings, after.mappings, warm.kilobytes, after.kilobytes);
    if (after.descriptors != before.descriptors || after.threads != before.threads)
        die("descriptors or threads are left");
    if (after.mappings > warm.mappings + 4 || after.kilobytes > warm.kilobytes + 1024)
        die("memory grows");
}

/* With several plugin directories in SASL_PATH. */
static void directories(void)
{
    for (int i = 0; i < 3; i++) {
        begin();
        for (int j = 0; j < user_count; j++)
            renewing_login(users[j]);
        sasl_done();
    }
}

/* ------------------------------------------------------------------ fork */

static void forks(void)
{
    pid_t children[20];
    int go[2];
    char byte;

    begin();
    if (pipe2(go, O_CLOEXEC) != 0)
        die("pipe: %m");
    clock_ahead += HOUR;
    for (size_t i = 0; i < COUNT(children); i++)
        if ((children[i] = fork_or_die()) == 0) {
            close(go[1]);
            (void)!read(go[0], &byte, 1); /* until all are there */
            login(users[0]);
            sasl_done();
            _exit(0);
        }
    close(go[1]);
    close(go[0]);
    login(users[0]);
    for (size_t i = 0; i < COUNT(children); i++)
        expect_good_end(children[i]);
    sasl_done();
}

/* While another thread is in the middle of a slow login. */
static void fork_locked(void)
{
    pthread_t thread;
    pid_t child;

    begin();
    login(users[0]);
    clock_ahead += HOUR;
    thread = start(login_thread, users[0]);
    pause_ms(500);
    if ((child = fork_or_die()) == 0) {
        login(users[0]);
        _exit(0);
    }
    expect_good_end(child);
    pthread_join(thread, NULL);
    login(users[0]);
    sasl_done();
}

/* ------------------------------------------------------------------ threads */

static void *many_logins(void *first)
{
    for (int i = 0; i < 50; i++)
        login(users[((intptr_t)first + i) % user_count]);
    return NULL;
}

static void threads(void)
{
    pthread_t all[32];

    begin();
    for (int round = 0; round < 3; round++) {
        clock_ahead += HOUR;
        for (size_t i = 0; i < COUNT(all); i++)
            all[i] = start(many_logins, (void *)(intptr_t)i);
        for (size_t i = 0; i < COUNT(all); i++)
            pthread_join(all[i], NULL);
    }
    sasl_done();
}

static pthread_barrier_t logged_in, plugin_gone;

static void *stay(void *user)
{
    renewing_login(user);
    pthread_barrier_wait(&logged_in);
    pthread_barrier_wait(&plugin_gone);
    return NULL;
}

/* Threads that end before and after sasl_done. */
static void thread_exit(void)
{
    pthread_t thread;
    long lines;

    begin();
    clock_ahead += HOUR;
    pthread_join(start(login_thread, users[0]), NULL);
    sasl_done();

    pthread_barrier_init(&logged_in, NULL, 2);
    pthread_barrier_init(&plugin_gone, NULL, 2);
    begin();
    thread = start(stay, users[0]);
    pthread_barrier_wait(&logged_in);
    sasl_done();
    if (is_mapped("libsaslbearer.so", &lines))
        die("the plugin is still there after sasl_done");
    pthread_barrier_wait(&plugin_gone);
    pthread_join(thread, NULL);
}

static void stack_small(void)
{
    pthread_attr_t attributes;
    pthread_t thread;

    begin();
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 * 1024);
    clock_ahead += HOUR;
    for (int i = 0; i < user_count; i++) {
        if (pthread_create(&thread, &attributes, login_thread, users[i]) != 0)
            die("cannot start a thread");
        pthread_join(thread, NULL);
    }
    sasl_done();
}

/* ------------------------------------------------------------------ descriptors */

#define OWN_TEXT "nobody writes here"

static void expect_own(const int *own, size_t count, const struct stat *was)
{
    char text[sizeof OWN_TEXT + 1];
    struct stat now;

    for (size_t i = 0; i < count; i++) {
        if (fstat(own[i], &now) != 0 || now.st_ino != was->st_ino || now.st_dev != was->st_dev)
            die("the host's descriptor %d is not its own any more", own[i]);
        if (now.st_size != sizeof OWN_TEXT || pread(own[i], text, sizeof text, 0) != sizeof OWN_TEXT ||
            memcmp(text, OWN_TEXT, sizeof OWN_TEXT) != 0)
            die("the host's file was written to");
    }
}

/* Closes what is not the host's, which then gets the same numbers. */
static void close_from(void)
{
    char path[] = "/tmp/guest.XXXXXX";
    struct stat was;
    int own[40];

    begin();
    for (int i = 0; i < user_count; i++)
        renewing_login(users[i]);
    syscall(SYS_close_range, 3, ~0U, 0);
    if ((own[0] = mkstemp(path)) < 0 || unlink(path) != 0 || write(own[0], OWN_TEXT, sizeof OWN_TEXT) != sizeof OWN_TEXT ||
        fstat(own[0], &was) != 0)
        die("no file: %m");
    for (size_t i = 1; i < COUNT(own); i++)
        if ((own[i] = dup(own[0])) < 0)
            die("dup: %m");
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < user_count; i++)
            renewing_login(users[i]);
    expect_own(own, COUNT(own), &was);
    sasl_done();
    expect_own(own, COUNT(own), &was);
}

/* The plugin looks again for a token file that it could not open after 5 seconds. */
static void recover(char *user)
{
    char why[1500];

    clock_ahead += HOUR;
    for (int i = 0; i < 40; i++) {
        if (try_login(user, why, sizeof why) == SASL_OK)
            return;
        pause_ms(250);
    }
    die("%s: does not recover: %s", user, why);
}

static void descriptors_exhausted(void)
{
    const struct rlimit limit = { 64, 64 };
    int taken[64], count, succeeded = 0;

    begin();
    login(users[0]);
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        die("setrlimit: %m");
    for (int spare = 0; spare < 16; spare++) {
        char *user = users[spare % user_count];

        for (count = 0; (taken[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0; count++)
            ;
        for (int i = 0; i < spare && count > 0; i++)
            close(taken[--count]);
        clock_ahead += HOUR;
        succeeded += login_or_reason(user);
        while (count > 0)
            close(taken[--count]);
        recover(user);
    }
    printf("# %d of 16 logins went well\n", succeeded);
    sasl_done();
}

/* ------------------------------------------------------------------ signals and the rest of a host's state */

static void sigpipe(void)
{
    signal(SIGPIPE, SIG_DFL);
    begin();
    clock_ahead += HOUR;
    if (login_or_reason(users[0]))
        die("the provider was expected to drop the connection");
    renewing_login(users[0]);
    sasl_done();
}

static void sigchld(void)
{
    struct sigaction now;

    signal(SIGCHLD, SIG_IGN);
    begin();
    for (int i = 0; i < user_count; i++)
        renewing_login(users[i]);
    sasl_done();
    if (sigaction(SIGCHLD, NULL, &now) != 0 || now.sa_handler != SIG_IGN)
        die("SIGCHLD is not ignored any more");
}

static void nothing(int number)
{
    (void)number;
}

/* All that a host would miss. */
struct state {
    struct sigaction actions[65];
    sigset_t mask;
    char locale[1000], directory[4096], environment[20000];
    mode_t umask;
};

static void look_at(struct state *state)
{
    size_t used = 0;

    memset(state, 0, sizeof *state);
    for (int i = 1; i <= 64; i++)
        sigaction(i, NULL, &state->actions[i]);
    pthread_sigmask(SIG_SETMASK, NULL, &state->mask);
    snprintf(state->locale, sizeof state->locale, "%s", setlocale(LC_ALL, NULL));
    if (getcwd(state->directory, sizeof state->directory) == NULL)
        die("getcwd: %m");
    for (char **variable = environ; *variable != NULL && used < sizeof state->environment; variable++)
        used += (size_t)snprintf(state->environment + used, sizeof state->environment - used, "%s\n", *variable);
    umask(state->umask = umask(0));
}

static void handlers(void)
{
    static struct state before, after;
    static const int caught[] = { SIGHUP, SIGINT, SIGUSR1, SIGPIPE, SIGALRM, SIGCHLD, SIGTERM };
    struct sigaction action = { .sa_handler = nothing, .sa_flags = SA_RESTART };
    FILE *output = tmpfile();
    struct stat written;
    char why[1500] = "", nobody[1500];
    bool failed = false;
    int error_output = fcntl(2, F_DUPFD_CLOEXEC, 100), normal_output = fcntl(1, F_DUPFD_CLOEXEC, 100);

    setlocale(LC_ALL, "");
    umask(0137);
    for (size_t i = 0; i < COUNT(caught); i++)
        sigaction(caught[i], &action, NULL);
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &action.sa_mask, NULL);
    if (output == NULL || error_output < 0 || normal_output < 0)
        die("no file: %m");
    look_at(&before);
    dup2(fileno(output), 1);
    dup2(fileno(output), 2);
    begin();
    for (int i = 0; i < user_count; i++) {
        clock_ahead += HOUR;
        failed = failed || try_login(users[i], why, sizeof why) != SASL_OK;
    }
    failed = failed || try_login((char[]){ "nobody@example.com" }, nobody, sizeof nobody) == SASL_OK;
    sasl_done();
    fstat(fileno(output), &written);
    dup2(normal_output, 1);
    dup2(error_output, 2);
    look_at(&after);
    if (failed)
        die("%s", why);
    if (written.st_size != 0)
        die("something was written to the host's output");
    for (int i = 1; i <= 64; i++)
        if (before.actions[i].sa_handler != after.actions[i].sa_handler ||
            before.actions[i].sa_flags != after.actions[i].sa_flags)
            die("the disposition of signal %d has changed", i);
    if (memcmp(&before.mask, &after.mask, sizeof before.mask) != 0)
        die("the signal mask has changed");
    if (strcmp(before.locale, after.locale) != 0 || strcmp(before.directory, after.directory) != 0 ||
        strcmp(before.environment, after.environment) != 0 || before.umask != after.umask)
        die("locale, directory, environment or umask has changed");
}

static sigjmp_buf out_of_here;

static void jump(int number)
{
    (void)number;
    siglongjmp(out_of_here, 1);
}

/* False: the login was over before the alarm. */
static bool jumped_out_of_login(void)
{
    const struct itimerval soon = { .it_value = { .tv_usec = 500000 } }, never = { .it_value = { .tv_sec = 0 } };

    signal(SIGALRM, jump);
    if (sigsetjmp(out_of_here, 1) != 0)
        return true;
    setitimer(ITIMER_REAL, &soon, NULL);
    login(users[0]);
    setitimer(ITIMER_REAL, &never, NULL);
    return false;
}

/* A login that asks the provider, which takes longer than the alarm. */
static void jump_out_of_request(void)
{
    clock_ahead += HOUR;
    if (!jumped_out_of_login())
        die("the provider was expected to be slow");
}

static void alarm_longjmp(void)
{
    begin();
    login(users[0]);
    for (int i = 0; i < 2; i++) {
        jump_out_of_request();
        login(users[0]);
        renewing_login(users[0]);
    }
    sasl_done();
}

/* The one that comes next is not the thread that jumped. */
static void alarm_thread(void)
{
    begin();
    login(users[0]);
    jump_out_of_request();
    clock_ahead += HOUR;
    pthread_join(start(login_thread, users[0]), NULL);
    sasl_done();
}

/* Jumps out of a login that waits for another process.  On a busy machine that one may be done first: then once more. */
static void alarm_waiting(void)
{
    pid_t child;
    bool jumped;

    begin();
    login(users[0]);
    do {
        clock_ahead += HOUR;
        if ((child = fork_or_die()) == 0) {
            login(users[0]);
            _exit(0);
        }
        pause_ms(100);
        jumped = jumped_out_of_login();
        login(users[0]);
        expect_good_end(child);
    } while (!jumped);
    renewing_login(users[0]);
    sasl_done();
}

/* ------------------------------------------------------------------ rights */

/* Prints what libsasl2 has of ours. */
static void mechanisms(void)
{
    long descriptors = entries("/proc/self/fd"), lines;
    bool listed = false;

    begin();
    for (const char **names = sasl_global_listmech(); names != NULL && *names != NULL; names++)
        listed = listed || strcmp(*names, "XOAUTH2") == 0 || strcmp(*names, "OAUTHBEARER") == 0;
    printf("secure %lu, loaded %d, listed %d, descriptors %ld\n", getauxval(AT_SECURE),
           is_mapped("libsaslbearer.so", &lines), listed, entries("/proc/self/fd") - descriptors);
    sasl_done();
}

/* ------------------------------------------------------------------ a host that uses libcurl and jansson too */

static size_t collect(char *bytes, size_t size, size_t count, void *buffer)
{
    size_t used = strlen(buffer);

    (void)size;
    if (used + count >= 4096)
        return 0;
    memcpy((char *)buffer + used, bytes, count);
    ((char *)buffer)[used + count] = '\0';
    return count;
}

static void use_own(CURL *curl)
{
    char text[4096] = "";
    json_t *answer;
    CURLcode result;

    curl_easy_setopt(curl, CURLOPT_URL, getenv("GUEST_URL"));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, text);
    if ((result = curl_easy_perform(curl)) != CURLE_OK)
        die("the host's own transfer: %s", curl_easy_strerror(result));
    if ((answer = json_loads(text, 0, NULL)) == NULL || json_object_get(answer, "token") == NULL)
        die("the host's own JSON");
    json_decref(answer);
}

static void own_libs(void)
{
    CURL *curl;

    for (int i = 0; i < 3; i++) {
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || (curl = curl_easy_init()) == NULL)
            die("curl_global_init");
        use_own(curl);
        begin();
        renewing_login(users[0]);
        use_own(curl);
        renewing_login(users[0]);
        sasl_done();
        use_own(curl);
        begin();
        curl_easy_cleanup(curl);
        curl_global_cleanup(); /* while the plugin still needs libcurl */
        renewing_login(users[0]);
        sasl_done();
    }
}

/* ------------------------------------------------------------------ which */

static const struct scenario {
    const char *name;
    void (*run)(void);
} scenarios[] = {
    { "alarm-longjmp", alarm_longjmp },
    { "alarm-thread", alarm_thread },
    { "alarm-waiting", alarm_waiting },
    { "closefrom", close_from },
    { "cycles", cycles },
    { "descriptors-exhausted", descriptors_exhausted },
    { "directories", directories },
    { "fork", forks },
    { "fork-locked", fork_locked },
    { "handlers", handlers },
    { "mechanisms", mechanisms },
    { "own-libs", own_libs },
    { "sigchld", sigchld },
    { "sigpipe", sigpipe },
    { "stack-small", stack_small },
    { "thread-exit", thread_exit },
    { "threads", threads },
};

int main(int argc, char **argv)
{
    users = argv + 2;
    user_count = argc - 2;
    if (getenv("GUEST_TURN") != NULL) /* no guest's clock is behind an earlier one's */
        clock_ahead = 1000000 * strtol(getenv("GUEST_TURN"), NULL, 10);
    for (size_t i = 0; i < COUNT(scenarios) && user_count > 0; i++)
        if (strcmp(argv[1], scenarios[i].name) == 0) {
            scenarios[i].run();
            return 0;
        }
    fprintf(stderr, "usage: guest SCENARIO USER...\n");
    return 64;
}
