/* check_postfix.c - Postfix against the recipe of doc/postfix.md, if it is installed.  Here: its settings, and what would
 * show tokens.
 *
 * Which instance: the default one, or MAIL_CONFIG's, as Postfix' own commands have it. */
#include "tool/check_postfix.h"

#include "credential/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------------ the recipe */

/* Whether a list of security options, or of mechanisms, has a word; both have commas or blanks between, and ignore case. */
static bool list_has(const char *list, const char *word)
{
    char *words = bearer_text_lower(list);
    bool found;

    for (char *at = words; at != NULL && (at = strpbrk(at, ",\t")) != NULL;)
        *at = ' ';
    found = words != NULL && bearer_text_has_word(words, word);
    free(words);
    return found;
}

static bool is_one_of(const char *value, const char *words)
{
    return postfix_is_set(value) && bearer_text_has_word(words, value);
}

static void look_at_enabling(struct postfix *p, const struct postfix_service *service, enum postfix_parameter parameter)
{
    if (!postfix_may_log_in(p, service))
        check_say_remedy(p->check, CHECK_PROBLEM, POSTFIX_AREA, postfix_set(service, parameter, "yes"),
                         "smtp_sasl_auth_enable%s is '%s': Postfix never logs in", postfix_whose(service, parameter),
                         postfix_setting(p, service, parameter));
}

static void look_at_filter(struct postfix *p, const struct postfix_service *service, enum postfix_parameter parameter)
{
    const char *filter = postfix_setting(p, service, parameter), *whose = postfix_whose(service, parameter);

    if (!postfix_is_set(filter))
        check_say_remedy(p->check, CHECK_WARNING, POSTFIX_AREA, postfix_set(service, parameter, "xoauth2"),
                         "smtp_sasl_mechanism_filter%s is not set: were the plugin missing, Postfix would log in with an "
                         "empty password",
                         whose);
    else if (!postfix_takes_tokens(p, service))
        check_say_remedy(p->check, CHECK_PROBLEM, POSTFIX_AREA, postfix_set(service, parameter, "xoauth2"),
                         "smtp_sasl_mechanism_filter%s is '%s', which leaves out XOAUTH2", whose, filter);
    else
        check_say(p->check, CHECK_OK, POSTFIX_AREA, NULL, "smtp_sasl_mechanism_filter%s is '%s'", whose, filter);
}

/* Levels at which a connection counts as verified, and those at which a certificate's authority counts. */
#define VERIFIED_LEVELS "secure verify fingerprint dane-only"
#define TRUSTING_LEVELS "secure verify"

static void look_at_level(struct postfix *p, const struct postfix_service *service, enum postfix_parameter parameter)
{
    const char *level = postfix_setting(p, service, parameter), *whose = postfix_whose(service, parameter);

    if (is_one_of(level, VERIFIED_LEVELS))
        check_say(p->check, CHECK_OK, POSTFIX_AREA, NULL, "smtp_tls_security_level%s is '%s'", whose, level);
    else
        check_say_remedy(p->check, CHECK_PROBLEM, POSTFIX_AREA, postfix_set(service, parameter, "secure"),
                         "smtp_tls_security_level%s is '%s': a server need not show that it is the one that is meant", whose,
                         level);
}

static void look_at_authorities(struct postfix *p, const struct postfix_service *service, enum postfix_parameter parameter)
{
    const char *file = postfix_setting(p, service, parameter);

    if (is_one_of(postfix_setting(p, service, TLS_LEVEL), TRUSTING_LEVELS) && !postfix_is_set(file) &&
        !postfix_is_set(postfix_setting(p, service, TLS_CA_PATH)))
        check_say_remedy(p->check, CHECK_PROBLEM, POSTFIX_AREA, postfix_set(service, parameter, CA_FILE),
                         "neither smtp_tls_CAfile nor smtp_tls_CApath is set: no server's certificate can be verified");
    else if (postfix_is_set(file) && access(file, R_OK) != 0)
        check_say_remedy(p->check, CHECK_PROBLEM, POSTFIX_AREA, postfix_set(service, parameter, CA_FILE),
                         "smtp_tls_CAfile%s: cannot read '%s': %s", postfix_whose(service, parameter), file,
                         strerror(errno));
}

