/* check_postfix_settings.c - asks Postfix how it is set up, with its own commands: see check_postfix.h */
#include "credential/text.h"
#include "tool/check_postfix.h"
#include "tool/check_probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const postfix_names[PARAMETER_COUNT] = {
    [MAIL_VERSION] = "mail_version",
    [CONFIG_DIRECTORY] = "config_directory",
    [QUEUE_DIRECTORY] = "queue_directory",
    [MAIL_OWNER] = "mail_owner",
    [CYRUS_CONFIG_PATH] = "cyrus_sasl_config_path",
    [IMPORT_ENVIRONMENT] = "import_environment",
    [COMPATIBILITY_LEVEL] = "compatibility_level",
    [RELAYHOST] = "relayhost",
    [DEFAULT_TRANSPORT] = "default_transport",
    [SENDER_RELAYS] = "sender_dependent_relayhost_maps",
    [SENDER_TRANSPORTS] = "sender_dependent_default_transport_maps",
    [TRANSPORTS] = "transport_maps",
    [SENDER_AUTHENTICATION] = "smtp_sender_dependent_authentication",
    [DEBUG_PEERS] = "debug_peer_list",
    [AUTH_ENABLE] = "smtp_sasl_auth_enable",
    [PASSWORD_MAPS] = "smtp_sasl_password_maps",
    [MECHANISM_FILTER] = "smtp_sasl_mechanism_filter",
    [TLS_LEVEL] = "smtp_tls_security_level",
    [TLS_CA_FILE] = "smtp_tls_CAfile",
    [TLS_CA_PATH] = "smtp_tls_CApath",
    [PLAIN_OPTIONS] = "smtp_sasl_security_options",
    [TLS_OPTIONS] = "smtp_sasl_tls_security_options",
    [VERIFIED_OPTIONS] = "smtp_sasl_tls_verified_security_options",
    [AUTH_CACHE] = "smtp_sasl_auth_cache_name",
    [HOST_LOOKUP] = "smtp_host_lookup",
};

/* ------------------------------------------------------------------ asking */

bool postfix_is_set(const char *value)
{
    return value != NULL && *value != '\0';
}

/* Reads "NAME = VALUE" lines. */
static void take_values(struct postfix *p, char *text)
{
    for (char *line; text != NULL && (line = strsep(&text, "\n")) != NULL;) {
        char *equals = strstr(line, " =");

        if (equals == NULL)
            continue;
        *equals = '\0';
        for (int i = 0; i < PARAMETER_COUNT; i++)
            if (strcmp(line, postfix_names[i]) == 0 && p->values[i] == NULL)
                p->values[i] = strdup(equals + 2 + strspn(equals + 2, " "));
    }
}

static bool knows_all(const struct postfix *p)
{
    for (int i = 0; i < PARAMETER_COUNT; i++)
        if (p->values[i] == NULL)
            return false;
    return true;
}

/* -x fills in other parameters' values; older versions do not know it, nor all parameters. */
static void ask_values(struct postfix *p)
{
    char names[1024] = "";

    for (int i = 0; i < PARAMETER_COUNT; i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), " %s", postfix_names[i]);
    for (int i = 0; i < 2 && !knows_all(p); i++) {
        char *text = probe_run("%s%s%s", p->postconf, i == 0 ? " -x" : "", names);

        take_values(p, text);
        free(text);
    }
    for (int i = 0; i < PARAMETER_COUNT; i++)
        if (p->values[i] == NULL)
            p->values[i] = strdup("");
}

/* Whether `-` in master.cf's column chroot means yes: it did before Postfix 3.0, and does for configurations of that time.
 */
static bool jailed_by_default(const struct postfix *p)
{
    return atoi(p->values[MAIL_VERSION]) < 3 || atoi(p->values[COMPATIBILITY_LEVEL]) < 1;
}

/* ------------------------------------------------------------------ forgetting */

static void clear_service(struct postfix_service *service)
{
    for (int i = 0; i < PARAMETER_COUNT; i++)
        free(service->options[i]);
    free(service->name);
    free(service->whose);
    free(service->arguments);
}

static void free_login(struct postfix_login *login)
{
    free(login->sender);
    free(login->relay);
    free(login->user);
    free(login);
}

/* ------------------------------------------------------------------ services */

