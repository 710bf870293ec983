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

/* A filter can also be a table, or say what not: then Postfix alone knows. */
static bool excludes_us(const char *filter)
{
    if (list_has(filter, "!xoauth2"))
        return true;
    return !list_has(filter, "xoauth2") && !list_has(filter, "oauthbearer") && strpbrk(filter, ":!/") == NULL;
}

static void look_at_filter(struct postfix *p)
{
    const char *filter = postfix_setting(p, MECHANISM_FILTER);

    if (!postfix_is_set(filter))
        check_say_remedy(
            p->check, CHECK_WARNING, POSTFIX_AREA, postfix_set(MECHANISM_FILTER, "xoauth2"),
            "smtp_sasl_mechanism_filter is not set: were the plugin missing, Postfix would log in with an empty password");
    else if (excludes_us(filter))
        check_say_remedy(p->check, CHECK_PROBLEM, POSTFIX_AREA, postfix_set(MECHANISM_FILTER, "xoauth2"),
                         "smtp_sasl_mechanism_filter is '%s', which leaves out XOAUTH2", filter);
    else
        check_say(p->check, CHECK_OK, POSTFIX_AREA, NULL, "smtp_sasl_mechanism_filter is '%s'", filter);
}

/* Levels at which a connection counts as verified, and those that may be. */
#define VERIFIED_LEVELS "secure verify fingerprint dane-only"

static void look_at_tls(struct postfix *p)
{
    const char *level = postfix_setting(p, TLS_LEVEL);
    bool verified = is_one_of(level, VERIFIED_LEVELS);

    if (verified)
        check_say(p->check, CHECK_OK, POSTFIX_AREA, NULL, "smtp_tls_security_level is '%s'", level);
    else
        check_say_remedy(p->check, CHECK_PROBLEM, POSTFIX_AREA, postfix_set(TLS_LEVEL, "secure"),
                         "smtp_tls_security_level is '%s': a server need not show that it is the one that is meant", level);
    if (is_one_of(level, "secure verify") && !postfix_is_set(postfix_setting(p, TLS_CA_FILE)) &&
        !postfix_is_set(postfix_setting(p, TLS_CA_PATH)))
        check_say_remedy(p->check, CHECK_PROBLEM, POSTFIX_AREA, postfix_set(TLS_CA_FILE, CA_FILE),
                         "neither smtp_tls_CAfile nor smtp_tls_CApath is set: no server's certificate can be verified");
    else if (postfix_is_set(postfix_setting(p, TLS_CA_FILE)) && access(postfix_setting(p, TLS_CA_FILE), R_OK) != 0)
        check_say_remedy(p->check, CHECK_PROBLEM, POSTFIX_AREA, postfix_set(TLS_CA_FILE, CA_FILE),
                         "smtp_tls_CAfile: cannot read '%s': %s", postfix_setting(p, TLS_CA_FILE), strerror(errno));
}

/* A bearer token is a replayable secret, so to SASL our mechanisms are plain text. */
static void look_at_options(struct postfix *p)
{
    static const enum postfix_parameter weaker[] = { PLAIN_OPTIONS, TLS_OPTIONS };
    const char *options = postfix_setting(p, VERIFIED_OPTIONS);

    if (list_has(options, "noplaintext"))
        check_say_remedy(
            p->check, CHECK_PROBLEM, POSTFIX_AREA, postfix_set(VERIFIED_OPTIONS, "noanonymous"),
            "smtp_sasl_tls_verified_security_options is '%s': noplaintext keeps Postfix from using any bearer token",
            options);
    else
        check_say(p->check, CHECK_OK, POSTFIX_AREA, NULL, "smtp_sasl_tls_verified_security_options is '%s'", options);
    for (size_t i = 0; i < sizeof weaker / sizeof weaker[0]; i++)
        if (!list_has(postfix_setting(p, weaker[i]), "noplaintext"))
            check_say_remedy(p->check, CHECK_WARNING, POSTFIX_AREA, postfix_set(weaker[i], "noplaintext, noanonymous"),
                             "%s is '%s': a token could go %s", postfix_names[weaker[i]], postfix_setting(p, weaker[i]),
                             weaker[i] == PLAIN_OPTIONS ? "over a connection without TLS"
                                                        : "to a server whose certificate is not its own");
}

static void look_at_recipe(struct postfix *p)
{
    if (strcmp(postfix_setting(p, AUTH_ENABLE), "yes") != 0)
        check_say_remedy(p->check, CHECK_PROBLEM, POSTFIX_AREA, postfix_set(AUTH_ENABLE, "yes"),
                         "smtp_sasl_auth_enable is '%s': Postfix never logs in", postfix_setting(p, AUTH_ENABLE));
    look_at_filter(p);
    look_at_tls(p);
    look_at_options(p);
    if (postfix_is_set(postfix_setting(p, AUTH_CACHE)))
        check_say_remedy(
            p->check, CHECK_PROBLEM, POSTFIX_AREA, postfix_set(AUTH_CACHE, ""),
            "smtp_sasl_auth_cache_name is set: one refusal is remembered, for user name and password never change");
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
        check_say_remedy(p->check, CHECK_WARNING, POSTFIX_AREA, postfix_set(DEBUG_PEERS, ""),
                         "debug_peer_list is '%s': conversations with these are logged, tokens included",
                         p->values[DEBUG_PEERS]);
}

/* ------------------------------------------------------------------ the area */

/* Whether this Postfix is to use us at all: one that only receives is none of our business. */
static bool is_ours(const struct postfix *p)
{
    for (size_t i = 0; i < p->service_count; i++) {
        char *enabled = postfix_option(&p->services[i], postfix_names[AUTH_ENABLE]);
        bool found = enabled != NULL && strcmp(enabled, "yes") == 0;

        free(enabled);
        if (found)
            return true;
    }
    return strcmp(p->values[AUTH_ENABLE], "yes") == 0 || postfix_is_set(p->values[PASSWORD_MAPS]);
}

static void hide(const struct postfix *p)
{
    char *host = postfix_bare_host(p->values[RELAYHOST]);

    if (postfix_is_set(host) && strchr(host, '.') == NULL)
        report_hide(p->check->report, "host", host);
    free(host);
}

static void look_at_it(struct postfix *p)
{
    bool knows_users;

    check_say(p->check, CHECK_OK, POSTFIX_AREA, NULL, "Postfix %s, configured in '%s'", p->values[MAIL_VERSION],
              p->values[CONFIG_DIRECTORY]);
    postfix_look_at_conf(p);
    look_at_recipe(p);
    knows_users = postfix_look_at_users(p);
    p->check->postfix_logs_in = knows_users && strcmp(postfix_setting(p, AUTH_ENABLE), "yes") == 0;
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
    else
        look_at_it(&p);
    postfix_clear(&p);
}
