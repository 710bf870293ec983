/* context.c - see context.h: configuration, accounts, and what is opened when. */
#include "credential/context.h"

#include "credential/holder.h"
#include "credential/places.h"
#include "credential/text.h"
#include "credential/trusted_file.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Behind what was found wrong before the jail, where alone it could be looked at. */
#define MEND_AND_RELOAD "; mend that, then reload this program, which looked when it started (postfix reload)"


void bearer_tell(const struct bearer_log *log, enum bearer_log_level level, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    if (log->function == NULL)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    log->function(log->context, level, text);
}

/* ------------------------------------------------------------------ what the program itself says */

static void ask_program(struct bearer_context *context, const struct bearer_setup *setup)
{
    for (int id = 0; id < OPT_COUNT && setup->program_option != NULL; id++) {
        const struct bearer_option_row *row = bearer_option_row((enum bearer_option_id)id);
        const char *value;

        if (!(row->flags & OPT_COMPLETES))
            continue;
        value = setup->program_option(setup->program_option_context, row->name);
        context->completions[id] = value != NULL ? strdup(value) : NULL;
    }
}

static const char *completion(void *data, const char *name)
{
    const struct bearer_context *context = data;
    const char *nearest;
    enum bearer_option_id id = bearer_option_find(name, &nearest);

    return id < OPT_COUNT ? context->completions[id] : NULL;
}

static void tell_error(const struct bearer_context *context, struct bearer_error *err)
{
    if (err->status != BEARER_OK)
        bearer_tell(&context->log, BEARER_LOG_ERROR, "%s", err->text);
    bearer_error_clear(err);
}

/* ------------------------------------------------------------------ files */

static struct bearer_kept_file *kept_file(struct bearer_context *context, const char *path)
{
    struct bearer_kept_file *file = context->files;

    while (file != NULL && strcmp(file->path, path) != 0)
        file = file->next;
    return file;
}

/* Gives the path of a file: its own, or that of one of systemd's credentials.  Free it. */
static enum bearer_status find_file(const char *name, char **path_out, struct bearer_error *err)
{
    const size_t prefix = strlen(OPT_CREDENTIAL_PREFIX);
    bool is_credential = strncmp(name, OPT_CREDENTIAL_PREFIX, prefix) == 0;

    *path_out = is_credential ? bearer_credential_path(name + prefix) : strdup(name);
    if (*path_out != NULL)
        return BEARER_OK;
    if (!is_credential)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    return bearer_fail(err, BEARER_CONFIG, "'%s' is one of systemd's credentials, and this program was given none: put "
                       "LoadCredential=%s:FILE into its unit", name, name + prefix);
}

static enum bearer_status open_file(const char *name, unsigned rules, int *fd_out, struct bearer_error *err)
{
    char *path;
    enum bearer_status st = find_file(name, &path, err);

    *fd_out = -1;
    if (st == BEARER_OK)
        st = bearer_trusted_open(path, rules, fd_out, NULL, err);
    free(path);
    return st;
}

/* Opens a file and keeps it open, or a copy of it; or remembers why it cannot be, for those who will need it. */
static enum bearer_status open_kept(struct bearer_kept_file *file, unsigned rules, size_t copy_max, struct bearer_error *err)
{
    enum bearer_status st;
    int fd;

    if ((st = open_file(file->path, rules, &fd, err)) != BEARER_OK)
        return st;
    if (copy_max > 0) {
        st = bearer_trusted_read(fd, file->path, copy_max, &file->copy, err);
        close(fd);
        return st;
    }
    if (!bearer_descriptor_keep(&file->descriptor, fd))
        return bearer_fail(err, BEARER_LOCAL, "cannot keep '%s' open: %m", file->path);
    return BEARER_OK;
}

void bearer_context_keep_file(struct bearer_context *context, const char *path, unsigned rules, size_t copy_max)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct bearer_kept_file *file;

    if (path == NULL || kept_file(context, path) != NULL)
        return;
    file = calloc(1, sizeof *file);
    if (file == NULL || (file->path = strdup(path)) == NULL) {
        free(file);
        return; /* whoever needs it is told that it is not open */
    }
    file->descriptor = (struct bearer_descriptor)BEARER_DESCRIPTOR_INIT;
    if (open_kept(file, rules, copy_max, &err) != BEARER_OK)
        file->trouble = strdup(err.text);
    tell_error(context, &err);
    file->next = context->files;
    context->files = file;
}