/* Gives what `-o NAME=VALUE` sets, also written `-o { NAME = VALUE }` where there are blanks in it, or NULL.  Free it. */
static char *option(const char *arguments, const char *name)
{
    size_t length = strlen(name);
    char *value = NULL;

    for (const char *at = arguments; (at = strstr(at, name)) != NULL; at += length) {
        const char *equals = at + length + strspn(at + length, " "), *before = at;
        bool braced;

        while (before > arguments && before[-1] == ' ')
            before--;
        braced = before > arguments && before[-1] == '{';
        if (*equals != '=' || at == arguments || strchr(" {", at[-1]) == NULL)
            continue;
        equals += 1 + (braced ? strspn(equals + 1, " ") : 0);
        free(value);
        value = strndup(equals, strcspn(equals, braced ? "}" : " "));
    }
    return value;
}

/* "smtp unix - - y - - smtp -o name=value" */
static void take_service(struct postfix *p, const char *line)
{
    char name[128], type[32], jail[8], program[64];
    struct postfix_service *service = &p->services[p->service_count];
    int arguments = 0;

    if (p->service_count == POSTFIX_SERVICES_MAX ||
        sscanf(line, "%127s %31s %*s %*s %7s %*s %*s %63s%n", name, type, jail, program, &arguments) != 4 ||
        strcmp(type, "unix") != 0 || (strcmp(program, "smtp") != 0 && strcmp(program, "lmtp") != 0))
        return;
    service->name = strdup(name);
    service->whose = bearer_text_format(" of the service %s", name);
    service->arguments = strdup(line + arguments);
    if (service->name == NULL || service->whose == NULL || service->arguments == NULL) {
        clear_service(service);
        return;
    }
    p->service_count++;
    service->jailed = *jail == 'y' || (*jail == '-' && jailed_by_default(p));
    for (int i = 0; i < PARAMETER_COUNT; i++)
        service->options[i] = option(line + arguments, postfix_names[i]);
}

static void ask_services(struct postfix *p)
{
    char *text = probe_run("%s -M", p->postconf), *rest = text;

    for (const char *line; rest != NULL && (line = strsep(&rest, "\n")) != NULL;)
        take_service(p, line);
    free(text);
}

/* ------------------------------------------------------------------ a service's settings */

const char *postfix_setting(const struct postfix *p, const struct postfix_service *service, enum postfix_parameter parameter)
{
    return service != NULL && service->options[parameter] != NULL ? service->options[parameter] : p->values[parameter];
}

const char *postfix_whose(const struct postfix_service *service, enum postfix_parameter parameter)
{
    return service != NULL && service->options[parameter] != NULL ? service->whose : "";
}

bool postfix_may_log_in(const struct postfix *p, const struct postfix_service *service)
{
    return strcmp(postfix_setting(p, service, AUTH_ENABLE), "yes") == 0;
}

/* As Postfix reads its list: the first word that fits decides, `!` says no.  A table's words Postfix alone knows. */
static bool lets_in(const char *filter, const char *mechanism)
{
    char *words = strdup(filter), *rest = words;
    bool in = false, decided = false;

    for (const char *word; !decided && (word = postfix_next_word(&rest)) != NULL;) {
        in = *word != '!';
        word += !in;
        decided = strcasecmp(word, mechanism) == 0 || strpbrk(word, ":/") != NULL;
    }
    free(words);
    return decided && in;
}

bool postfix_takes_tokens(const struct postfix *p, const struct postfix_service *service)
{
    const char *filter = postfix_setting(p, service, MECHANISM_FILTER);

    return !postfix_is_set(filter) || lets_in(filter, "xoauth2") || lets_in(filter, "oauthbearer");
}

/* ------------------------------------------------------------------ where mail goes */

static struct postfix_service *find_service(struct postfix *p, const char *name, size_t length)
{
    for (size_t i = 0; i < p->service_count; i++)
        if (strlen(p->services[i].name) == length && strncmp(p->services[i].name, name, length) == 0)
            return &p->services[i];
    return NULL;
}

struct postfix_login *postfix_add_login(struct postfix *p, struct postfix_service *service, const char *relay,
                                        const char *sender)
{
    struct postfix_login **end = &p->logins, *login = calloc(1, sizeof *login);

    if (login == NULL || (login->relay = strdup(relay)) == NULL ||
        (sender != NULL && (login->sender = strdup(sender)) == NULL)) {
        if (login != NULL)
            free_login(login);
        return NULL;
    }
    while (*end != NULL)
        end = &(*end)->next;
    login->service = service;
    *end = login;
    return login;
}

/* hops: next hops, each of which may be tried. */
static void add_hops(struct postfix *p, const char *sender, struct postfix_service *service, const char *hops)
{
    char *words = strdup(hops), *rest = words;

    for (const char *hop; service != NULL && (hop = postfix_next_word(&rest)) != NULL;)
        postfix_add_login(p, service, hop, sender);
    free(words);
}

