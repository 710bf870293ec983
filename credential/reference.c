/* reference.c - what sasl.conf only refers to: files, systemd's credentials, the output of commands.  See holder.h */
#include "credential/crc32c.h"
#include "credential/holder.h"
#include "credential/spawn.h"
#include "credential/text.h"
#include "credential/trusted_file.h"

#include <string.h>

#define CONTENT_MAX 65536 /* bytes; more than any secret, key or token with what stands around it */

/* What becomes of a file in a program that is going into a chroot jail. */
enum keep {
    KEEP_NOT,  /* it is replaced by rename, which a descriptor does not follow: the renewer reads it */
    KEEP_OPEN, /* and read again for each request */
    KEEP_COPY, /* in memory */
};

static const struct reference {
    enum bearer_option_id id;
    const char *arrives; /* as this option; NULL = as its own content */
    const char *what;    /* for messages */
    unsigned rules;      /* BEARER_FILE_SECRET */
    bool one_line;
    enum keep keep;
} references[] = {
    { OPT_CLIENT_SECRET_FILE, "oauth2_client_secret", "the client secret", BEARER_FILE_SECRET, true, KEEP_OPEN },
    { OPT_CLIENT_SECRET_COMMAND, "oauth2_client_secret", "the client secret", 0, true, KEEP_NOT },
    { OPT_CLIENT_CERTIFICATE, NULL, "the certificate", BEARER_FILE_SECRET, false, KEEP_COPY },
    { OPT_CLIENT_KEY, NULL, "the private key", BEARER_FILE_SECRET, false, KEEP_COPY },
    { OPT_CLIENT_KEY_PASSPHRASE_FILE, "oauth2_client_key_passphrase", "the passphrase", BEARER_FILE_SECRET, true, KEEP_COPY },
    { OPT_FEDERATED_TOKEN_FILE, "oauth2_federated_token", "the federated token", 0, true, KEEP_NOT },
    { OPT_TOKEN_FILE, "oauth2_token", "the access token", BEARER_FILE_SECRET, false, KEEP_NOT },
    { OPT_TOKEN_COMMAND, "oauth2_token", "the access token", 0, false, KEEP_NOT },
};

_Static_assert(sizeof references / sizeof references[0] == BEARER_REFERENCE_COUNT, "a row for each place in bearer_options");

static bool is_command(const struct reference *reference)
{
    return bearer_option_row(reference->id)->type == OPT_TYPE_COMMAND;
}

/* Lends the value that refers to something, or NULL where there is none or it is a URI, which the provider's library follows. */
static const char *referring(const struct bearer_account *account, const struct reference *reference)
{
    const char *value = account->values[reference->id];

    return value != NULL && !(reference->arrives == NULL && bearer_option_is_uri(value)) ? value : NULL;
}

/* A certificate is public unless its key is beside it. */
static unsigned rules_of(const struct bearer_account *account, const struct reference *reference)
{
    return reference->id == OPT_CLIENT_CERTIFICATE && account->values[OPT_CLIENT_KEY] != NULL ? 0 : reference->rules;
}

/* Cuts the line's end off.  What else it holds must fit on one line. */
static enum bearer_status take_line(const struct reference *reference, const char *value, struct bearer_secret *content,
                                    struct bearer_error *err)
{
    size_t length = content->length;

    while (length > 0 && strchr("\r\n", content->bytes[length - 1]) != NULL)
        content->bytes[--length] = '\0';
    if (length == 0 || memchr(content->bytes, '\n', length) != NULL || memchr(content->bytes, '\0', length) != NULL)
        return bearer_fail(err, BEARER_CONFIG, "'%.*s' must %s %s and nothing else, on one line",
                           is_command(reference) ? (int)strcspn(value, " \t") : (int)strlen(value), value,
                           is_command(reference) ? "print" : "hold", reference->what);
    content->length = length;
    return BEARER_OK;
}

