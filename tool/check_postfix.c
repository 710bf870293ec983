/* check_postfix.c - Postfix against the recipe of doc/postfix.md, if it is installed: settings, sasl_passwd, chroot,
 * environment.
 *
 * Which instance: the default one, or MAIL_CONFIG's, as Postfix' own commands have it. */
#include "credential/text.h"
#include "tool/check.h"
#include "tool/check_probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AREA         "postfix"
#define SERVICES_MAX 32

enum parameter {
    MAIL_VERSION,
    CONFIG_DIRECTORY,
    QUEUE_DIRECTORY,
    CYRUS_CONFIG_PATH,
    IMPORT_ENVIRONMENT,
    COMPATIBILITY_LEVEL,
    RELAYHOST,
    SENDER_RELAYS,
    SENDER_TRANSPORTS,
    SENDER_AUTHENTICATION,
    DEBUG_PEERS,
    AUTH_ENABLE,
    PASSWORD_MAPS,
    MECHANISM_FILTER,
    TLS_LEVEL,
    TLS_CA_FILE,
    TLS_CA_PATH,
    PLAIN_OPTIONS,
    TLS_OPTIONS,
    VERIFIED_OPTIONS,
    AUTH_CACHE,
    PARAMETER_COUNT
};

static const char *const parameter_names[PARAMETER_COUNT] = {
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
};

/* A line of master.cf whose program is smtp(8) or lmtp(8). */
struct service {
    char *name;
    char *arguments; /* "" = none */
    bool jailed;
};

struct postfix {
    struct check *check;
    char *postconf;
    char *values[PARAMETER_COUNT];
    struct service services[SERVICES_MAX];
    size_t service_count;
    const struct service *service;  /* the one that our mail takes */
    char *options[PARAMETER_COUNT]; /* what that one's -o sets instead, or NULL */
};

/* ------------------------------------------------------------------ asking Postfix */

static bool is_set(const char *value)
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
            if (strcmp(line, parameter_names[i]) == 0 && p->values[i] == NULL)
                p->values[i] = strdup(equals + 2 + strspn(equals + 2, " "));
    }
}

/* -x fills in other parameters' values; older versions do not know it. */
static void ask_values(struct postfix *p)
{
    char names[1024] = "";

    for (int i = 0; i < PARAMETER_COUNT; i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), " %s", parameter_names[i]);
    for (int i = 0; i < 2; i++) {
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

    if (p->service_count == SERVICES_MAX ||
        sscanf(line, "%127s %31s %*s %*s %7s %*s %*s %63s%n", name, type, jail, program, &arguments) != 4 ||
        strcmp(type, "unix") != 0 || (strcmp(program, "smtp") != 0 && strcmp(program, "lmtp") != 0))
        return;
    p->services[p->service_count++] = (struct service){
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

/* Gives what `-o NAME=VALUE`, also written `-o { NAME = VALUE }`, sets for a service, or NULL.  Free it. */
static char *option_of(const struct service *service, const char *name)
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
        char *filter = option_of(&p->services[i], parameter_names[MECHANISM_FILTER]);

        if (filter != NULL || (p->service == NULL && strcmp(p->services[i].name, "smtp") == 0))
            p->service = &p->services[i];
        free(filter);
    }
    for (int i = 0; i < PARAMETER_COUNT && p->service != NULL; i++)
        p->options[i] = option_of(p->service, parameter_names[i]);
}

/* Lends what counts for our mail. */
static const char *setting(const struct postfix *p, enum parameter parameter)
{
    return p->options[parameter] != NULL ? p->options[parameter] : p->values[parameter];
}

static void postfix_clear(struct postfix *p)
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

/* ------------------------------------------------------------------ saying */

/* What to put into main.cf. */
static char *set_it(enum parameter parameter, const char *value)
{
    return bearer_text_format("run postconf -e '%s = %s', then postfix reload", parameter_names[parameter], value);
}

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

/* ------------------------------------------------------------------ the recipe */