/* A bearer token is a replayable secret, so to SASL our mechanisms are plain text. */
static void look_at_verified(struct postfix *p, const struct postfix_service *service, enum postfix_parameter parameter)
{
    const char *options = postfix_setting(p, service, parameter), *whose = postfix_whose(service, parameter);

    if (list_has(options, "noplaintext"))
        check_say_remedy(
            p->check, CHECK_PROBLEM, POSTFIX_AREA, postfix_set(service, parameter, "noanonymous"),
            "smtp_sasl_tls_verified_security_options%s is '%s': noplaintext keeps Postfix from using any bearer token",
            whose, options);
    else
        check_say(p->check, CHECK_OK, POSTFIX_AREA, NULL, "smtp_sasl_tls_verified_security_options%s is '%s'", whose,
                  options);
}

static void look_at_weaker(struct postfix *p, const struct postfix_service *service, enum postfix_parameter parameter)
{
    const char *options = postfix_setting(p, service, parameter);

    if (!list_has(options, "noplaintext"))
        check_say_remedy(
            p->check, CHECK_WARNING, POSTFIX_AREA, postfix_set(service, parameter, "noplaintext,noanonymous"),
            "%s%s is '%s': a token could go %s", postfix_names[parameter], postfix_whose(service, parameter), options,
            parameter == PLAIN_OPTIONS ? "over a connection without TLS" : "to a server whose certificate is not its own");
}

static void look_at_cache(struct postfix *p, const struct postfix_service *service, enum postfix_parameter parameter)
{
    if (postfix_is_set(postfix_setting(p, service, parameter)))
        check_say_remedy(
            p->check, CHECK_PROBLEM, POSTFIX_AREA, postfix_set(service, parameter, ""),
            "smtp_sasl_auth_cache_name%s is set: one refusal is remembered, for user name and password never change",
            postfix_whose(service, parameter));
}

typedef void look_at_setting(struct postfix *p, const struct postfix_service *service, enum postfix_parameter parameter);

static const struct {
    enum postfix_parameter parameter;
    look_at_setting *look;
} recipe[] = {
    { AUTH_ENABLE, look_at_enabling },    { MECHANISM_FILTER, look_at_filter },   { TLS_LEVEL, look_at_level },
    { TLS_CA_FILE, look_at_authorities }, { VERIFIED_OPTIONS, look_at_verified }, { PLAIN_OPTIONS, look_at_weaker },
    { TLS_OPTIONS, look_at_weaker },      { AUTH_CACHE, look_at_cache },
};

/* What a service has from main.cf is looked at with the first one that has. */
static bool is_new(const struct postfix *p, const struct postfix_service *service, enum postfix_parameter parameter)
{
    return service == p->service || *postfix_whose(service, parameter) != '\0' ||
           *postfix_whose(p->service, parameter) != '\0';
}

static void look_at_recipe(struct postfix *p, const struct postfix_service *service)
{
    for (size_t i = 0; i < sizeof recipe / sizeof recipe[0]; i++)
        if (is_new(p, service, recipe[i].parameter))
            recipe[i].look(p, service, recipe[i].parameter);
}

static void look_at_recipes(struct postfix *p)
{
    look_at_recipe(p, p->service);
    for (size_t i = 0; i < p->service_count; i++)
        if (p->services[i].ours && &p->services[i] != p->service)
            look_at_recipe(p, &p->services[i]);
}

/* ------------------------------------------------------------------ what shows tokens */

