/* contract.c - provider-contract MODULE.so: asks a credential provider what credential/provider.h demands of it.
 *
 * Standard input is a scenario, so that no secret stands on a command line.  A line each, all but `expect` optional:
 *
 *     expect STATUS [CAUSE]      what fetch() is to come to: ok, later, sign_in, refused, config, peer, local, usage
 *     identity NAME              who signs in
 *     option NAME VALUE          an option of sasl.conf(5)
 *     secret NAME VALUE          the same, and VALUE may stand in no text
 *     content NAME FILE          the same as option, FILE read for the provider
 *     refresh_token VALUE        a secret
 *     password VALUE             a secret
 *     ca_file FILE               certificates to trust, as a file
 *     ca_pem FILE                the same, read for the provider as in a jail
 *     deadline MILLISECONDS      (10000)
 *
 * Prints a line for each question, `ok - ...` or `not ok - ...`.  Exits with 0 if all are ok, 1 if not, 64 if the scenario or the
 * module cannot be read.  Everything lent to the provider is overwritten after each call: one that keeps a pointer is found out.
 */
#include "credential/provider.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define OPTIONS_MAX 40
#define SECRETS_MAX 16
#define TEXTS_MAX 64
#define TEXT_MAX 767     /* bytes of a failure's text that are kept */
#define TOKEN_MAX 16384  /* bytes */
#define LATENESS 1500    /* ms a busy machine may add to a deadline */
#define THREADS 8

static const char *const statuses[BEARER_STATUS_COUNT] = {
    [BEARER_OK] = "ok",         [BEARER_LATER] = "later",           [BEARER_SIGN_IN] = "sign_in", [BEARER_REFUSED] = "refused",
    [BEARER_CONFIG] = "config", [BEARER_NO_ACCOUNT] = "no_account", [BEARER_PEER] = "peer",       [BEARER_LOCAL] = "local",
    [BEARER_USAGE] = "usage",   [BEARER_NOMEM] = "nomem",           [BEARER_BUG] = "bug",
};

struct scenario {
    enum bearer_status expected;
    char *cause; /* NULL = any */
    char *identity, *refresh_token, *password, *ca_file, *ca_pem;
    struct bearer_option options[OPTIONS_MAX + 1];
    size_t option_count;
    const char *secrets[SECRETS_MAX];
    size_t secret_count;
    int64_t deadline; /* ms */
};

/* One call of fetch() and all that came of it. */
struct call {
    const struct scenario *scenario;
    enum bearer_status returned;
    unsigned grants, failures;
    struct bearer_failure failure; /* without its texts */
    int64_t lifetime, refresh_in;
    char *access_token;
    char *texts[TEXTS_MAX]; /* everything it said */
    size_t text_count;
    size_t told; /* where the failure's text stands, and its cause behind it */
    int64_t took; /* ms */
};

static unsigned wrong; /* answers */

/* ------------------------------------------------------------------ small things */