static bool is_one_of(const char *value, const char *words)
{
    return is_set(value) && bearer_text_has_word(words, value);
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
    const char *filter = setting(p, MECHANISM_FILTER);

    if (!is_set(filter))
        check_say_remedy(
            p->check, CHECK_WARNING, AREA, set_it(MECHANISM_FILTER, "xoauth2"),
            "smtp_sasl_mechanism_filter is not set: were the plugin missing, Postfix would log in with an empty password");
    else if (excludes_us(filter))
        check_say_remedy(p->check, CHECK_PROBLEM, AREA, set_it(MECHANISM_FILTER, "xoauth2"),
                         "smtp_sasl_mechanism_filter is '%s', which leaves out XOAUTH2", filter);
    else
        check_say(p->check, CHECK_OK, AREA, NULL, "smtp_sasl_mechanism_filter is '%s'", filter);
}

/* Levels at which a connection counts as verified, and those that may be. */
#define VERIFIED_LEVELS "secure verify fingerprint dane-only"

static void look_at_tls(struct postfix *p)
{
    const char *level = setting(p, TLS_LEVEL);
    bool verified = is_one_of(level, VERIFIED_LEVELS);

    if (verified)
        check_say(p->check, CHECK_OK, AREA, NULL, "smtp_tls_security_level is '%s'", level);
    else
        check_say_remedy(p->check, CHECK_PROBLEM, AREA, set_it(TLS_LEVEL, "secure"),
                         "smtp_tls_security_level is '%s': a server need not show that it is the one that is meant", level);
    if (is_one_of(level, "secure verify") && !is_set(setting(p, TLS_CA_FILE)) && !is_set(setting(p, TLS_CA_PATH)))
        check_say_remedy(p->check, CHECK_PROBLEM, AREA, set_it(TLS_CA_FILE, CA_FILE),
                         "neither smtp_tls_CAfile nor smtp_tls_CApath is set: no server's certificate can be verified");
    else if (is_set(setting(p, TLS_CA_FILE)) && access(setting(p, TLS_CA_FILE), R_OK) != 0)
        check_say_remedy(p->check, CHECK_PROBLEM, AREA, set_it(TLS_CA_FILE, CA_FILE),
                         "smtp_tls_CAfile: cannot read '%s': %s", setting(p, TLS_CA_FILE), strerror(errno));
}

/* A bearer token is a replayable secret, so to SASL our mechanisms are plain text. */
static void look_at_options(struct postfix *p)
{
    static const enum parameter weaker[] = { PLAIN_OPTIONS, TLS_OPTIONS };
    const char *options = setting(p, VERIFIED_OPTIONS);

    if (list_has(options, "noplaintext"))
        check_say_remedy(
            p->check, CHECK_PROBLEM, AREA, set_it(VERIFIED_OPTIONS, "noanonymous"),
            "smtp_sasl_tls_verified_security_options is '%s': noplaintext keeps Postfix from using any bearer token",
            options);
    else
        check_say(p->check, CHECK_OK, AREA, NULL, "smtp_sasl_tls_verified_security_options is '%s'", options);
    for (size_t i = 0; i < sizeof weaker / sizeof weaker[0]; i++)
        if (!list_has(setting(p, weaker[i]), "noplaintext"))
            check_say_remedy(p->check, CHECK_WARNING, AREA, set_it(weaker[i], "noplaintext, noanonymous"),
                             "%s is '%s': a token could go %s", parameter_names[weaker[i]], setting(p, weaker[i]),
                             weaker[i] == PLAIN_OPTIONS ? "over a connection without TLS"
                                                        : "to a server whose certificate is not its own");
}

static void look_at_recipe(struct postfix *p)
{
    if (strcmp(setting(p, AUTH_ENABLE), "yes") != 0)
        check_say_remedy(p->check, CHECK_PROBLEM, AREA, set_it(AUTH_ENABLE, "yes"),
                         "smtp_sasl_auth_enable is '%s': Postfix never logs in", setting(p, AUTH_ENABLE));
    look_at_filter(p);
    look_at_tls(p);
    look_at_options(p);
    if (is_set(setting(p, AUTH_CACHE)))
        check_say_remedy(
            p->check, CHECK_PROBLEM, AREA, set_it(AUTH_CACHE, ""),
            "smtp_sasl_auth_cache_name is set: one refusal is remembered, for user name and password never change");
}

/* ------------------------------------------------------------------ sasl_passwd */