enum bearer_status bearer_context_read_file(struct bearer_context *context, const char *path, unsigned rules,
                                            size_t maximum, struct bearer_secret *content_out, struct bearer_error *err)
{
    struct bearer_kept_file *file;
    enum bearer_status st;
    int fd;

    if (context->sealed) {
        file = kept_file(context, path);
        if (file == NULL || file->trouble != NULL)
            return bearer_fail(err, BEARER_CONFIG, "%s" MEND_AND_RELOAD, file != NULL ? file->trouble : path);
        if (file->copy.bytes != NULL)
            return bearer_secret_set(content_out, file->copy.bytes, file->copy.length, err);
        if (!bearer_descriptor_valid(&file->descriptor, NULL))
            return bearer_fail(err, BEARER_LOCAL, "the program closed '%s', which it cannot open again: reload it", path);
        return bearer_trusted_read(file->descriptor.fd, path, maximum, content_out, err);
    }
    if ((st = open_file(path, rules, &fd, err)) != BEARER_OK)
        return st;
    st = bearer_trusted_read(fd, path, maximum, content_out, err);
    close(fd);
    return st;
}

/* ------------------------------------------------------------------ providers */

/* Lends what is known of a provider's code, or NULL. */
static const struct bearer_loaded *find_loaded(struct bearer_context *context, const char *name)
{
    const struct bearer_loaded *loaded;

    bearer_guard_lock(&context->guard);
    loaded = context->loaded;
    while (loaded != NULL && strcmp(loaded->name, name) != 0)
        loaded = loaded->next;
    bearer_guard_unlock(&context->guard);
    return loaded;
}

/* Remembers what came of loading it.  Without memory for that it is loaded again next time. */
static void remember_loaded(struct bearer_context *context, const char *name, const struct bearer_provider *provider,
                            const char *trouble)
{
    struct bearer_loaded *loaded = calloc(1, sizeof *loaded);

    if (loaded == NULL || (loaded->name = strdup(name)) == NULL) {
        free(loaded);
        return;
    }
    loaded->provider = provider;
    loaded->trouble = trouble != NULL ? strdup(trouble) : NULL;
    bearer_guard_lock(&context->guard);
    loaded->next = context->loaded;
    context->loaded = loaded;
    bearer_guard_unlock(&context->guard);
}

enum bearer_status bearer_context_provider(struct bearer_context *context, const struct bearer_account *account,
                                           const struct bearer_provider **provider_out, struct bearer_error *err)
{
    const struct bearer_loaded *loaded = find_loaded(context, account->provider_name);
    enum bearer_status st;

    *provider_out = loaded != NULL ? loaded->provider : NULL;
    if (*provider_out != NULL)
        return BEARER_OK;
    if (context->sealed)
        return bearer_fail(err, BEARER_CONFIG, "%s" MEND_AND_RELOAD,
                           loaded != NULL && loaded->trouble != NULL ? loaded->trouble : account->provider_name);
    st = bearer_provider_load(bearer_provider_directory(), account->provider_name, account->provider->flags, provider_out, err);
    if (st == BEARER_OK)
        remember_loaded(context, account->provider_name, *provider_out, NULL);
    return st;
}

/* The same before the jail: a failure is remembered for those who will need it. */
static void load_for_jail(struct bearer_context *context, const struct bearer_account *account, struct bearer_error *err)
{
    const struct bearer_provider *provider;

    if (bearer_context_provider(context, account, &provider, err) != BEARER_OK)
        remember_loaded(context, account->provider_name, NULL, err->text);
    else if (provider->prepare != NULL)
        (void)provider->prepare();
}

/* ------------------------------------------------------------------ keepers */

/* The user's is looked for only once there is an account that needs it: it may ask for the user's home. */
const char *bearer_context_store(struct bearer_context *context, enum bearer_level level)
{
    if (level == BEARER_LEVEL_USER && !context->looked_for_user_store) {
        context->looked_for_user_store = true;
        context->stores[level] = bearer_user_store();
    }
    return context->stores[level];
}

