/* check_report.c - see check_report.h.  When in doubt, it hides: a report that says less can be asked about, one that said
 * too much cannot be taken back. */
#include "tool/check_report.h"

#include "credential/service.h"
#include "credential/store.h"
#include "credential/text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LETTERS     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS      "0123456789"
#define HEX         DIGITS "abcdefABCDEF"
#define NAME        LETTERS DIGITS "._%+@*?~-" /* what names, addresses and hosts are made of */
#define GUID_LENGTH 36
#define SECRETIVE   60 /* characters without a break: a token, for all we know */

struct alias {
    struct alias *next;
    const char *kind; /* a literal */
    unsigned number;
    bool anywhere; /* it is hidden wherever it stands, not only where its form shows what it is */
    size_t length;
    char text[];
};

struct report {
    struct alias *aliases;
};

/* What is replaced, and with what. */
struct editing {
    struct report *report;
    FILE *out;
    const char *start; /* of the text */
    const char *at;
    bool in_path;
};

/* ------------------------------------------------------------------ placeholders */

struct report *report_new(void)
{
    return calloc(1, sizeof(struct report));
}

void report_free(struct report **report)
{
    struct alias *next;

    if (*report == NULL)
        return;
    for (struct alias *alias = (*report)->aliases; alias != NULL; alias = next) {
        next = alias->next;
        free(alias);
    }
    free(*report);
    *report = NULL;
}

/* Lends the placeholder of a text, made if need be; NULL without memory. */
static struct alias *alias_of(struct report *report, const char *kind, const char *text, size_t length)
{
    struct alias *alias;
    unsigned number = 1;

    for (alias = report->aliases; alias != NULL; alias = alias->next) {
        if (alias->length == length && strncasecmp(alias->text, text, length) == 0)
            return alias;
        number += strcmp(alias->kind, kind) == 0;
    }
    alias = calloc(1, sizeof *alias + length + 1);
    if (alias == NULL)
        return NULL;
    *alias = (struct alias){ .next = report->aliases, .kind = kind, .number = number, .length = length };
    memcpy(alias->text, text, length);
    report->aliases = alias;
    return alias;
}

static void put_alias(struct editing *e, const char *kind, const char *text, size_t length)
{
    const struct alias *alias = alias_of(e->report, kind, text, length);

    if (alias != NULL)
        fprintf(e->out, "%s%u", alias->kind, alias->number);
    else
        fputs("***", e->out);
}

/* Words that stand in sasl.conf, or on every machine, and name nobody. */
static bool is_common(const char *text)
{
    return bearer_text_has_word(
        "root localhost none system organizations common consumers public http https smtp mail postfix", text);
}

void report_hide(struct report *report, const char *kind, const char *text)
{
    struct alias *alias;

    if (report == NULL || text == NULL || strlen(text) < 3 || strpbrk(text, "*?") != NULL || is_common(text))
        return;
    if (strchr(text, '@') != NULL && text[strspn(text, NAME)] == '\0')
        return; /* its form tells, and then its domain is seen to be that of others */
    alias = alias_of(report, kind, text, strlen(text));
    if (alias != NULL)
        alias->anywhere = true;
}

/* ------------------------------------------------------------------ what is public */

static bool is_public_host(const char *name)
{
    /* Of the services we know, and of their makers' pages. */
    static const char others[] =
        "microsoft.com *.microsoft.com *.microsoftonline.com *.microsoftonline.us *.chinacloudapi.cn "
        "*.office365.com *.office365.us *.office.com *.outlook.com *.outlook.office365.us *.gmail.com "
        "*.google.com *.googleapis.com";
    const struct bearer_service *service;

    for (unsigned i = 0; (service = bearer_service_at(i)) != NULL; i++)
        if (bearer_text_host_in(service->servers, name))
            return true;
    return bearer_text_host_in(others, name);
}

/* Names of files and words with a dot that stand in our own texts. */
static bool is_own_word(const char *name)
{
    size_t length = strlen(name);

    if (strncmp(name, "lib", 3) == 0 && length > 3 && strstr(name, ".so") != NULL)
        return true;
    return bearer_text_has_word(
        "sasl.conf sasl.conf.d main.cf master.cf master.pid resolv.conf nsswitch.conf sasl_passwd.db "
        "sasl-bearer-renew.timer sasl-bearer-renew.service ca-certificates.crt ca-bundle.crt ca-bundle.pem "
        "delegated.so app_only.so managed_identity.so command.so file.so password_field.so e.g i.e v2.0",
        name);
}

/* Directories and files that are on every machine. */
static bool is_common_path(const char *name)
{
    return name[strspn(name, DIGITS)] == '\0' || is_own_word(name) ||
           bearer_text_has_word(
               "etc usr var lib lib64 bin sbin local share opt home root run tmp proc sys dev spool log srv state "
               "config .config .local sasl sasl2 sasl-bearer providers postfix private pid etc ssl certs pki tls "
               "hosts services resolv.conf nsswitch.conf localtime host.conf null systemd system cron.d sasl_passwd "
               "x86_64-linux-gnu aarch64-linux-gnu arm-linux-gnueabihf i386-linux-gnu powerpc64le-linux-gnu "
               "s390x-linux-gnu riscv64-linux-gnu oauth2 v2.0 token authorize devicecode postmap postconf",
               name);
}

/* ------------------------------------------------------------------ forms */

static bool is_guid(const char *text)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

    for (size_t i = 0; i < GUID_LENGTH; i++)
        if (text[i] == '\0' || (form[i] == 'x' ? strchr(HEX, text[i]) == NULL : text[i] != '-'))
            return false;
    return true;
}