/* Gives the user name that a map has for a key, and whether there is a password behind it; NULL if it has none, or cannot be
 * asked. Free it. */
static char *ask_map(const char *map, const char *key, bool *password_out)
{
    struct bearer_secret entry = BEARER_SECRET_INIT;
    char *postmap = probe_find("postmap"), *user = NULL;
    const char *text;

    if (postmap != NULL && probe_run_secret(&entry, "%s -q %s %s", postmap, key, map)) {
        text = bearer_secret_reveal(&entry);
        user = strndup(text, strcspn(text, ":\n"));
        *password_out = text[strcspn(text, ":\n")] == ':' && strcspn(strchr(text, ':') + 1, "\n") > 0;
    }
    bearer_secret_clear(&entry);
    free(postmap);
    return user;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* hash:FILE reads FILE.db, which postmap(1) makes. */
static void look_at_map(struct postfix *p, const char *map)
{
    const char *file = strchr(map, ':') != NULL ? strchr(map, ':') + 1 : map;
    char *index = bearer_text_format("%s%s", file, begins(map, "lmdb:") ? ".lmdb" : ".db");
    struct stat source, made;

    if (index != NULL && (begins(map, "hash:") || begins(map, "btree:") || begins(map, "lmdb:"))) {
        if (stat(index, &made) != 0)
            check_say_remedy(p->check, CHECK_PROBLEM, AREA, bearer_text_format("run postmap %s", map),
                             "cannot look at '%s': %s", index, strerror(errno));
        else if (stat(file, &source) == 0 && source.st_mtime > made.st_mtime)
            check_say_remedy(p->check, CHECK_WARNING, AREA, bearer_text_format("run postmap %s", map),
                             "'%s' is newer than '%s'", file, index);
    }
    if (*file == '/' && stat(file, &source) == 0 && (source.st_mode & (S_IWGRP | S_IWOTH)))
        check_say_remedy(p->check, CHECK_PROBLEM, AREA, bearer_text_format("run chmod go-w '%s'", file),
                         "'%s' can be written by others than its owner", file);
    free(index);
}

/* The mail server without brackets and port. */
static char *bare_host(const char *relay)
{
    const char *host = *relay == '[' ? relay + 1 : relay;

    return strndup(host, strcspn(host, *relay == '[' ? "]" : ":"));
}

/* As smtp(8) looks it up: by the whole next hop, or by the host's name. */
static char *find_user(struct postfix *p, const char *relay, bool *password_out)
{
    char *maps = strdup(setting(p, PASSWORD_MAPS)), *rest = maps, *host = bare_host(relay), *user = NULL;

    for (const char *map; rest != NULL && user == NULL && (map = strsep(&rest, ", \t")) != NULL;) {
        if (*map == '\0')
            continue;
        user = ask_map(map, relay, password_out);
        if (user == NULL && host != NULL)
            user = ask_map(map, host, password_out);
    }
    free(host);
    free(maps);
    return user;
}

static void look_at_user(struct postfix *p, const char *relay, const char *user, bool password)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    const struct bearer_account *account;
    struct bearer_holder *holder;
    char *host;

    report_hide(p->check->report, "user", user);
    if (bearer_context_find(p->check->context, user, &holder, &err) != BEARER_OK) {
        check_say(p->check, CHECK_PROBLEM, AREA, NULL, "Postfix logs in to %s as '%s', but %s", relay, user, err.text);
        return;
    }
    account = bearer_holder_account(holder);
    check_say(p->check, CHECK_OK, AREA, NULL, "Postfix logs in to %s as '%s', which section [%s] covers", relay, user,
              account->section);
    if (password && !(account->provider->flags & BEARER_WANTS_PASSWORD))
        check_say(p->check, CHECK_WARNING, AREA, "take the password out of it, leave the colon",
                  "smtp_sasl_password_maps has a password for %s, which nobody uses", user);
    else if (!password && (account->provider->flags & BEARER_WANTS_PASSWORD))
        check_say(p->check, CHECK_PROBLEM, AREA, "put the token, or its file's path, behind the colon",
                  "smtp_sasl_password_maps has no password for %s, which provider %s takes the token from", user,
                  account->provider_name);
    host = bare_host(relay);
    if (host != NULL && bearer_account_may_go_to(account, host, &err) != BEARER_OK)
        check_say(p->check, CHECK_PROBLEM, AREA, NULL, "%s", err.text); /* which names the line to add */
    free(host);
}