static enum bearer_status follow(struct bearer_context *context, const struct bearer_account *account,
                                 const struct reference *reference, int64_t deadline, struct bearer_secret *content,
                                 struct bearer_error *err)
{
    const char *value = referring(account, reference);
    enum bearer_status st = is_command(reference)
                                ? bearer_spawn_read(value, deadline, CONTENT_MAX, content, err)
                                : bearer_context_read_file(context, value, rules_of(account, reference), CONTENT_MAX, content, err);

    if (st == BEARER_OK && reference->one_line)
        st = take_line(reference, value, content, err);
    else if (st == BEARER_OK && reference->arrives != NULL && memchr(content->bytes, '\0', content->length) != NULL)
        st = bearer_fail(err, BEARER_CONFIG, "a NUL byte stands where %s should (%s)", reference->what,
                         bearer_option_row(reference->id)->name);
    return st;
}

static void add(struct bearer_options *options, size_t *count, const char *name, const char *value)
{
    options->list[*count] = (struct bearer_option){ .name = name, .value = value };
    ++*count;
}

/* The content goes to the option it belongs to, or becomes an option itself. */
static void add_content(struct bearer_options *options, size_t *count, const struct reference *reference,
                        const struct bearer_secret *content)
{
    const char *name = bearer_option_row(reference->id)->name;

    if (reference->arrives != NULL)
        add(options, count, reference->arrives, bearer_secret_reveal(content));
    for (size_t i = 0; reference->arrives == NULL && i < *count; i++)
        if (strcmp(options->list[i].name, name) == 0) {
            options->list[i].content = bearer_secret_reveal(content);
            options->list[i].content_length = content->length;
        }
}

enum bearer_status bearer_options_read(struct bearer_context *context, const struct bearer_account *account, int64_t deadline,
                                       struct bearer_options *options, struct bearer_error *err)
{
    enum bearer_status st = BEARER_OK;
    size_t count = 0;

    for (int id = 0; id < OPT_COUNT; id++)
        if (account->values[id] != NULL)
            add(options, &count, bearer_option_row((enum bearer_option_id)id)->name, account->values[id]);
    for (size_t i = 0; i < BEARER_REFERENCE_COUNT && st == BEARER_OK; i++) {
        if (referring(account, &references[i]) == NULL)
            continue;
        st = follow(context, account, &references[i], deadline, &options->contents[i], err);
        if (st == BEARER_OK)
            add_content(options, &count, &references[i], &options->contents[i]);
    }
    add(options, &count, NULL, NULL);
    return st;
}

void bearer_options_clear(struct bearer_options *options)
{
    for (size_t i = 0; i < BEARER_REFERENCE_COUNT; i++)
        bearer_secret_clear(&options->contents[i]);
}

void bearer_options_keep(struct bearer_context *context, const struct bearer_account *account)
{
    for (size_t i = 0; i < BEARER_REFERENCE_COUNT; i++) {
        const char *value = referring(account, &references[i]);

        if (value != NULL && references[i].keep != KEEP_NOT)
            bearer_context_keep_file(context, value, rules_of(account, &references[i]),
                                     references[i].keep == KEEP_COPY ? CONTENT_MAX : 0);
    }
}

int64_t bearer_credential_mark(struct bearer_context *context, const struct bearer_account *account)
{
    const char *secret = account->values[OPT_CLIENT_SECRET];
    uint32_t mark = secret != NULL ? bearer_crc32c(0, secret, strlen(secret)) : 0;

    for (size_t i = 0; i < BEARER_REFERENCE_COUNT; i++) {
        struct bearer_secret content = BEARER_SECRET_INIT;
        const char *value = account->values[references[i].id];

        if (value == NULL)
            continue;
        if (referring(account, &references[i]) == NULL || is_command(&references[i])) /* what it comes to is not known here */
            mark = bearer_crc32c(mark, value, strlen(value));
        else if (follow(context, account, &references[i], 0, &content, NULL) == BEARER_OK)
            mark = bearer_crc32c(mark, content.bytes, content.length);
        bearer_secret_clear(&content);
    }
    return (int64_t)mark;
}