static _Noreturn void give_up(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void give_up(const char *format, ...)
{
    va_list arguments;

    fputs("provider-contract: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(EX_USAGE);
}

static void *must(void *memory)
{
    if (memory == NULL)
        give_up("out of memory");
    return memory;
}

static char *copy_of(const char *text)
{
    return text != NULL ? must(strdup(text)) : NULL;
}

static int64_t monotonic(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void question(bool answer, const char *what)
{
    printf("%s - %s\n", answer ? "ok" : "not ok", what);
    wrong += !answer;
}

static unsigned entries(const char *directory)
{
    DIR *stream = opendir(directory);
    unsigned count = 0;

    while (stream != NULL && readdir(stream) != NULL)
        count++;
    if (stream != NULL)
        closedir(stream);
    return count;
}

/* ------------------------------------------------------------------ the scenario */

static char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "re");
    char *bytes = NULL;
    size_t size = 0;
    ssize_t n = file != NULL ? getdelim(&bytes, &size, '\0', file) : -1; /* as far as a text goes */

    if (n < 0)
        give_up("cannot read '%s': %s", path, strerror(errno));
    /* What is behind a NUL belongs to it as well: PKCS#12 is full of them. */
    while (!feof(file)) {
        char *more = must(realloc(bytes, (size_t)n + BUFSIZ + 1));

        bytes = more;
        n += (ssize_t)fread(bytes + n, 1, BUFSIZ, file);
    }
    fclose(file);
    bytes[n] = '\0';
    *length = (size_t)n;
    return bytes;
}

static void add_secret(struct scenario *s, const char *value)
{
    if (s->secret_count == SECRETS_MAX)
        give_up("more than %d secrets", SECRETS_MAX);
    s->secrets[s->secret_count++] = value;
}

static void add_option(struct scenario *s, const char *word, char *rest)
{
    char *value = strchr(rest, ' ');
    struct bearer_option *option = &s->options[s->option_count++];

    if (value == NULL || s->option_count > OPTIONS_MAX)
        give_up("'%s %s' lacks a value, or there are more than %d", word, rest, OPTIONS_MAX);
    *value++ = '\0';
    option->name = copy_of(rest);
    option->value = copy_of(value);
    if (strcmp(word, "content") == 0)
        option->content = read_file(value, &option->content_length);
    if (strcmp(word, "secret") == 0)
        add_secret(s, option->value);
}

static void add_expectation(struct scenario *s, char *rest)
{
    char *cause = strchr(rest, ' ');

    if (cause != NULL)
        *cause++ = '\0';
    s->cause = copy_of(cause);
    s->expected = BEARER_STATUS_COUNT;
    for (int status = 0; status < BEARER_STATUS_COUNT; status++)
        if (strcmp(rest, statuses[status]) == 0)
            s->expected = (enum bearer_status)status;
    if (s->expected == BEARER_STATUS_COUNT)
        give_up("'%s' is no status", rest);
}

static void add_line(struct scenario *s, char *line)
{
    char *rest = strchr(line, ' ');
    size_t length;

    if (line[0] == '\0' || line[0] == '#')
        return;
    if (rest == NULL)
        give_up("'%s' lacks a value", line);
    *rest++ = '\0';
    if (strcmp(line, "expect") == 0)
        add_expectation(s, rest);
    else if (strcmp(line, "option") == 0 || strcmp(line, "secret") == 0 || strcmp(line, "content") == 0)
        add_option(s, line, rest);
    else if (strcmp(line, "identity") == 0)
        s->identity = copy_of(rest);
    else if (strcmp(line, "refresh_token") == 0)
        add_secret(s, s->refresh_token = copy_of(rest));
    else if (strcmp(line, "password") == 0)
        add_secret(s, s->password = copy_of(rest));
    else if (strcmp(line, "ca_file") == 0)
        s->ca_file = copy_of(rest);
    else if (strcmp(line, "ca_pem") == 0)
        s->ca_pem = read_file(rest, &length);
    else if (strcmp(line, "deadline") == 0)
        s->deadline = strtoll(rest, NULL, 10);
    else
        give_up("'%s' is nothing a scenario has", line);
}

static void read_scenario(struct scenario *s)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length;

    *s = (struct scenario){ .expected = BEARER_STATUS_COUNT, .deadline = 10000 };
    while ((length = getline(&line, &size, stdin)) > 0) {
        line[strcspn(line, "\r\n")] = '\0';
        add_line(s, line);
    }
    free(line);
    if (s->expected == BEARER_STATUS_COUNT)
        give_up("the scenario on standard input lacks a line 'expect STATUS'");
    if (s->identity == NULL)
        s->identity = copy_of("contract");
}

static void scenario_clear(struct scenario *s)
{
    for (size_t i = 0; i < s->option_count; i++) {
        free((char *)(uintptr_t)s->options[i].name);
        free((char *)(uintptr_t)s->options[i].value);
        free((char *)(uintptr_t)s->options[i].content);
    }
    free(s->cause);
    free(s->identity);
    free(s->refresh_token);
    free(s->password);
    free(s->ca_file);
    free(s->ca_pem);
}

/* ------------------------------------------------------------------ one call */

static void keep_text(struct call *call, const char *text)
{
    if (text != NULL && call->text_count < TEXTS_MAX)
        call->texts[call->text_count++] = copy_of(text);
}

static void take_grant(void *context, const struct bearer_grant *grant)
{
    struct call *call = context;

    call->grants++;
    free(call->access_token);
    call->access_token = copy_of(grant->access_token);
    call->lifetime = grant->lifetime;
    call->refresh_in = grant->refresh_in;
}

static void take_failure(void *context, const struct bearer_failure *failure)
{
    struct call *call = context;

    call->failures++;
    call->failure = *failure;
    call->failure.text = call->failure.cause = NULL;
    call->told = call->text_count;
    keep_text(call, failure->text != NULL ? failure->text : "");
    keep_text(call, failure->cause != NULL ? failure->cause : "");
}

static void take_log(void *context, enum bearer_log_level level, const char *text)
{
    (void)level;
    keep_text(context, text);
}

/* A copy that can be spoilt. */
static char *lend(const char *text)
{
    return copy_of(text);
}

static void spoil(const char *text)
{
    char *lent = (char *)(uintptr_t)text;

    if (lent == NULL)
        return;
    memset(lent, 'X', strlen(lent));
    free(lent);
}

