/* http.c - see http.h */
#include "provider/http.h"

#include "credential/clock.h"
#include "credential/options.h"
#include "credential/secret.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define BODY_MAX 1048576 /* bytes of an answer */
#define RETRY_PAUSE 1000 /* ms before the one retry, if the server does not say */
#define RETRY_AFTER_MAX 86400 /* seconds; nobody means more than that */
#define FIRST_ROOM 4096  /* bytes of a growing text to begin with */
#define POLL_MAX 1000    /* ms between two looks at the clock */
#define NOT_PROXIED "localhost,127.0.0.1,::1,169.254.169.254"

/* A text that grows, and may hold secrets. */
struct growing {
    char *bytes; /* NUL-terminated, or NULL */
    size_t length;
    size_t room;
};

struct transfer {
    CURL *easy;
    CURLM *multi;
    struct curl_slist *headers;
    struct growing url;
    struct growing form;
    struct growing body;
    int64_t deadline; /* CLOCK_MONOTONIC ms */
    bool too_large;
    char challenge[HTTP_CHALLENGE_MAX];
    char date[64];
    char message[CURL_ERROR_SIZE];
};

/* ------------------------------------------------------------------ libcurl's set-up */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode initialised = CURLE_FAILED_INIT;

static void initialise(void)
{
    initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
}

enum bearer_status http_prepare(struct bearer_error *err)
{
    pthread_once(&once, initialise);
    return initialised == CURLE_OK ? BEARER_OK : bearer_fail(err, BEARER_LOCAL, "cannot initialise libcurl");
}

/* ------------------------------------------------------------------ the host's signals */

/* What the host's thread had before we kept its signals off. */
struct shield {
    sigset_t before;
    bool pipe_pending;
};

/* libcurl may start its resolver thread behind this: it must inherit a mask that leaves the host's signals to the host. */
static void shield_up(struct shield *shield)
{
    sigset_t all, pending;

    sigfillset(&all);
    sigpending(&pending);
    shield->pipe_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &all, &shield->before);
}

/* A SIGPIPE that was raised meanwhile is ours and is taken back. */
static void shield_down(const struct shield *shield)
{
    static const struct timespec at_once = { 0, 0 };
    sigset_t pipe_only;

    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    if (!shield->pipe_pending)
        while (sigtimedwait(&pipe_only, NULL, &at_once) == SIGPIPE)
            ;
    pthread_sigmask(SIG_SETMASK, &shield->before, NULL);
}

/* ------------------------------------------------------------------ the answer */

/* Appends to a growing text that may hold secrets: not by realloc, which leaves copies behind that nobody wipes.  Room doubles,
 * for an answer may come in a million pieces. */
static bool append(struct growing *text, const char *bytes, size_t count)
{
    if (text->length + count + 1 > text->room) {
        size_t room = 2 * text->room > text->length + count + 1 ? 2 * text->room : text->length + count + FIRST_ROOM;
        char *grown = malloc(room);

        if (grown == NULL)
            return false;
        if (text->bytes != NULL) {
            memcpy(grown, text->bytes, text->length);
            bearer_wipe(text->bytes, text->length);
            free(text->bytes);
        }
        text->bytes = grown;
        text->room = room;
    }
    memcpy(text->bytes + text->length, bytes, count);
    text->length += count;
    text->bytes[text->length] = '\0';
    return true;
}

static void growing_clear(struct growing *text)
{
    bearer_wipe(text->bytes, text->length);
    free(text->bytes);
    *text = (struct growing){ NULL, 0, 0 };
}

static size_t take_body(char *bytes, size_t size, size_t count, void *data)
{
    struct transfer *t = data;
    size_t length = size * count;

    if (t->body.length + length > BODY_MAX) {
        t->too_large = true;
        return 0;
    }
    /* One call of libcurl hands over all that has come; the clock goes on. */
    return bearer_monotonic() < t->deadline && append(&t->body, bytes, length) ? length : 0;
}

