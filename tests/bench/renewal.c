/* renewal.c - times renewals: `renewal ours|bare COUNT USER ENDPOINT CLIENT_ID SECRET_FILE SCOPE CA_FILE` prints milliseconds each.
 *
 * ours: through the core, as the plugin does it: lock, provider, store, unlock.  bare: libcurl posts the same
 * form and throws the answer away; a fresh connection each time, as ours.  SASL_CONF_PATH says where sasl.conf is. */
#include "credential/context.h"
#include "credential/places.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static size_t discard(char *bytes, size_t size, size_t count, void *data)
{
    (void)bytes;
    (void)data;
    return size * count;
}

static void post(char **argv)
{
    CURL *easy = curl_easy_init();
    char secret[256] = "", form[1024], *encoded, *scope;
    FILE *file = fopen(argv[6], "r");
    long status = 0;

    if (file == NULL || fgets(secret, sizeof secret, file) == NULL)
        exit(1);
    fclose(file);
    secret[strcspn(secret, "\n")] = '\0';
    encoded = curl_easy_escape(easy, secret, 0);
    scope = curl_easy_escape(easy, argv[7], 0);
    snprintf(form, sizeof form, "grant_type=client_credentials&client_id=%s&client_secret=%s&scope=%s", argv[5], encoded, scope);
    curl_easy_setopt(easy, CURLOPT_URL, argv[4]);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, form);
    curl_easy_setopt(easy, CURLOPT_CAINFO, argv[8]);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard);
    if (curl_easy_perform(easy) != CURLE_OK || curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK ||
        status != 200) {
        fprintf(stderr, "the bare request failed (%ld)\n", status);
        exit(1);
    }
    curl_free(encoded);
    curl_free(scope);
    curl_easy_cleanup(easy);
}

static void renew(struct bearer_context *context, struct bearer_holder *holder)
{
    const struct bearer_demand demand = { .flags = BEARER_OBTAIN_RENEW };
    struct bearer_outcome outcome = BEARER_OUTCOME_INIT;
    struct bearer_error err = BEARER_ERROR_INIT;

    if (bearer_obtain(context, holder, &demand, &outcome, &err) != BEARER_OK) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    bearer_outcome_clear(&outcome);
}

int main(int argc, char **argv)
{
    struct bearer_setup setup = { .places = { .system_path = getenv("SASL_CONF_PATH") } };
    struct bearer_context *context = NULL;
    struct bearer_holder *holder = NULL;
    struct bearer_error err = BEARER_ERROR_INIT;
    double began;
    long count;
    int ours;

    if (argc != 9)
        return 64;
    ours = strcmp(argv[1], "ours") == 0;
    count = strtol(argv[2], NULL, 10);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (ours && (bearer_context_new(&setup, &context, &err) != BEARER_OK ||
                 bearer_context_find(context, argv[3], &holder, &err) != BEARER_OK)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    if (ours) /* the module is loaded once */
        renew(context, holder);
    else
        post(argv);
    began = now();
    for (long i = 0; i < count; i++) {
        if (ours)
            renew(context, holder);
        else
            post(argv);
    }
    printf("%.3f\n", (now() - began) / (double)count);
    bearer_context_free(&context);
    curl_global_cleanup();
    return 0;
}
