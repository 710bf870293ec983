/* acme.c - a credential provider by somebody else: Acme's gateway hands out tokens to whoever knows the password.
 *
 * A GET request to oauth2_token_endpoint, which is http://127.0.0.1:PORT/PATH, with the password (oauth2_client_secret) in a
 * header.  200: the token, a blank and its life in seconds.  401: the password is wrong.  Plain sockets, no library: it works in a
 * chroot jail without preparing anything.
 */
#include <sasl-bearer/provider.h>

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX 65536 /* bytes */

static const char *option(const struct bearer_request *request, const char *name)
{
    for (const struct bearer_option *o = request->options; o->name != NULL; o++)
        if (strcmp(o->name, name) == 0)
            return o->value;
    return NULL;
}

static enum bearer_status fail(const struct bearer_request *request, enum bearer_status status, const char *cause, const char *text)
{
    const struct bearer_failure failure = { .status = status, .cause = cause, .text = text };

    request->fail(request->context, &failure);
    return status;
}

/* Milliseconds left, 0 if none. */
static int left(const struct bearer_request *request)
{
    struct timespec t;
    int64_t remaining;

    clock_gettime(CLOCK_MONOTONIC, &t);
    remaining = request->deadline - ((int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000);
    return remaining <= 0 ? 0 : remaining > 60000 ? 60000 : (int)remaining;
}

static int ready(const struct bearer_request *request, int fd, short events)
{
    struct pollfd p = { .fd = fd, .events = events };
    int n;

    do
        n = poll(&p, 1, left(request));
    while (n < 0 && errno == EINTR);
    return n > 0;
}

/* Sends the question and reads the answer to its end.  False: no answer in time. */
static int converse(const struct bearer_request *request, int port, const char *question, char *answer)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), done = 0;
    size_t have = 0;
    ssize_t n = 1;

    if (fd < 0)
        return 0;
    if ((connect(fd, (struct sockaddr *)&address, sizeof address) == 0 || errno == EINPROGRESS) && ready(request, fd, POLLOUT) &&
        send(fd, question, strlen(question), MSG_NOSIGNAL) == (ssize_t)strlen(question)) {
        while (n > 0 && have < ANSWER_MAX && ready(request, fd, POLLIN))
            if ((n = read(fd, answer + have, ANSWER_MAX - have)) > 0)
                have += (size_t)n;
        done = n == 0;
    }
    answer[have] = '\0';
    close(fd);
    return done;
}

static enum bearer_status take(const struct bearer_request *request, char *answer)
{
    char *body = strstr(answer, "\r\n\r\n"), *blank;
    struct bearer_grant grant = { .access_token = body };

    if (strncmp(answer, "HTTP/1.0 401", 12) == 0)
        return fail(request, BEARER_REFUSED, "acme_401", "Acme's gateway does not take the password in oauth2_client_secret");
    if (strncmp(answer, "HTTP/1.0 200", 12) != 0 || body == NULL || (blank = strchr(body, ' ')) == NULL)
        return fail(request, BEARER_LATER, NULL, "Acme's gateway has trouble of its own");
    *blank = '\0';
    grant.access_token = body + 4;
    grant.lifetime = strtoll(blank + 1, NULL, 10);
    request->grant(request->context, &grant);
    return BEARER_OK;
}

static enum bearer_status fetch(const struct bearer_request *request)
{
    const char *endpoint = option(request, "oauth2_token_endpoint"), *password = option(request, "oauth2_client_secret");
    char path[128], question[1024], *answer;
    enum bearer_status st;
    int port;

    if (endpoint == NULL || sscanf(endpoint, "http://127.0.0.1:%d%127s", &port, path) != 2)
        return fail(request, BEARER_CONFIG, NULL, "oauth2_token_endpoint must be http://127.0.0.1:PORT/PATH, the gateway on this host");
    if (password == NULL)
        return fail(request, BEARER_CONFIG, NULL, "Acme's gateway wants a password: set oauth2_client_secret_file");
    answer = malloc(ANSWER_MAX + 1);
    if (answer == NULL)
        return fail(request, BEARER_NOMEM, NULL, "out of memory");
    snprintf(question, sizeof question, "GET %s HTTP/1.0\r\nX-Acme-Password: %s\r\nX-Acme-For: %s\r\n\r\n", path, password,
             request->identity);
    if (!converse(request, port, question, answer))
        st = fail(request, BEARER_LATER, NULL, "Acme's gateway does not answer");
    else
        st = take(request, answer);
    explicit_bzero(question, sizeof question);
    explicit_bzero(answer, ANSWER_MAX);
    free(answer);
    return st;
}

const struct bearer_provider bearer_provider = {
    .abi = BEARER_PROVIDER_ABI,
    .name = "acme",
    .summary = "Acme's gateway",
    .flags = BEARER_REPEATABLE,
    .fetch = fetch,
};