/* Keeps what stands behind a header's name, without blanks around it, where it is the first of that name and there is room. */
static void keep_header(const char *line, size_t length, const char *name, char *out, size_t size)
{
    size_t skipped = strlen(name);

    if (length <= skipped || strncasecmp(line, name, skipped) != 0 || out[0] != '\0')
        return;
    for (; skipped < length && strchr(" \t", line[skipped]) != NULL; skipped++)
        ;
    while (length > skipped && strchr(" \t\r\n", line[length - 1]) != NULL)
        length--;
    if (length - skipped < size) {
        memcpy(out, line + skipped, length - skipped);
        out[length - skipped] = '\0';
    }
}

/* Of the answer that counts: behind "100 Continue" another one begins. */
static size_t take_header(char *line, size_t size, size_t count, void *data)
{
    struct transfer *t = data;
    size_t length = size * count;

    if (length >= 5 && strncasecmp(line, "HTTP/", 5) == 0)
        t->challenge[0] = t->date[0] = '\0';
    keep_header(line, length, "WWW-Authenticate:", t->challenge, sizeof t->challenge);
    keep_header(line, length, "Date:", t->date, sizeof t->date);
    return length;
}

void http_reply_clear(struct http_reply *reply)
{
    bearer_wipe(reply->body, reply->length);
    free(reply->body);
    *reply = (struct http_reply)HTTP_REPLY_INIT;
}

/* ------------------------------------------------------------------ the request */

/* Appends "name=value", the value url-encoded. */
static bool append_field(CURL *easy, const struct http_field *field, struct growing *text)
{
    char *value = curl_easy_escape(easy, field->value, (int)strlen(field->value));
    bool done = value != NULL && append(text, field->name, strlen(field->name)) && append(text, "=", 1) &&
                append(text, value, strlen(value));

    bearer_wipe_string(value);
    curl_free(value);
    return done;
}

/* Appends a list of fields, with something before the first; none is an empty text. */
static bool append_fields(CURL *easy, const char *before, const struct http_field *fields, struct growing *text)
{
    bool done = append(text, "", 0);

    for (; done && fields->name != NULL; fields++)
        if (fields->value != NULL) {
            done = append(text, before, strlen(before)) && append_field(easy, fields, text);
            before = "&";
        }
    return done;
}

static bool encode_url(struct transfer *t, const struct http_request *request)
{
    return append(&t->url, request->url, strlen(request->url)) &&
           (request->query == NULL ||
            append_fields(t->easy, strchr(request->url, '?') != NULL ? "&" : "?", request->query, &t->url));
}

static bool encode_form(struct transfer *t, const struct http_request *request)
{
    return request->form == NULL || append_fields(t->easy, "", request->form, &t->form);
}

static bool list_header(struct transfer *t, const char *line)
{
    struct curl_slist *longer = curl_slist_append(t->headers, line);

    if (longer != NULL)
        t->headers = longer;
    return longer != NULL;
}

static bool list_headers(struct transfer *t, const struct http_request *request)
{
    bool done = list_header(t, "Accept: application/json");

    for (size_t i = 0; done && request->headers != NULL && request->headers[i] != NULL; i++)
        done = list_header(t, request->headers[i]);
    return done;
}

static CURLcode set_trust(CURL *easy, const struct http_request *request)
{
    struct curl_blob bundle = { (void *)(uintptr_t)request->ca_pem, request->ca_pem_length, CURL_BLOB_COPY };
    CURLcode code = CURLE_OK;

    if (request->ca_pem != NULL)
        code = curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &bundle);
    else if (request->ca_file != NULL)
        code = curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca_file);
    if (code == CURLE_OK && (request->ca_pem != NULL || request->ca_file != NULL))
        code = curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    return code;
}

#define SET(option, value) (code = code == CURLE_OK ? curl_easy_setopt(t->easy, option, value) : code)

static CURLcode set_options(struct transfer *t, const struct http_request *request)
{
    CURLcode code = CURLE_OK;

    SET(CURLOPT_URL, t->url.bytes);
#if LIBCURL_VERSION_NUM >= 0x075500
    SET(CURLOPT_PROTOCOLS_STR, "https,http");
#else
    SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTPS | CURLPROTO_HTTP));
