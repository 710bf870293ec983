/* herd.c - many logins at once through libsasl2, as busy hosts make them: `herd [OPTION...] MECHANISM USER`
 *
 *   --processes N        processes, each with a libsasl2 of its own (1)
 *   --fork-after-init N  each then forks this many children, which log in in its place
 *   --threads N          threads in each process or child (1)
 *   --logins M           logins of each thread, one after the other (1)
 *   --rate R --seconds S instead: R logins a second, over all threads, for S seconds
 *   --warm               each process logs in once before it forks or begins; this login is not counted
 *   --wait-for FILE      all are ready, and begin when FILE is there
 *   --later SECONDS      having begun, the plugin sees a clock that is ahead by this much
 *   --challenge TEXT     what the server says to the first message
 *   --slow MILLISECONDS  what counts as slow (500)
 *   --log                the plugin's lines go to standard error
 *
 * Prints "pid N" and "ready" as soon as that is so.  Then all begin together; at the end a line each: logins that went well,
 * failed, and never ended (their process was killed); shortest, median and longest milliseconds; how many were slow; and
 * "error COUNT TEXT" for each text.
 *
 * The server's part is what libsasl2 never sees; after the first message, or the answer to the challenge, a login is done. */
#include "tests/load/stepped_clock.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TEXTS_MAX 64
#define TEXT_SIZE 1024

enum { NEVER_ENDED, WENT_WELL, FIRST_TEXT };

struct result {
    float milliseconds;
    int outcome; /* FIRST_TEXT and up: the number of a text */
};

/* What all processes share. */
struct shared {
    pthread_barrier_t ready, start;
    pthread_mutex_t lock;
    int text_count;
    char texts[TEXTS_MAX][TEXT_SIZE];
    struct result results[];
};

static struct {
    long processes, forks, threads, logins, later, slow;
    double rate, seconds;
    const char *challenge, *wait_for, *mechanism, *user;
    bool warm, log;
} options = { .processes = 1, .threads = 1, .logins = 1, .slow = 500 };

static struct shared *shared;
static long workers;      /* threads over all */
static long results_each; /* of a thread */