static void look_at_verbosity(struct postfix *p)
{
    for (size_t i = 0; i < p->service_count; i++) {
        const char *word, *cursor = p->services[i].arguments;
        size_t length;

        while (bearer_text_word(&cursor, &word, &length))
            if (length >= 2 && word[0] == '-' && strspn(word + 1, "v") == length - 1)
                check_say_remedy(p->check, CHECK_PROBLEM, POSTFIX_AREA,
                                 bearer_text_format("take -v out of the line '%s' of master.cf, then run postfix reload",
                                                    p->services[i].name),
                                 "the service %s logs whole conversations, tokens included", p->services[i].name);
    }
    if (postfix_is_set(p->values[DEBUG_PEERS]))
        check_say_remedy(p->check, CHECK_WARNING, POSTFIX_AREA, postfix_set(NULL, DEBUG_PEERS, ""),
                         "debug_peer_list is '%s': conversations with these are logged, tokens included",
                         p->values[DEBUG_PEERS]);
}

/* ------------------------------------------------------------------ the area */

/* Whether this Postfix is to use us at all: one that only receives is none of our business. */
static bool is_ours(const struct postfix *p)
{
    for (size_t i = 0; i < p->service_count; i++)
        if (postfix_may_log_in(p, &p->services[i]))
            return true;
    return postfix_may_log_in(p, NULL) || postfix_is_set(p->values[PASSWORD_MAPS]);
}

/* Nor is one that lets tokens nowhere in, as long as none is meant to be there: then a password would be empty. */
static bool has_passwords_only(const struct postfix *p)
{
    bool some = p->closed;

    for (const struct postfix_login *login = p->logins; login != NULL; login = login->next) {
        if (postfix_is_ours(p, login))
            return false;
        some |= postfix_is_set(login->user) && postfix_may_log_in(p, login->service);
    }
    return some && !postfix_takes_tokens(p, p->service);
}

static void hide(const struct postfix *p)
{
    for (const struct postfix_login *login = p->logins; login != NULL; login = login->next) {
        char *host = postfix_bare_host(login->relay);

        if (host != NULL && strchr(host, '.') == NULL)
            report_hide(p->check->report, "host", host);
        report_hide(p->check->report, "user", login->user);
        if (!bearer_text_has_word("smtp relay lmtp", login->service->name))
            report_hide(p->check->report, "service", login->service->name);
        free(host);
    }
}

static void look_at_it(struct postfix *p)
{
    bool knows_users;

    check_say(p->check, CHECK_OK, POSTFIX_AREA, NULL, "Postfix %s, configured in '%s'", p->values[MAIL_VERSION],
              p->values[CONFIG_DIRECTORY]);
    postfix_look_at_conf(p);
    look_at_recipes(p);
    knows_users = postfix_look_at_users(p);
    p->check->postfix_logs_in = knows_users && postfix_may_log_in(p, p->service);
    look_at_verbosity(p);
    postfix_look_at_jail(p);
    postfix_look_at_names(p);
    postfix_look_at_environment(p);
}

void check_postfix(struct check *check)
{
    struct postfix p = { .check = check };

    if (!postfix_ask(&p)) {
        check_say(check, CHECK_SKIPPED, POSTFIX_AREA, NULL, "Postfix is not installed");
        return;
    }
    hide(&p);
    if (!postfix_is_set(p.values[MAIL_VERSION]))
        check_say(check, CHECK_SKIPPED, POSTFIX_AREA, "see what postconf itself says",
                  "postconf does not tell how Postfix is configured");
    else if (!is_ours(&p))
        check_say(check, CHECK_SKIPPED, POSTFIX_AREA, NULL, "Postfix %s does not log in anywhere (smtp_sasl_auth_enable)",
                  p.values[MAIL_VERSION]);
    else if (has_passwords_only(&p))
        check_say(check, CHECK_SKIPPED, POSTFIX_AREA, NULL,
                  "Postfix %s logs in with passwords only (smtp_sasl_mechanism_filter)", p.values[MAIL_VERSION]);
    else
        look_at_it(&p);
    postfix_clear(&p);
}