#endif
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
    SET(CURLOPT_QUICK_EXIT, 1L);
#endif
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_PROXY, request->proxy != NULL ? request->proxy : "");
    SET(CURLOPT_NOPROXY, NOT_PROXIED);
    SET(CURLOPT_HTTPHEADER, t->headers);
    SET(CURLOPT_USERAGENT, PACKAGE_NAME "/" PACKAGE_VERSION);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_ERRORBUFFER, t->message);
    SET(CURLOPT_FORBID_REUSE, 1L);
    if (request->connect_time > 0)
        SET(CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_time);
    if (t->form.bytes != NULL) {
        SET(CURLOPT_POSTFIELDSIZE, (long)t->form.length);
        SET(CURLOPT_POSTFIELDS, t->form.bytes);
    }
    return code == CURLE_OK ? set_trust(t->easy, request) : code;
}

/* Ending a connection can write to it. */
static void transfer_clear(struct transfer *t)
{
    struct shield shield;

    shield_up(&shield);
    if (t->multi != NULL && t->easy != NULL)
        curl_multi_remove_handle(t->multi, t->easy);
    curl_easy_cleanup(t->easy);
    curl_multi_cleanup(t->multi);
    for (struct curl_slist *header = t->headers; header != NULL; header = header->next)
        bearer_wipe_string(header->data);
    curl_slist_free_all(t->headers);
    shield_down(&shield);
    growing_clear(&t->url);
    growing_clear(&t->form);
    growing_clear(&t->body);
}

static enum bearer_status transfer_set_up(struct transfer *t, const struct http_request *request, struct bearer_error *err)
{
    t->easy = curl_easy_init();
    t->multi = curl_multi_init();
    if (t->easy == NULL || t->multi == NULL || !list_headers(t, request) || !encode_url(t, request) ||
        !encode_form(t, request))
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    if (set_options(t, request) != CURLE_OK || curl_multi_add_handle(t->multi, t->easy) != CURLM_OK)
        return bearer_fail(err, BEARER_LOCAL, "libcurl does not take its options: is it older than 7.77?");
    return BEARER_OK;
}

/* ------------------------------------------------------------------ driving it */

static CURLMcode perform(CURLM *multi, int *running)
{
    struct shield shield;
    CURLMcode code;

    shield_up(&shield);
    code = curl_multi_perform(multi, running);
    shield_down(&shield);
    return code;
}

/* Runs the transfer to its end or to the deadline. */
static CURLcode run(struct transfer *t, int64_t deadline)
{
    int running = 1, left;
    const CURLMsg *message;

    while (running) {
        int64_t remaining = deadline - bearer_monotonic();

        if (remaining <= 0)
            return CURLE_OPERATION_TIMEDOUT;
        if (perform(t->multi, &running) != CURLM_OK)
            return CURLE_OUT_OF_MEMORY;
        if (running)
            curl_multi_poll(t->multi, NULL, 0, (int)(remaining < POLL_MAX ? remaining : POLL_MAX), NULL);
    }
    while ((message = curl_multi_info_read(t->multi, &left)) != NULL)
        if (message->msg == CURLMSG_DONE)
            return message->data.result;
    return CURLE_OPERATION_TIMEDOUT;
}

/* "https://host:port" of a URL: enough to recognise, and free of what a query may hold. */
static int host_length(const char *url)
{
    const char *host = strstr(url, "://");

    return host != NULL ? (int)(host - url + 3 + (int)strcspn(host + 3, "/?#")) : (int)strcspn(url, "?#");
}

