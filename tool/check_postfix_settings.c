/* check_postfix_settings.c - asks Postfix how it is set up, with its own commands: see check_postfix.h */
#include "credential/text.h"
#include "tool/check_postfix.h"
#include "tool/check_probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const postfix_names[PARAMETER_COUNT] = {
    [MAIL_VERSION] = "mail_version",
    [CONFIG_DIRECTORY] = "config_directory",
    [QUEUE_DIRECTORY] = "queue_directory",
    [CYRUS_CONFIG_PATH] = "cyrus_sasl_config_path",
    [IMPORT_ENVIRONMENT] = "import_environment",
    [COMPATIBILITY_LEVEL] = "compatibility_level",
    [RELAYHOST] = "relayhost",
    [SENDER_RELAYS] = "sender_dependent_relayhost_maps",
    [SENDER_TRANSPORTS] = "sender_dependent_default_transport_maps",
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

/* "smtp unix - - y - - smtp -o name=value" */
static void take_service(struct postfix *p, const char *line)
{
    char name[128], type[32], jail[8], program[64];
    int arguments = 0;

    if (p->service_count == POSTFIX_SERVICES_MAX ||
        sscanf(line, "%127s %31s %*s %*s %7s %*s %*s %63s%n", name, type, jail, program, &arguments) != 4 ||
        strcmp(type, "unix") != 0 || (strcmp(program, "smtp") != 0 && strcmp(program, "lmtp") != 0))
        return;
    p->services[p->service_count++] = (struct postfix_service){
        .name = strdup(name),
        .arguments = strdup(line + arguments),
        .jailed = *jail == 'y' || (*jail == '-' && jailed_by_default(p)),
    };
}

static void ask_services(struct postfix *p)
{
    char *text = probe_run("%s -M", p->postconf), *rest = text;

    for (const char *line; rest != NULL && (line = strsep(&rest, "\n")) != NULL;)
        take_service(p, line);
    free(text);
}

/* Also written `-o { NAME = VALUE }`. */
char *postfix_option(const struct postfix_service *service, const char *name)
{
    size_t length = strlen(name);
    char *value = NULL;

    for (const char *at = service->arguments; (at = strstr(at, name)) != NULL; at += length) {
        const char *equals = at + length + strspn(at + length, " ");
        bool braced = equals[*equals == '='] == ' ';

        if (*equals != '=' || at == service->arguments || strchr(" {", at[-1]) == NULL)
            continue;
        free(value);
        value = strndup(equals + 1 + braced, strcspn(equals + 1 + braced, braced ? "}" : " }"));
    }
    return value;
}

/* The transport that the guide makes for our servers has the filter in master.cf; without one it is plain smtp. */
static void choose_service(struct postfix *p)
{
    for (size_t i = 0; i < p->service_count; i++) {
        char *filter = postfix_option(&p->services[i], postfix_names[MECHANISM_FILTER]);

        if (filter != NULL || (p->service == NULL && strcmp(p->services[i].name, "smtp") == 0))
            p->service = &p->services[i];
        free(filter);
    }
    for (int i = 0; i < PARAMETER_COUNT && p->service != NULL; i++)
        p->options[i] = postfix_option(p->service, postfix_names[i]);
}

const char *postfix_setting(const struct postfix *p, enum postfix_parameter parameter)
{
    return p->options[parameter] != NULL ? p->options[parameter] : p->values[parameter];
}

bool postfix_ask(struct postfix *p)
{
    p->postconf = probe_find("postconf");
    if (p->postconf == NULL)
        return false;
    ask_values(p);
    ask_services(p);
    choose_service(p);
    return true;
}

void postfix_clear(struct postfix *p)
{
    for (int i = 0; i < PARAMETER_COUNT; i++) {
        free(p->values[i]);
        free(p->options[i]);
    }
    for (size_t i = 0; i < p->service_count; i++) {
        free(p->services[i].name);
        free(p->services[i].arguments);
    }
    free(p->postconf);
}

/* ------------------------------------------------------------------ words */

char *postfix_set(enum postfix_parameter parameter, const char *value)
{
    return bearer_text_format("run postconf -e '%s = %s', then postfix reload", postfix_names[parameter], value);
}

char *postfix_bare_host(const char *relay)
{
    const char *host = *relay == '[' ? relay + 1 : relay;

    return strndup(host, strcspn(host, *relay == '[' ? "]" : ":"));
}