static void lend_options(const struct scenario *s, struct bearer_option options[OPTIONS_MAX + 1])
{
    for (size_t i = 0; i < s->option_count; i++) {
        void *content = s->options[i].content != NULL ? must(malloc(s->options[i].content_length + 1)) : NULL;

        if (content != NULL)
            memcpy(content, s->options[i].content, s->options[i].content_length + 1);
        options[i] = (struct bearer_option){ lend(s->options[i].name), lend(s->options[i].value), content,
                                             s->options[i].content_length };
    }
    options[s->option_count] = (struct bearer_option){ .name = NULL };
}

static void spoil_options(struct bearer_option options[OPTIONS_MAX + 1])
{
    for (size_t i = 0; options[i].name != NULL; i++) {
        spoil(options[i].name);
        spoil(options[i].value);
        if (options[i].content != NULL)
            memset((void *)(uintptr_t)options[i].content, 'X', options[i].content_length);
        free((void *)(uintptr_t)options[i].content);
    }
}

static void ask(const struct bearer_provider *provider, const struct scenario *s, struct call *call)
{
    struct bearer_option options[OPTIONS_MAX + 1];
    int64_t began = monotonic();
    struct bearer_request request = {
        .abi = BEARER_PROVIDER_ABI,
        .identity = lend(s->identity),
        .options = options,
        .refresh_token = lend(s->refresh_token),
        .password = lend(s->password),
        .ca_pem = lend(s->ca_pem),
        .ca_pem_length = s->ca_pem != NULL ? strlen(s->ca_pem) : 0,
        .ca_file = lend(s->ca_file),
        .deadline = began + s->deadline,
        .context = call,
        .grant = take_grant,
        .fail = take_failure,
        .log = take_log,
    };

    lend_options(s, options);
    *call = (struct call){ .scenario = s };
    call->returned = provider->fetch(&request);
    call->took = monotonic() - began;
    spoil_options(options);
    spoil(request.identity);
    spoil(request.refresh_token);
    spoil(request.password);
    spoil(request.ca_pem);
    spoil(request.ca_file);
}

static void call_clear(struct call *call)
{
    free(call->access_token);
    for (size_t i = 0; i < call->text_count; i++)
        free(call->texts[i]);
    *call = (struct call){ .scenario = NULL };
}

/* ------------------------------------------------------------------ the questions */

/* b64token, RFC 6750 section 2.1. */
static bool is_bearer_token(const char *token)
{
    size_t length =
        token != NULL ? strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/") : 0;

    return length > 0 && token[length + strspn(token + length, "=")] == '\0' && strlen(token) <= TOKEN_MAX;
}

static bool has_control(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return true;
    return false;
}

static bool any_text(const struct call *call, bool (*is)(const char *text))
{
    for (size_t i = 0; i < call->text_count; i++)
        if (is(call->texts[i]))
            return true;
    return false;
}

static bool holds_secret(const struct call *call, const char *text)
{
    if (call->access_token != NULL && strstr(text, call->access_token) != NULL)
        return true;
    for (size_t i = 0; i < call->scenario->secret_count; i++)
        if (strstr(text, call->scenario->secrets[i]) != NULL)
            return true;
    return false;
}

static bool tells_a_secret(const struct call *call)
{
    for (size_t i = 0; i < call->text_count; i++)
        if (holds_secret(call, call->texts[i]))
            return true;
    return false;
}

static void judge_success(const struct call *call)
{
    question(call->grants == 1 && call->failures == 0, "a success is one grant and no failure");
    question(is_bearer_token(call->access_token), "the access token has the characters of one, and at most 16384 of them");
    question(call->lifetime >= 0 && call->refresh_in >= 0, "lifetime and refresh_in are not negative");
}

static void judge_failure(const struct call *call)
{
    bool was_told = call->failures > 0 && call->told + 1 < call->text_count;
    const char *text = was_told ? call->texts[call->told] : "", *cause = was_told ? call->texts[call->told + 1] : "";
    size_t length = strlen(text);

    question(call->failures == 1, "a failure is told once");
    question(call->failure.status == call->returned, "the failure told is the one returned");
    question(call->grants == 0 || call->access_token == NULL, "no access token comes with a failure");
    question(length > 0 && length <= TEXT_MAX && text[length - 1] != '.', "its text is a sentence without a full stop");
    question(strpbrk(cause, " \t\r\n") == NULL && strlen(cause) < 32, "its cause is one word");
    question(call->failure.retry_after >= 0, "its retry_after is not negative");
    if (call->scenario->cause != NULL)
        question(strcmp(cause, call->scenario->cause) == 0, "its cause is the one expected");
}