static enum bearer_status explain(const struct transfer *t, const struct http_request *request, CURLcode code,
                                  struct bearer_error *err)
{
    const char *reason = t->message[0] != '\0' ? t->message : curl_easy_strerror(code);
    int shown = host_length(request->url);

    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return bearer_fail(err, BEARER_LATER, "no answer from %.*s in time", shown, request->url);
    case CURLE_PEER_FAILED_VERIFICATION:
        return bearer_fail(err, BEARER_LATER,
                           "the certificate of %.*s cannot be trusted: %s; is the clock right, is a proxy in between, does "
                           "oauth2_ca_file name the right authority?",
                           shown, request->url, reason);
    case CURLE_SSL_CACERT_BADFILE:
        return bearer_fail(err, BEARER_CONFIG, "the certificates to trust cannot be read: %s", reason);
    case CURLE_WRITE_ERROR:
        if (t->too_large)
            return bearer_fail(err, BEARER_LATER, "the answer of %.*s exceeds %d bytes", shown, request->url, BODY_MAX);
        if (bearer_monotonic() >= t->deadline)
            return bearer_fail(err, BEARER_LATER, "no answer from %.*s in time", shown, request->url);
        break;
    default:
        break;
    }
    return bearer_fail(err, BEARER_LATER, "cannot reach %.*s: %s", shown, request->url, reason);
}

/* Moves what came into the reply. */
static void take_reply(struct transfer *t, struct http_reply *reply)
{
    curl_off_t retry_after = 0;
    const char *type = NULL;
    time_t date = curl_getdate(t->date, NULL);

    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &reply->status);
    curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &retry_after);
    curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
    reply->retry_after = retry_after < RETRY_AFTER_MAX ? (int64_t)retry_after : RETRY_AFTER_MAX;
    reply->date = date > 0 ? date : 0;
    reply->is_html = type != NULL && strncasecmp(type, "text/html", 9) == 0;
    reply->body = t->body.bytes;
    reply->length = t->body.length;
    t->body = (struct growing){ NULL, 0, 0 };
    memcpy(reply->challenge, t->challenge, sizeof reply->challenge);
}

/* Whether a failure came before there was a connection. */
static bool never_connected(const struct transfer *t, CURLcode code)
{
    curl_off_t connected = 0;

    if (code == CURLE_OPERATION_TIMEDOUT)
        return curl_easy_getinfo(t->easy, CURLINFO_CONNECT_TIME_T, &connected) == CURLE_OK && connected == 0;
    return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST;
}

/* One try.  *code_out is libcurl's, to tell what may be tried again. */
static enum bearer_status try_once(const struct http_request *request, struct http_reply *reply, CURLcode *code_out,
                                   struct bearer_error *err)
{
    struct transfer t = { .deadline = request->deadline };
    enum bearer_status st = transfer_set_up(&t, request, err);

    *code_out = CURLE_FAILED_INIT;
    if (st == BEARER_OK) {
        *code_out = run(&t, request->deadline);
        reply->unreachable = never_connected(&t, *code_out);
        if (*code_out != CURLE_OK)
            st = explain(&t, request, *code_out, err);
        else
            take_reply(&t, reply);
    }
    transfer_clear(&t);
    return st;
}

/* Whether to try again: only where the server cannot have acted on the first request, or says so. */
static bool worth_a_retry(enum bearer_status st, CURLcode code, const struct http_reply *reply)
{
    if (st == BEARER_OK)
        return reply->status == 429 || reply->status >= 500;
    return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST;
}

enum bearer_status http_send(const struct http_request *request, struct http_reply *reply, struct bearer_error *err)
{
    struct bearer_error first = BEARER_ERROR_INIT;
    enum bearer_status st;
    CURLcode code;
    int64_t pause;

    if ((st = bearer_url_check(request->url, err)) != BEARER_OK || (st = http_prepare(err)) != BEARER_OK)
        return st;
    st = try_once(request, reply, &code, &first);
    pause = reply->retry_after > 0 ? reply->retry_after * 1000 : RETRY_PAUSE;
    if (!request->once && worth_a_retry(st, code, reply) && bearer_monotonic() + pause + RETRY_PAUSE < request->deadline) {
        bearer_sleep(pause);
        http_reply_clear(reply);
        bearer_error_clear(&first);
        st = try_once(request, reply, &code, &first);
    }
    if (st != BEARER_OK && err != NULL && err->status == BEARER_OK)
        *err = first;
    return st;
}