static const char *store_directory(struct bearer_context *context, const struct bearer_account *account)
{
    const char *wanted = account->values[OPT_TOKEN_STORE];

    if (account->provider->flags & BEARER_WANTS_PASSWORD)
        return NULL;
    if (wanted != NULL)
        return strcmp(wanted, "none") != 0 ? wanted : NULL;
    return bearer_context_store(context, account->level);
}

static struct bearer_keeper *keeper_new(char *path)
{
    struct bearer_keeper *keeper = calloc(1, sizeof *keeper);

    if (keeper == NULL)
        return NULL;
    keeper->path = path;
    keeper->memory = (struct bearer_token)BEARER_TOKEN_INIT;
    return keeper;
}

/* The keeper for an account; without a path it is the account's own. */
static enum bearer_status find_keeper(struct bearer_context *context, const struct bearer_account *account,
                                      struct bearer_keeper **keeper_out, struct bearer_error *err)
{
    const char *directory = store_directory(context, account);
    char *path = directory != NULL ? bearer_store_path(directory, account->provider_name, account->key) : NULL;
    struct bearer_keeper *keeper = NULL;

    if (directory != NULL && path == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    for (struct bearer_keeper *k = context->keepers; k != NULL && path != NULL && keeper == NULL; k = k->next)
        if (k->path != NULL && strcmp(k->path, path) == 0)
            keeper = k;
    if (keeper == NULL) {
        keeper = keeper_new(path);
        path = NULL; /* taken */
        if (keeper == NULL)
            return bearer_fail(err, BEARER_NOMEM, "out of memory");
        keeper->next = context->keepers;
        context->keepers = keeper;
    }
    free(path);
    *keeper_out = keeper;
    return BEARER_OK;
}

/* A directory of tokens is made for whoever owns the place: root the system's, users their own. */
static void make_store_directory(struct bearer_context *context, const struct bearer_account *account)
{
    const char *directory = store_directory(context, account);

    if (directory != NULL && (geteuid() == 0 || account->level == BEARER_LEVEL_USER))
        (void)bearer_store_make_directory(directory, NULL);
}

enum bearer_status bearer_keeper_open(struct bearer_context *context, struct bearer_keeper *keeper,
                                      const struct bearer_account *account, bool create, struct bearer_error *err)
{
    struct bearer_error why = BEARER_ERROR_INIT;
    enum bearer_status st;

    if (keeper->store != NULL || keeper->path == NULL)
        return BEARER_OK;
    if (context->sealed && keeper->trouble[0] == '\0')
        return bearer_fail(err, BEARER_SIGN_IN,
                           "token file '%s' was not there when this program started: run sasl-bearer login %s, then reload "
                           "the program (postfix reload)",
                           keeper->path, account->name);
    if (context->sealed)
        return bearer_fail(err, BEARER_LOCAL, "%s", keeper->trouble);
    if (create)
        make_store_directory(context, account);
    st = bearer_store_open(keeper->path, create ? BEARER_STORE_CREATE : 0, &keeper->store, &why);
    keeper->trouble[0] = '\0';
    if (st != BEARER_OK) {
        snprintf(keeper->trouble, sizeof keeper->trouble, "%s", why.text);
        return bearer_fail(err, st, "%s", why.text);
    }
    return BEARER_OK;
}

/* ------------------------------------------------------------------ holders */

static enum bearer_status add_holder(struct bearer_context *context, const char *user, struct bearer_account **account,
                                     struct bearer_holder **holder_out, struct bearer_error *err)
{
    struct bearer_holder *holder = calloc(1, sizeof *holder);
    enum bearer_status st = BEARER_NOMEM;

    if (holder == NULL || (holder->user = strdup(user)) == NULL)
        st = bearer_fail(err, BEARER_NOMEM, "out of memory");
    else
        st = find_keeper(context, *account, &holder->keeper, err);
    if (st != BEARER_OK) {
        if (holder != NULL)
            free(holder->user);
        free(holder);
        bearer_account_free(account);
        return st;
    }
    holder->account = *account;
    *account = NULL; /* taken */
    holder->next = context->holders;
    context->holders = holder; /* whole: others may be looking */
    *holder_out = holder;
    return BEARER_OK;
}

static struct bearer_holder *known_holder(struct bearer_context *context, const char *user)
{
    struct bearer_holder *holder = context->holders;