/* Why Postfix cannot be asked whom it logs in as, or NULL. */
static const char *cannot_ask(const struct postfix *p)
{
    const char *relay = p->values[RELAYHOST], *maps = setting(p, PASSWORD_MAPS);
    const char *file = strchr(maps, '/');
    char *path = file != NULL ? strndup(file, strcspn(file, ", \t")) : NULL;
    bool forbidden = path != NULL && access(path, R_OK) != 0 && errno == EACCES;

    free(path);
    if (!is_set(relay))
        return "relayhost is not set";
    if (strpbrk(maps, "{}") != NULL || strpbrk(relay, " \t,") != NULL)
        return "smtp_sasl_password_maps or relayhost are written in a way that is not understood here";
    return forbidden ? "this user may not read smtp_sasl_password_maps" : NULL;
}

static void look_at_maps(struct postfix *p)
{
    char *words = strdup(setting(p, PASSWORD_MAPS)), *rest = words;

    for (const char *map; rest != NULL && (map = strsep(&rest, ", \t")) != NULL;)
        if (*map != '\0')
            look_at_map(p, map);
    free(words);
}

static void look_at_relay(struct postfix *p)
{
    const char *relay = p->values[RELAYHOST], *why;
    bool password = false;
    char *user;

    if (!is_set(setting(p, PASSWORD_MAPS))) {
        check_say_remedy(p->check, CHECK_PROBLEM, AREA, set_it(PASSWORD_MAPS, "hash:/etc/postfix/sasl_passwd"),
                         "smtp_sasl_password_maps is not set: Postfix does not know whom to log in as");
        return;
    }
    if ((why = cannot_ask(p)) != NULL) {
        check_say(p->check, CHECK_SKIPPED, AREA, NULL, "whom Postfix logs in as cannot be told: %s", why);
        return;
    }
    look_at_maps(p);
    user = find_user(p, relay, &password);
    if (user == NULL || *user == '\0')
        check_say_remedy(p->check, strcmp(setting(p, SENDER_AUTHENTICATION), "yes") == 0 ? CHECK_WARNING : CHECK_PROBLEM,
                         AREA, bearer_text_format("add the line '%s USER:', the mailbox and an empty password", relay),
                         "smtp_sasl_password_maps has nothing for '%s'", relay);
    else
        look_at_user(p, relay, user, password);
    free(user);
}

/* ------------------------------------------------------------------ what shows tokens */

static void look_at_verbosity(struct postfix *p)
{
    for (size_t i = 0; i < p->service_count; i++) {
        const char *word, *cursor = p->services[i].arguments;
        size_t length;

        while (bearer_text_word(&cursor, &word, &length))
            if (length >= 2 && word[0] == '-' && strspn(word + 1, "v") == length - 1)
                check_say_remedy(p->check, CHECK_PROBLEM, AREA,
                                 bearer_text_format("take -v out of the line '%s' of master.cf, then run postfix reload",
                                                    p->services[i].name),
                                 "the service %s logs whole conversations, tokens included", p->services[i].name);
    }
    if (is_set(p->values[DEBUG_PEERS]))
        check_say_remedy(p->check, CHECK_WARNING, AREA, set_it(DEBUG_PEERS, ""),
                         "debug_peer_list is '%s': conversations with these are logged, tokens included",
                         p->values[DEBUG_PEERS]);
}

/* ------------------------------------------------------------------ the jail */

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;

    if (file == NULL)
        return NULL;
    if (getdelim(&text, &size, '\0', file) < 0 && text != NULL)
        *text = '\0';
    fclose(file);
    return text != NULL ? text : strdup("");
}

