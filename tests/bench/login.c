/* login.c - times logins through libsasl2, as a host makes them: `login MECHANISM USER COUNT` prints microseconds and kilobytes.
 *
 * The server's part is what libsasl2 never sees; after the first message a login counts as done.  The plugins come from
 * SASL_PATH, the configuration from SASL_CONF_PATH.
 *
 * `login MECHANISM USER COUNT wait` prints its pid once libsasl2 is initialised; it goes on when standard input ends. */
#include "tests/bench/resident.h"

#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *user;

static int get_simple(void *context, int id, const char **result, unsigned *length)
{
    (void)context;
    (void)id;
    *result = user;
    if (length != NULL)
        *length = (unsigned)strlen(user);
    return SASL_OK;
}

static int get_secret(sasl_conn_t *conn, void *context, int id, sasl_secret_t **secret)
{
    static union {
        sasl_secret_t secret;
        char room[sizeof(sasl_secret_t) + 16];
    } password;

    (void)conn;
    (void)context;
    (void)id;
    password.secret.len = 8;
    memcpy(password.secret.data, "password", 9);
    *secret = &password.secret;
    return SASL_OK;
}

static int quiet(void *context, int level, const char *message)
{
    (void)context;
    if (level <= SASL_LOG_WARN)
        fprintf(stderr, "%s\n", message);
    return SASL_OK;
}

static const sasl_callback_t callbacks[] = {
    { SASL_CB_USER, (sasl_callback_ft)(void *)get_simple, NULL },
    { SASL_CB_AUTHNAME, (sasl_callback_ft)(void *)get_simple, NULL },
    { SASL_CB_PASS, (sasl_callback_ft)(void *)get_secret, NULL },
    { SASL_CB_LOG, (sasl_callback_ft)(void *)quiet, NULL },
    { SASL_CB_LIST_END, NULL, NULL },
};

static void login(const char *mechanism)
{
    sasl_conn_t *conn = NULL;
    const char *out, *chosen;
    unsigned length;
    int result = sasl_client_new("smtp", "localhost", NULL, NULL, NULL, 0, &conn);

    if (result == SASL_OK)
        result = sasl_client_start(conn, mechanism, NULL, &out, &length, &chosen);
    if (result == SASL_CONTINUE)
        result = sasl_client_step(conn, NULL, 0, NULL, &out, &length);
    if (result != SASL_OK) {
        fprintf(stderr, "%s: %s\n", mechanism, conn != NULL ? sasl_errdetail(conn) : "no connection");
        exit(1);
    }
    sasl_dispose(&conn);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Meanwhile somebody looks at this process. */
static void wait_here(void)
{
    printf("pid %ld\n", (long)getpid());
    fflush(stdout);
    while (getchar() != EOF)
        ;
}

int main(int argc, char **argv)
{
    long count;
    double began, first;
    long before, after;

    if (argc != 4 && argc != 5) {
        fprintf(stderr, "usage: login MECHANISM USER COUNT [wait]\n");
        return 64;
    }
    user = argv[2];
    count = strtol(argv[3], NULL, 10);
    before = resident();
    began = now();
    if (sasl_client_init(callbacks) != SASL_OK)
        return 1;
    printf("init %.1f\n", now() - began);
    printf("memory %ld\n", resident() - before);
    if (argc == 5)
        wait_here();
    began = now();
    login(argv[1]);
    first = now() - began;
    before = resident();
    began = now();
    for (long i = 0; i < count; i++)
        login(argv[1]);
    printf("first %.1f\neach %.2f\n", first, count > 0 ? (now() - began) / (double)count : 0);
    after = resident();
    printf("growth %ld\n", after - before);
    sasl_done();
    return 0;
}