    while (holder != NULL && strcmp(holder->user, user) != 0)
        holder = holder->next;
    return holder;
}

static enum bearer_status find_locked(struct bearer_context *context, const char *name, struct bearer_holder **holder_out,
                                      struct bearer_error *err)
{
    struct bearer_account *account;
    enum bearer_status st;

    *holder_out = known_holder(context, name);
    if (*holder_out != NULL)
        return BEARER_OK;
    st = bearer_account_find(context->config, name, completion, context, &account, err);
    return st == BEARER_OK ? add_holder(context, name, &account, holder_out, err) : st;
}

enum bearer_status bearer_context_find(struct bearer_context *context, const char *user,
                                       struct bearer_holder **holder_out, struct bearer_error *err)
{
    char *name = bearer_text_lower(user);
    enum bearer_status st = BEARER_OK;

    *holder_out = NULL;
    if (name == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    *holder_out = known_holder(context, name);
    if (*holder_out == NULL) {
        bearer_guard_lock(&context->guard);
        st = find_locked(context, name, holder_out, err);
        bearer_guard_unlock(&context->guard);
    }
    free(name);
    return st;
}

enum bearer_status bearer_context_find_section(struct bearer_context *context, const struct bearer_section *section,
                                               struct bearer_holder **holder_out, struct bearer_error *err)
{
    struct bearer_account *account;
    enum bearer_status st;
    char *user;

    *holder_out = NULL;
    st = bearer_account_of_section(context->config, section, completion, context, &account, err);
    if (st != BEARER_OK)
        return st;
    user = bearer_text_format("[%s]", account->section);
    if (user == NULL) {
        bearer_account_free(&account);
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    }
    bearer_guard_lock(&context->guard);
    *holder_out = known_holder(context, user);
    if (*holder_out != NULL && (*holder_out)->account->level == account->level)
        bearer_account_free(&account);
    else
        st = add_holder(context, user, &account, holder_out, err);
    bearer_guard_unlock(&context->guard);
    free(user);
    return st;
}

const struct bearer_account *bearer_holder_account(const struct bearer_holder *holder)
{
    return holder->account;
}

const char *bearer_holder_path(const struct bearer_holder *holder)
{
    return holder->keeper->path;
}

/* ------------------------------------------------------------------ before the jail */

static bool is_jailed(const struct bearer_context *context, const char *program)
{
    const struct bearer_config_value *value =
        &context->config->levels[BEARER_LEVEL_SYSTEM].top.values[OPT_JAILED_PROGRAMS];
    const char *names = value->text != NULL ? value->text : bearer_option_row(OPT_JAILED_PROGRAMS)->fallback;

    if (program == NULL || geteuid() != 0)
        return false;
    return bearer_text_has_word(names, program);
}

/* How a jailed program's start goes. */
struct jail {
    struct bearer_context *context;
    unsigned room; /* token files that may still be opened */
    bool full;     /* somebody had to be turned away */
};

/* No descriptor for this one: said once for all of them, and to whoever logs in. */
static void turn_away(struct jail *jail, struct bearer_keeper *keeper)
{
    snprintf(keeper->trouble, sizeof keeper->trouble,
             "token file '%s' is not open in this program, which opens %d at most: use one app_only section for many mailboxes, or "
             "take the program out of oauth2_jailed_programs",
             keeper->path, BEARER_JAIL_TOKENS_MAX);
    if (!jail->full)
        bearer_tell(&jail->context->log, BEARER_LOG_WARNING, "%s", keeper->trouble);
    jail->full = true;
}

/* Opens all that renewing this account's token will need. */
static void open_for_provider(struct bearer_context *context, const struct bearer_account *account)
{
    const char *authorities = account->values[OPT_CA_FILE] != NULL ? account->values[OPT_CA_FILE] : bearer_system_ca_file();
    struct bearer_error err = BEARER_ERROR_INIT;

    bearer_options_keep(context, account);
    if (account->provider->needs & BEARER_NEEDS_AUTHORITIES)
        bearer_context_keep_file(context, authorities, BEARER_FILE_PUBLIC, 0);
    load_for_jail(context, account, &err);
    tell_error(context, &err);
}

/* Opens all that this holder's logins will need.  What cannot be opened is told again when a login needs it. */
static void open_for_jail(void *data, struct bearer_holder *holder, const char *name, const struct bearer_error *why)
{
    struct jail *jail = data;
    struct bearer_context *context = jail->context;
    struct bearer_error err = BEARER_ERROR_INIT;
    const struct bearer_account *account;

    (void)name;
    (void)why; /* a mistake in sasl.conf is told to whom it concerns */
    if (holder == NULL)
        return;
    account = holder->account;
    if (jail->room == 0 && holder->keeper->path != NULL)
        turn_away(jail, holder->keeper);
    else
        (void)bearer_keeper_open(context, holder->keeper, account, !(account->provider->flags & BEARER_PER_IDENTITY), &err);
    if (jail->room > 0 && holder->keeper->store != NULL)
        jail->room--;
    tell_error(context, &err);
    if (bearer_account_jail_obstacle(account) == NULL)
        open_for_provider(context, account);
}

/* From now on no path is opened, even if the program never enters its jail: one behaviour, tested once. */
static void seal(struct bearer_context *context)
{
    struct jail jail = { context, BEARER_JAIL_TOKENS_MAX, false };

    bearer_context_each(context, open_for_jail, &jail);
    context->sealed = true;
    for (struct bearer_keeper *keeper = context->keepers; keeper != NULL; keeper = keeper->next)
        if (keeper->store != NULL)
            bearer_store_seal(keeper->store);
}

/* ------------------------------------------------------------------ beginning and end */

enum bearer_status bearer_context_new(const struct bearer_setup *setup, struct bearer_context **context_out,
                                      struct bearer_error *err)
{
    struct bearer_context *context = calloc(1, sizeof *context);
    enum bearer_status st;