/* "TRANSPORT:NEXTHOP", of which each part may be missing. */
static void add_route(struct postfix *p, const char *sender, const char *route, const char *default_hop)
{
    size_t length = strcspn(route, ":");
    const char *hop = route + length + (route[length] == ':');

    if (length == 0) {
        route = p->values[DEFAULT_TRANSPORT];
        length = strcspn(route, ":");
    }
    add_hops(p, sender, find_service(p, route, length), *hop != '\0' ? hop : default_hop);
}

static void add_line(struct postfix *p, enum postfix_parameter parameter, const struct postfix_line *line)
{
    char *key = strndup(line->key, line->key_length), *value = strndup(line->value, line->value_length);

    if (key != NULL && value != NULL && strcasecmp(value, "dunno") != 0)
        switch (parameter) {
        case SENDER_TRANSPORTS:
            add_route(p, key, value, p->values[RELAYHOST]);
            break;
        case SENDER_RELAYS:
            add_hops(p, key, find_service(p, p->values[DEFAULT_TRANSPORT], strcspn(p->values[DEFAULT_TRANSPORT], ":")),
                     value);
            break;
        default: /* by recipient; without a next hop it is his own domain */
            add_route(p, NULL, value, "");
        }
    free(key);
    free(value);
}

static void add_tables(struct postfix *p, enum postfix_parameter parameter)
{
    char *words = strdup(p->values[parameter]), *rest = words;

    for (const char *table; (table = postfix_next_word(&rest)) != NULL;) {
        struct bearer_secret lines = BEARER_SECRET_INIT;
        struct postfix_line line;
        const char *cursor;

        if (!postfix_list(table, &lines) && p->unlisted == NULL)
            p->unlisted = strdup(table);
        for (cursor = bearer_secret_reveal(&lines); postfix_next_line(&cursor, &line);)
            add_line(p, parameter, &line);
        bearer_secret_clear(&lines);
    }
    free(words);
}

bool postfix_is_first(const struct postfix *p, const struct postfix_login *login)
{
    for (const struct postfix_login *before = p->logins; before != login; before = before->next)
        if (before->service == login->service && strcmp(before->relay, login->relay) == 0)
            return false;
    return true;
}

/* ------------------------------------------------------------------ all of it */

/* Where no login tells: a transport of its own has the filter in master.cf; without one it is plain smtp. */
static struct postfix_service *likely_service(struct postfix *p)
{
    for (size_t i = 0; i < p->service_count; i++)
        if (postfix_is_set(p->services[i].options[MECHANISM_FILTER]) && postfix_takes_tokens(p, &p->services[i]))
            return &p->services[i];
    return find_service(p, "smtp", strlen("smtp"));
}

static struct postfix_service *our_service(struct postfix *p)
{
    for (struct postfix_login *login = p->logins; login != NULL; login = login->next)
        if (login->service->ours)
            return login->service;
    return likely_service(p);
}

bool postfix_ask(struct postfix *p)
{
    p->postconf = probe_find("postconf");
    if (p->postconf == NULL)
        return false;
    ask_values(p);
    if (!knows_all(p))
        return false;
    ask_services(p);
    add_route(p, NULL, p->values[DEFAULT_TRANSPORT], p->values[RELAYHOST]);
    add_tables(p, SENDER_TRANSPORTS);
    add_tables(p, SENDER_RELAYS);
    add_tables(p, TRANSPORTS);
    postfix_ask_users(p);
    p->service = our_service(p);
    return true;
}

void postfix_clear(struct postfix *p)
{
    for (struct postfix_login *next; p->logins != NULL; p->logins = next) {
        next = p->logins->next;
        free_login(p->logins);
    }
    for (size_t i = 0; i < p->service_count; i++)
        clear_service(&p->services[i]);
    for (int i = 0; i < PARAMETER_COUNT; i++)
        free(p->values[i]);
    free(p->unlisted);
    free(p->postconf);
}

/* ------------------------------------------------------------------ words */

char *postfix_set(const struct postfix_service *service, enum postfix_parameter parameter, const char *value)
{
    if (service == NULL || (service->options[parameter] == NULL && strcmp(service->name, "smtp") == 0))
        return bearer_text_format("run postconf -e '%s = %s', then postfix reload", postfix_names[parameter], value);
    return bearer_text_format("run postconf -P '%s/unix/%s=%s', then postfix reload", service->name,
                              postfix_names[parameter], value);
}

char *postfix_bare_host(const char *relay)
{
    const char *host = *relay == '[' ? relay + 1 : relay;

    return strndup(host, strcspn(host, *relay == '[' ? "]" : ":"));
}