/* The jail has copies of what names are looked up with; they grow old. */
static void look_at_copy(struct postfix *p, const char *name)
{
    char original[64], *copy = bearer_text_format("%s/etc/%s", p->values[QUEUE_DIRECTORY], name), *outside, *inside;
    int error;

    snprintf(original, sizeof original, "/etc/%s", name);
    if (copy == NULL)
        return;
    outside = read_file(original);
    inside = read_file(copy);
    error = errno;
    if (outside == NULL)
        ; /* works without, inside as well */
    else if (inside == NULL && error == EACCES)
        check_say(p->check, CHECK_SKIPPED, AREA, NULL, "this user may not look into the jail, '%s'",
                  p->values[QUEUE_DIRECTORY]);
    else if (inside == NULL)
        check_say_remedy(p->check, strcmp(name, "resolv.conf") == 0 ? CHECK_PROBLEM : CHECK_WARNING, AREA,
                         bearer_text_format("run cp -L '%s' '%s', then postfix reload", original, copy),
                         "'%s' is missing in the jail, so names may not be found there", copy);
    else if (strcmp(outside, inside) != 0)
        check_say_remedy(p->check, CHECK_WARNING, AREA,
                         bearer_text_format("run cp -L '%s' '%s', then postfix reload", original, copy),
                         "'%s' in the jail differs from '%s'", copy, original);
    free(outside);
    free(inside);
    free(copy);
}

static void look_at_jail(struct postfix *p)
{
    static const char *const names[] = { "resolv.conf", "hosts", "services", "nsswitch.conf" };
    const struct bearer_config_value *programs =
        &bearer_context_config(p->check->context)->levels[BEARER_LEVEL_SYSTEM].top.values[OPT_JAILED_PROGRAMS];

    if (p->service == NULL || !p->service->jailed) {
        check_say(p->check, CHECK_OK, AREA, NULL, "smtp(8) works outside of a chroot jail");
        return;
    }
    check_say(p->check, CHECK_OK, AREA, NULL, "smtp(8) works in the chroot jail '%s'", p->values[QUEUE_DIRECTORY]);
    if (programs->text != NULL && !bearer_text_has_word(programs->text, "smtp"))
        check_say(p->check, CHECK_PROBLEM, AREA, "add smtp to it, or take the line out",
                  "%s:%u: oauth2_jailed_programs leaves out smtp, which then finds no token in its jail",
                  programs->file->path, programs->line);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        look_at_copy(p, names[i]);
}

/* ------------------------------------------------------------------ which sasl.conf */

/* Gives what import_environment sets a variable to: "NAME=VALUE", also in braces.  Free it. */
static char *imported(const struct postfix *p, const char *name)
{
    size_t length = strlen(name);

    for (const char *at = p->values[IMPORT_ENVIRONMENT]; (at = strstr(at, name)) != NULL; at += length)
        if (at[length] == '=' && (at == p->values[IMPORT_ENVIRONMENT] || strchr(" ,{", at[-1]) != NULL))
            return strndup(at + length + 1, strcspn(at + length + 1, " ,}"));
    return NULL;
}

/* Gives the first sasl.conf on a path, or NULL; there may be its drop-ins only.  Free it. */
static char *find_conf(const char *path)
{
    char *copy = strdup(path), *rest = copy, *found = NULL;

    for (const char *directory; rest != NULL && found == NULL && (directory = strsep(&rest, ":")) != NULL;) {
        char *drop_ins = bearer_text_format("%s/sasl.conf.d", directory);

        found = *directory == '/' ? bearer_text_format("%s/sasl.conf", directory) : NULL;
        if (found != NULL && drop_ins != NULL && access(found, F_OK) != 0 && access(drop_ins, F_OK) != 0) {
            free(found);
            found = NULL;
        }
        free(drop_ins);
    }
    free(copy);
    return found;
}

/* The path on which smtp(8) looks: what it is given, then what it was built with (Debian's begins with its own directory).
 */
static char *postfix_path(const struct postfix *p)
{
    char *wanted = imported(p, "SASL_CONF_PATH"), *path;
    const char *own = p->values[CYRUS_CONFIG_PATH];

    path = bearer_text_format("%s:%s%s:" SYSCONFDIR "/sasl2:/usr/lib/sasl2:/etc/sasl2", wanted != NULL ? wanted : "",
                              is_set(own) ? own : p->values[CONFIG_DIRECTORY], is_set(own) ? "" : "/sasl");
    free(wanted);
    return path;
}