    *context_out = NULL;
    if (context == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    context->log = setup->log;
    context->program = setup->program != NULL ? strdup(setup->program) : NULL;
    if ((st = bearer_config_load(&setup->places, &context->config, err)) != BEARER_OK) {
        bearer_context_free(&context);
        return st;
    }
    ask_program(context, setup);
    context->stores[BEARER_LEVEL_SYSTEM] = strdup(bearer_system_store());
    if (is_jailed(context, setup->program) && bearer_context_is_configured(context))
        seal(context);
    *context_out = context;
    return BEARER_OK;
}

void bearer_context_free(struct bearer_context **context)
{
    if (*context == NULL)
        return;
    for (struct bearer_holder *holder = (*context)->holders, *next; holder != NULL; holder = next) {
        next = holder->next;
        bearer_account_free(&holder->account);
        free(holder->user);
        free(holder);
    }
    for (struct bearer_keeper *keeper = (*context)->keepers, *next; keeper != NULL; keeper = next) {
        next = keeper->next;
        bearer_store_free(&keeper->store);
        bearer_token_clear(&keeper->memory);
        free(keeper->path);
        free(keeper);
    }
    for (struct bearer_kept_file *file = (*context)->files, *next; file != NULL; file = next) {
        next = file->next;
        bearer_descriptor_close(&file->descriptor);
        bearer_secret_clear(&file->copy);
        free(file->path);
        free(file->trouble);
        free(file);
    }
    for (struct bearer_loaded *loaded = (*context)->loaded, *next; loaded != NULL; loaded = next) {
        next = loaded->next;
        free(loaded->name);
        free(loaded->trouble);
        free(loaded);
    }
    for (int id = 0; id < OPT_COUNT; id++)
        free((*context)->completions[id]);
    for (int level = 0; level < BEARER_LEVEL_COUNT; level++)
        free((*context)->stores[level]);
    bearer_config_free(&(*context)->config);
    free((*context)->program);
    free(*context);
    *context = NULL;
    bearer_secret_trim();
}

bool bearer_context_is_configured(struct bearer_context *context)
{
    return bearer_account_any(context->config, completion, context);
}

const struct bearer_config *bearer_context_config(const struct bearer_context *context)
{
    return context->config;
}

void bearer_context_hush(struct bearer_context *context)
{
    context->log.function = NULL;
}