static void __attribute__((format(printf, 1, 2), noreturn)) die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fprintf(stderr, "herd: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    _exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void sleep_until(double when)
{
    struct timespec t = { (time_t)when, (long)((when - (double)(time_t)when) * 1e9) };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

/* ------------------------------------------------------------------ a host */

static int get_simple(void *context, int id, const char **result, unsigned *length)
{
    (void)context;
    (void)id;
    *result = options.user;
    if (length != NULL)
        *length = (unsigned)strlen(options.user);
    return SASL_OK;
}

static int take_log(void *context, int level, const char *message)
{
    (void)context;
    if (options.log && level <= SASL_LOG_NOTE)
        fprintf(stderr, "%ld: %s\n", (long)getpid(), message);
    return SASL_OK;
}

static const sasl_callback_t callbacks[] = {
    { SASL_CB_USER, (sasl_callback_ft)(void *)get_simple, NULL },
    { SASL_CB_AUTHNAME, (sasl_callback_ft)(void *)get_simple, NULL },
    { SASL_CB_LOG, (sasl_callback_ft)(void *)take_log, NULL },
    { SASL_CB_LIST_END, NULL, NULL },
};

/* The number of a text, which is new or not. */
static int number_of(const char *text)
{
    int i;

    pthread_mutex_lock(&shared->lock);
    for (i = 0; i < shared->text_count && strncmp(shared->texts[i], text, TEXT_SIZE - 1) != 0; i++)
        ;
    if (i == TEXTS_MAX)
        die("more than %d different errors; the last one: %s", TEXTS_MAX, text);
    if (i == shared->text_count) {
        snprintf(shared->texts[i], TEXT_SIZE, "%s", text);
        shared->text_count++;
    }
    pthread_mutex_unlock(&shared->lock);
    return i;
}

static int login(void)
{
    sasl_conn_t *conn = NULL;
    const char *out, *chosen;
    unsigned length;
    int outcome = WENT_WELL, result = sasl_client_new("smtp", "localhost", NULL, NULL, NULL, 0, &conn);

    if (result == SASL_OK)
        result = sasl_client_start(conn, options.mechanism, NULL, &out, &length, &chosen);
    if (result == SASL_OK && options.challenge != NULL)
        result = sasl_client_step(conn, options.challenge, (unsigned)strlen(options.challenge), NULL, &out, &length);
    if (result != SASL_OK)
        outcome = FIRST_TEXT + number_of(conn != NULL ? sasl_errdetail(conn) : sasl_errstring(result, NULL, NULL));
    sasl_dispose(&conn);
    return outcome;
}

/* ------------------------------------------------------------------ the herd */

static void measured_login(struct result *result)
{
    double began = now();
    int outcome = login();

    result->milliseconds = (float)((now() - began) * 1000);
    result->outcome = outcome;
}

/* One thread's share of so many logins a second.  What it missed while a login took long is left out. */
static void log_in_paced(long worker, struct result *results)
{
    double began = now(), pause = (double)workers / options.rate;
    double next = began + (double)worker / options.rate;

    for (long i = 0; i < results_each && next < began + options.seconds; i++) {
        sleep_until(next);
        measured_login(&results[i]);
        while (next <= now())
            next += pause;
    }
}

static void *work(void *argument)
{
    long worker = (long)(intptr_t)argument;
    struct result *results = &shared->results[worker * results_each];

    pthread_barrier_wait(&shared->ready);
    pthread_barrier_wait(&shared->start);
    clock_ahead = options.later;
    if (options.rate > 0)
        log_in_paced(worker, results);
    else
        for (long i = 0; i < options.logins; i++)
            measured_login(&results[i]);
    return NULL;
}

/* Runs the threads of one process, which are workers from `first` up. */
static void run_threads(long first)
{
    pthread_t *threads;

    if (options.threads == 1) {
        work((void *)(intptr_t)first);
        return;
    }
    if ((threads = calloc((size_t)options.threads, sizeof *threads)) == NULL)
        die("out of memory");
    for (long i = 0; i < options.threads; i++)
        if (pthread_create(&threads[i], NULL, work, (void *)(intptr_t)(first + i)) != 0)
            die("cannot start thread %ld", i);
    for (long i = 0; i < options.threads; i++)
        pthread_join(threads[i], NULL);
    free(threads);
}

static pid_t fork_or_die(void)
{
    pid_t pid = fork();

    if (pid < 0)
        die("cannot fork: %m");
    return pid;
}

static void wait_for_children(void)
{
    while (wait(NULL) > 0 || errno == EINTR)
        ;
}

static void run_process(long process)
{
    int result = sasl_client_init(callbacks);

    if (result != SASL_OK)
        die("sasl_client_init: %s", sasl_errstring(result, NULL, NULL));
    if (options.warm && (result = login()) != WENT_WELL)
        die("the first login failed: %s", shared->texts[result - FIRST_TEXT]);
    if (options.forks == 0)
        run_threads(process * options.threads);
    for (long i = 0; i < options.forks; i++)
        if (fork_or_die() == 0) {
            run_threads((process * options.forks + i) * options.threads);
            _exit(0); /* as hosts' children do */
        }
    wait_for_children();
    sasl_done();
}

/* ------------------------------------------------------------------ beginning and end */

static void *announce(void *nothing)
{
    (void)nothing;
    pthread_barrier_wait(&shared->ready);
    printf("ready\n");
    fflush(stdout);
    while (options.wait_for != NULL && access(options.wait_for, F_OK) != 0)
        usleep(2000);
    pthread_barrier_wait(&shared->start);
    return NULL;
}

static void share(void)
{
    long processes = options.processes * (options.forks > 0 ? options.forks : 1);
    pthread_barrierattr_t barrier;
    pthread_mutexattr_t mutex;
    size_t size;

    workers = processes * options.threads;
    results_each = options.rate > 0 ? (long)(options.rate * options.seconds / (double)workers) + 2 : options.logins;
    size = sizeof *shared + (size_t)(workers * results_each) * sizeof shared->results[0];
    shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        die("no memory for %ld logins", workers * results_each);
    pthread_mutexattr_init(&mutex);
    pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&shared->lock, &mutex);
    pthread_barrierattr_init(&barrier);
    pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&shared->ready, &barrier, (unsigned)workers + 1);
    pthread_barrier_init(&shared->start, &barrier, (unsigned)workers + 1);
}