/* Labels with dots between them, the last of letters. */
static bool is_domain(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot != NULL && dot > name && strlen(dot + 1) >= 2 && dot[1 + strspn(dot + 1, LETTERS "-" DIGITS)] == '\0' &&
           strspn(dot + 1, DIGITS) == 0 && strstr(name, "..") == NULL;
}

static bool is_address(const char *name)
{
    struct in6_addr address;

    return inet_pton(AF_INET, name, &address) == 1 ||
           (strchr(name, ':') != NULL && inet_pton(AF_INET6, name, &address) == 1);
}

static void put_domain(struct editing *e, const char *domain)
{
    if (is_public_host(domain) || is_common(domain))
        fputs(domain, e->out);
    else
        put_alias(e, is_address(domain) ? "address" : "domain", domain, strlen(domain));
}

/* A person's address, or a pattern of some. */
static void put_mailbox(struct editing *e, const char *name)
{
    const char *at = strrchr(name, '@');
    size_t local = (size_t)(at - name);

    if (local == strspn(name, "*?"))
        fprintf(e->out, "%.*s", (int)local, name);
    else
        put_alias(e, "user", name, local);
    fputc('@', e->out);
    if (at[1] == '*')
        fputs(at + 1, e->out);
    else
        put_domain(e, at + 1);
}

/* "PROVIDER-KEY.token" */
static bool put_token_file(struct editing *e, const char *name)
{
    char *provider, *key, *shown;

    if (!bearer_store_parse_name(name, &provider, &key))
        return false;
    shown = report_show(e->report, key);
    fprintf(e->out, "%s-%s.token", provider, shown != NULL ? shown : "***");
    free(provider);
    free(key);
    free(shown);
    return true;
}

static void put_name(struct editing *e, const char *name)
{
    if (e->in_path && is_common_path(name))
        fputs(name, e->out);
    else if (e->in_path && put_token_file(e, name))
        return;
    else if (strchr(name, '@') != NULL)
        put_mailbox(e, name);
    else if (strlen(name) >= SECRETIVE)
        fputs("***", e->out);
    else if (is_own_word(name))
        fputs(name, e->out);
    else if (is_address(name) || is_domain(name))
        put_domain(e, name);
    else if (e->in_path)
        put_alias(e, "name", name, strlen(name));
    else
        fputs(name, e->out);
}

/* ------------------------------------------------------------------ editing */

static bool is_word_character(char c)
{
    return c != '\0' && strchr(LETTERS DIGITS, c) != NULL;
}

/* What was named with report_hide(), as a whole word; the longest counts. */
static bool edit_named(struct editing *e)
{
    const struct alias *best = NULL;

    if (e->at > e->start && is_word_character(e->at[-1]))
        return false;
    for (const struct alias *alias = e->report->aliases; alias != NULL; alias = alias->next)
        if (alias->anywhere && strncasecmp(e->at, alias->text, alias->length) == 0 &&
            !is_word_character(e->at[alias->length]) && (best == NULL || alias->length > best->length))
            best = alias;
    if (best == NULL)
        return false;
    fprintf(e->out, "%s%u", best->kind, best->number);
    e->at += best->length;
    return true;
}

static bool edit_guid(struct editing *e)
{
    if (!is_guid(e->at))
        return false;
    put_alias(e, "id", e->at, GUID_LENGTH);
    e->at += GUID_LENGTH;
    return true;
}

/* A title in quotes, as identity providers say how an application is called. */
static bool edit_title(struct editing *e)
{
    size_t length = strcspn(e->at + 1, "'");

    if (*e->at != '\'' || (e->at > e->start && is_word_character(e->at[-1])) || e->at[1 + length] == '\0' ||
        strcspn(e->at + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") >= length || strcspn(e->at + 1, "/_=") < length ||
        (strcspn(e->at + 1, " ") >= length && strspn(e->at + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "-") == length))
        return false;
    fputc('\'', e->out);
    put_alias(e, "title", e->at + 1, length);
    fputc('\'', e->out);
    e->at += length + 2;
    return true;
}

/* Colons are no part of names, but of IPv6 addresses. */
static size_t name_length(const char *text)
{
    size_t length = strspn(text, HEX ":");
    char address[64];

    if (length > 3 && length < sizeof address && strcspn(text, ":") < length) {
        snprintf(address, sizeof address, "%.*s", (int)length, text);
        if (is_address(address))
            return length;
    }
    return strspn(text, NAME);
}

static bool edit_name(struct editing *e)
{
    size_t length = name_length(e->at), core = length;
    char *name;

    while (core > 0 && strchr(".-%+", e->at[core - 1]) != NULL)
        core--; /* a sentence's end, for instance */
    if (core == 0)
        return false;
    name = strndup(e->at, core);
    if (name != NULL)
        put_name(e, name);
    free(name);
    fprintf(e->out, "%.*s", (int)(length - core), e->at + core);
    e->at += length;
    return true;
}

char *report_show(struct report *report, const char *text)
{
    struct editing e = { .report = report, .start = text, .at = text };
    char *shown = NULL;
    size_t size;

    e.out = open_memstream(&shown, &size);
    if (e.out == NULL)
        return NULL;
    while (*e.at != '\0') {
        if (edit_named(&e) || edit_guid(&e) || edit_title(&e) || edit_name(&e))
            continue;
        /* A path begins with a slash that nothing stands before; a URL's host is not part of one. */
        if (*e.at != '/')
            e.in_path = false;
        else if (e.at[1] == '/' || (e.at > text && e.at[-1] == '/'))
            e.in_path = false;
        else if (e.at == text || strchr(NAME, e.at[-1]) == NULL)
            e.in_path = true;
        fputc(*e.at++, e.out);
    }
    return fclose(e.out) == 0 ? shown : NULL;
}