static void look_at_conf(struct postfix *p)
{
    const struct bearer_config_file *ours = bearer_context_config(p->check->context)->levels[BEARER_LEVEL_SYSTEM].files;
    char *path = postfix_path(p), *theirs = path != NULL ? find_conf(path) : NULL;

    if (p->check->arguments->choice->conf != NULL)
        check_say(p->check, CHECK_SKIPPED, AREA, NULL, "Postfix reads %s, not what --conf says",
                  theirs != NULL ? theirs : "no sasl.conf");
    else if (theirs == NULL)
        check_say(p->check, CHECK_PROBLEM, AREA, "put it into " SYSCONFDIR "/sasl2",
                  "Postfix finds no sasl.conf: it looks in '%s'", path != NULL ? path : "");
    else if (ours == NULL)
        check_say(p->check, CHECK_SKIPPED, AREA, NULL, "Postfix reads '%s', which this user does not", theirs);
    else if (strncmp(ours->path, theirs, strlen(theirs)) != 0)
        check_say(p->check, CHECK_PROBLEM, AREA, "have one sasl.conf for all; or say --conf, to look at what Postfix reads",
                  "Postfix reads '%s', this command '%s'", theirs, ours->path);
    else
        check_say(p->check, CHECK_OK, AREA, NULL, "Postfix reads '%s', too", theirs);
    free(theirs);
    free(path);
}

/* master(8) starts its programs with an environment of its own: what completes an account here is missing there. */
static void look_at_environment(struct postfix *p)
{
    static const char *const variables[] = {
        "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST", "IDENTITY_ENDPOINT",
        "SASL_CONF_PATH",  "SASL_PATH"
    };

    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        if (is_set(getenv(variables[i])) && strstr(p->values[IMPORT_ENVIRONMENT], variables[i]) == NULL)
            check_say_remedy(
                p->check, CHECK_WARNING, AREA,
                bearer_text_format("if it is needed, add %s=VALUE to import_environment in main.cf, then restart Postfix",
                                   variables[i]),
                "the environment variable %s is set here, but does not reach Postfix", variables[i]);
}

/* ------------------------------------------------------------------ the area */

/* Whether this Postfix is to use us at all: one that only receives is none of our business. */
static bool is_ours(const struct postfix *p)
{
    for (size_t i = 0; i < p->service_count; i++) {
        char *enabled = option_of(&p->services[i], parameter_names[AUTH_ENABLE]);
        bool found = enabled != NULL && strcmp(enabled, "yes") == 0;

        free(enabled);
        if (found)
            return true;
    }
    return strcmp(p->values[AUTH_ENABLE], "yes") == 0 || is_set(p->values[PASSWORD_MAPS]);
}

static void hide(const struct postfix *p)
{
    char *host = bare_host(p->values[RELAYHOST]);

    if (is_set(host) && strchr(host, '.') == NULL)
        report_hide(p->check->report, "host", host);
    free(host);
}

void check_postfix(struct check *check)
{
    struct postfix p = { .check = check, .postconf = probe_find("postconf") };

    if (p.postconf == NULL) {
        check_say(check, CHECK_SKIPPED, AREA, NULL, "Postfix is not installed");
        return;
    }
    ask_values(&p);
    ask_services(&p);
    choose_service(&p);
    hide(&p);
    if (!is_set(p.values[MAIL_VERSION])) {
        check_say(check, CHECK_SKIPPED, AREA, "see what postconf itself says",
                  "postconf does not tell how Postfix is configured");
    } else if (!is_ours(&p)) {
        check_say(check, CHECK_SKIPPED, AREA, NULL, "Postfix %s does not log in anywhere (smtp_sasl_auth_enable)",
                  p.values[MAIL_VERSION]);
    } else {
        check_say(check, CHECK_OK, AREA, NULL, "Postfix %s, configured in '%s'", p.values[MAIL_VERSION],
                  p.values[CONFIG_DIRECTORY]);
        look_at_conf(&p);
        look_at_recipe(&p);
        look_at_relay(&p);
        look_at_verbosity(&p);
        look_at_jail(&p);
        look_at_environment(&p);
    }
    postfix_clear(&p);
}