static int compare(const void *a, const void *b)
{
    float x = ((const struct result *)a)->milliseconds, y = ((const struct result *)b)->milliseconds;

    return (x > y) - (x < y);
}

/* Which logins never ended cannot be told from those that were left out: both were never begun or never measured. */
static void report(void)
{
    struct result *results = shared->results;
    long total = workers * results_each, count = 0, slow = 0, well = 0, texts[TEXTS_MAX] = { 0 };

    for (long i = 0; i < total; i++)
        if (results[i].outcome != NEVER_ENDED)
            results[count++] = results[i];
    qsort(results, (size_t)count, sizeof results[0], compare);
    for (long i = 0; i < count; i++) {
        slow += results[i].milliseconds >= (float)options.slow;
        if (results[i].outcome == WENT_WELL)
            well++;
        else
            texts[results[i].outcome - FIRST_TEXT]++;
    }
    printf("ok %ld\nfailed %ld\nlost %ld\n", well, count - well, options.rate > 0 ? 0 : total - count);
    if (count > 0)
        printf("min %.3f\nmedian %.3f\nmax %.3f\nslow %ld\n", (double)results[0].milliseconds,
               (double)results[count / 2].milliseconds, (double)results[count - 1].milliseconds, slow);
    for (int i = 0; i < shared->text_count; i++)
        if (texts[i] > 0)
            printf("error %ld %s\n", texts[i], shared->texts[i]);
}

static const struct option long_options[] = {
    { "processes", required_argument, NULL, 'p' }, { "fork-after-init", required_argument, NULL, 'f' },
    { "threads", required_argument, NULL, 't' },   { "logins", required_argument, NULL, 'm' },
    { "rate", required_argument, NULL, 'r' },      { "seconds", required_argument, NULL, 's' },
    { "warm", no_argument, NULL, 'w' },            { "wait-for", required_argument, NULL, 'W' },
    { "later", required_argument, NULL, 'l' },     { "challenge", required_argument, NULL, 'c' },
    { "slow", required_argument, NULL, 'S' },      { "log", no_argument, NULL, 'L' },
    { NULL, 0, NULL, 0 },
};

static bool take_option(int option, const char *value)
{
    switch (option) {
    case 'p': options.processes = strtol(value, NULL, 10); break;
    case 'f': options.forks = strtol(value, NULL, 10); break;
    case 't': options.threads = strtol(value, NULL, 10); break;
    case 'm': options.logins = strtol(value, NULL, 10); break;
    case 'r': options.rate = strtod(value, NULL); break;
    case 's': options.seconds = strtod(value, NULL); break;
    case 'w': options.warm = true; break;
    case 'W': options.wait_for = value; break;
    case 'l': options.later = strtol(value, NULL, 10); break;
    case 'c': options.challenge = value; break;
    case 'S': options.slow = strtol(value, NULL, 10); break;
    case 'L': options.log = true; break;
    default: return false;
    }
    return true;
}

static bool take_options(int argc, char **argv)
{
    int option;

    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        if (!take_option(option, optarg))
            return false;
    if (argc - optind != 2 || options.processes < 1 || options.threads < 1 || options.logins < 1 || options.forks < 0 ||
        (options.rate > 0) != (options.seconds > 0))
        return false;
    options.mechanism = argv[optind];
    options.user = argv[optind + 1];
    return true;
}

int main(int argc, char **argv)
{
    pthread_t announcer;

    if (!take_options(argc, argv)) {
        fprintf(stderr, "usage: herd [OPTION...] MECHANISM USER\n");
        return 64;
    }
    share();
    printf("pid %ld\n", (long)getpid());
    fflush(stdout);
    for (long i = 0; options.processes > 1 && i < options.processes; i++)
        if (fork_or_die() == 0) {
            run_process(i);
            _exit(0);
        }
    if (pthread_create(&announcer, NULL, announce, NULL) != 0)
        die("cannot start a thread");
    if (options.processes == 1) /* in this process, so that who started it knows which one */
        run_process(0);
    wait_for_children();
    pthread_join(announcer, NULL);
    report();
    return 0;
}