static void judge(const struct call *call)
{
    bool as_expected = call->returned == call->scenario->expected;
    char what[64];

    snprintf(what, sizeof what, "fetch comes to %s", statuses[call->scenario->expected]);
    question(as_expected, what);
    if (!as_expected)
        printf("# it came to %s: %s\n", call->returned < BEARER_STATUS_COUNT ? statuses[call->returned] : "nothing known",
               call->failures > 0 && !tells_a_secret(call) ? call->texts[call->told] : "");
    if (call->returned == BEARER_OK)
        judge_success(call);
    else
        judge_failure(call);
    question(call->took <= call->scenario->deadline + LATENESS, "it is back by its deadline");
    question(!any_text(call, has_control), "no text holds a control character");
    question(!tells_a_secret(call), "no text holds a secret");
}

/* What a provider must leave as it was. */
struct surroundings {
    sigset_t mask;
    struct sigaction handlers[NSIG];
    unsigned threads, descriptors;
    char directory[4096];
    mode_t umask;
};

static void look_around(struct surroundings *s)
{
    memset(s, 0, sizeof *s);
    pthread_sigmask(SIG_SETMASK, NULL, &s->mask);
    for (int number = 1; number < NSIG; number++)
        sigaction(number, NULL, &s->handlers[number]);
    s->threads = entries("/proc/self/task");
    s->descriptors = entries("/proc/self/fd");
    if (getcwd(s->directory, sizeof s->directory) == NULL)
        s->directory[0] = '\0';
    s->umask = umask(0);
    umask(s->umask);
}

static bool same_signals(const struct surroundings *a, const struct surroundings *b)
{
    for (int number = 1; number < NSIG; number++)
        if (sigismember(&a->mask, number) != sigismember(&b->mask, number) ||
            a->handlers[number].sa_handler != b->handlers[number].sa_handler)
            return false;
    return true;
}

/* Libraries open and keep things the first time; so this compares the second call with the third. */
static void judge_manners(const struct bearer_provider *provider, const struct scenario *s)
{
    struct surroundings before, after;
    struct call call;

    for (int i = 0; i < 2; i++) {
        look_around(&before);
        ask(provider, s, &call);
        look_around(&after);
        call_clear(&call);
    }
    question(same_signals(&before, &after), "signals are left as they were");
    question(after.threads <= before.threads, "no thread is left behind");
    question(after.descriptors <= before.descriptors, "no descriptor is left open");
    question(strcmp(before.directory, after.directory) == 0 && before.umask == after.umask,
             "working directory and umask are left as they were");
}

struct worker {
    pthread_t thread;
    const struct bearer_provider *provider;
    struct call call;
};

static const struct scenario *workers_scenario;

static void *work(void *data)
{
    struct worker *worker = data;

    ask(worker->provider, workers_scenario, &worker->call);
    return NULL;
}

/* A provider that says so can be asked several times at once. */
static void judge_repeatability(const struct bearer_provider *provider, const struct scenario *s)
{
    struct worker workers[THREADS];
    unsigned as_expected = 0;

    workers_scenario = s;
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){ .provider = provider };
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            give_up("cannot start a thread");
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        as_expected += workers[i].call.returned == s->expected;
        call_clear(&workers[i].call);
    }
    question(as_expected == THREADS, "asked by eight threads at once it comes to the same for each");
}

static const struct bearer_provider *load(const char *path)
{
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    const struct bearer_provider *provider;

    if (module == NULL)
        give_up("cannot load the provider: %s", dlerror());
    provider = dlsym(module, "bearer_provider");
    if (provider == NULL)
        give_up("'%s' defines no symbol bearer_provider", path);
    return provider;
}

static void judge_description(const struct bearer_provider *provider)
{
    unsigned known = BEARER_PER_IDENTITY | BEARER_REPEATABLE | BEARER_WANTS_PASSWORD;

    question(provider->abi == BEARER_PROVIDER_ABI, "it was built for this interface");
    question(provider->name != NULL && provider->summary != NULL && provider->fetch != NULL,
             "it has a name, a summary and a function fetch");
    question((provider->flags & ~known) == 0, "its properties are known ones");
}

int main(int count, char **arguments)
{
    const struct bearer_provider *provider;
    struct scenario scenario;
    struct call call;

    if (count != 2)
        give_up("usage: provider-contract MODULE.so <SCENARIO");
    provider = load(arguments[1]);
    read_scenario(&scenario);
    judge_description(provider);
    if (provider->abi != BEARER_PROVIDER_ABI || provider->fetch == NULL)
        return EXIT_FAILURE;
    if (provider->prepare != NULL)
        question(provider->prepare() == BEARER_OK, "prepare succeeds");
    ask(provider, &scenario, &call);
    judge(&call);
    call_clear(&call);
    if (provider->flags & BEARER_REPEATABLE) { /* what is used up by asking can be asked once */
        judge_manners(provider, &scenario);
        judge_repeatability(provider, &scenario);
    }
    scenario_clear(&scenario);
    return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
