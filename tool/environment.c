/* environment.c - see environment.h */
#include "tool/environment.h"

#include "credential/places.h"
#include "credential/text.h"

#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* libsasl2 tells its configuration path to plugins alone, so for a moment this program is one. */
static char *configuration_path;

static int probe_init(const sasl_utils_t *utils, int max_version, int *out_version, sasl_client_plug_t **pluglist,
                      int *plugcount)
{
    sasl_callback_ft function = NULL;
    void *context = NULL;
    const char *path = NULL;

    (void)max_version;
    if (utils->getcallback(utils->conn, SASL_CB_GETCONFPATH, &function, &context) == SASL_OK && function != NULL &&
        ((sasl_getpath_t *)(void *)function)(context, &path) == SASL_OK && path != NULL)
        configuration_path = strdup(path);
    *out_version = SASL_CLIENT_PLUG_VERSION;
    *pluglist = NULL;
    *plugcount = 0;
    return SASL_OK;
}

/* Plugins from nowhere: none is wanted here. */
static int no_plugins(void *context, const char **path)
{
    (void)context;
    *path = "/nonexistent";
    return SASL_OK;
}

static char *libsasl2_path(void)
{
    static const sasl_callback_t callbacks[] = {
        { SASL_CB_GETPATH, (sasl_callback_ft)(void *)no_plugins, NULL },
        { SASL_CB_LIST_END, NULL, NULL },
    };
    char *path;

    configuration_path = NULL;
    if (sasl_client_init(callbacks) == SASL_OK) {
        sasl_client_add_plugin("sasl-bearer", probe_init);
        sasl_done();
    }
    path = configuration_path;
    configuration_path = NULL;
    return path;
}

static void tell(void *context, enum bearer_log_level level, const char *text)
{
    const struct environment_choice *choice = context;

    if (level == BEARER_LOG_ERROR || (level == BEARER_LOG_WARNING && !choice->quiet) || choice->verbose)
        fprintf(stderr, "sasl-bearer: %s\n", text);
}

static bool is_system(const struct environment_choice *choice)
{
    return choice->system || (!choice->user && geteuid() == 0);
}

enum bearer_status environment_open(const struct environment_choice *choice, struct bearer_context **context_out,
                                    struct bearer_error *err)
{
    struct bearer_setup setup = { .log = { tell, (void *)(uintptr_t)choice } };
    bool system = is_system(choice);
    char *sasl_path = libsasl2_path(), *system_path = bearer_system_config_path(sasl_path);
    char *user_directory = system ? NULL : bearer_user_config_directory();
    enum bearer_status st;

    *context_out = NULL;
    setup.places.file = choice->conf;
    setup.places.file_level = system ? BEARER_LEVEL_SYSTEM : BEARER_LEVEL_USER;
    setup.places.system_path = system_path;
    setup.places.user_directory = user_directory;
    st =
        system_path != NULL ? bearer_context_new(&setup, context_out, err) : bearer_fail(err, BEARER_NOMEM, "out of memory");
    free(sasl_path);
    free(system_path);
    free(user_directory);
    return st;
}

/* ------------------------------------------------------------------ what the plugin finds */

/* Cuts the last part off an absolute path and lends it. */
static const char *cut_name(char *path)
{
    char *slash = strrchr(path, '/');

    *slash = '\0';
    return slash + 1;
}

/* The plugin finds a system's sasl.conf in any directory, a user's in one called sasl2.  Taken for the other's, it would
 * have its tokens elsewhere. */
static enum bearer_status pass_on_file(const char *conf, bool system, struct bearer_error *err)
{
    char *path = realpath(conf, NULL);
    enum bearer_status st = BEARER_OK;

    if (path == NULL)
        return bearer_fail(err, BEARER_CONFIG, "cannot find '%s': %m", conf);
    if (strcmp(cut_name(path), "sasl.conf") != 0)
        st = bearer_fail(err, BEARER_USAGE,
                         "the plugin reads a file called sasl.conf, never '%s': put it into a directory of its own under "
                         "that name",
                         conf);
    else if (system)
        setenv("SASL_CONF_PATH", *path != '\0' ? path : "/", 1);
    else if (*path != '\0' && strcmp(cut_name(path), "sasl2") == 0)
        setenv("XDG_CONFIG_HOME", *path != '\0' ? path : "/", 1);
    else
        st = bearer_fail(err, BEARER_USAGE,
                         "the plugin reads a user's sasl.conf in a directory called sasl2, never '%s': put it into one",
                         conf);
    free(path);
    return st;
}

enum bearer_status environment_pass_on(const struct environment_choice *choice, struct bearer_error *err)
{
    bool system = is_system(choice);

    if (choice->system || (choice->conf != NULL && system))
        setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    return choice->conf != NULL ? pass_on_file(choice->conf, system, err) : BEARER_OK;
}

/* ------------------------------------------------------------------ the file that is changed */

static bool holds(const char *directory, size_t length, const char *name)
{
    char *path = bearer_text_format("%.*s/%s", (int)length, directory, name);
    bool found = path != NULL && access(path, F_OK) == 0;

    free(path);
    return found;
}

/* The first directory that is read; where there is none yet, the one that was asked for, else our own. */
static char *system_conf_file(void)
{
    const char *wanted = secure_getenv("SASL_CONF_PATH");
    char *sasl_path = libsasl2_path(), *path = bearer_system_config_path(sasl_path), *file = NULL;
    size_t length;

    for (const char *directory = path; directory != NULL && file == NULL && *directory != '\0';
         directory += length + (directory[length] == ':')) {
        length = strcspn(directory, ":");
        if (*directory == '/' && (holds(directory, length, "sasl.conf") || holds(directory, length, "sasl.conf.d")))
            file = bearer_text_format("%.*s/sasl.conf", (int)length, directory);
    }
    if (file == NULL && path != NULL)
        file = wanted != NULL && *wanted == '/' ? bearer_text_format("%.*s/sasl.conf", (int)strcspn(wanted, ":"), wanted)
                                                : strdup(SYSCONFDIR "/sasl2/sasl.conf");
    free(sasl_path);
    free(path);
    return file;
}

enum bearer_status environment_conf_file(const struct environment_choice *choice, char **path_out,
                                         enum bearer_level *level_out, struct bearer_error *err)
{
    bool system = is_system(choice);
    char *directory = NULL;

    *path_out = NULL;
    *level_out = system ? BEARER_LEVEL_SYSTEM : BEARER_LEVEL_USER;
    if (choice->conf == NULL && !system && (directory = bearer_user_config_directory()) == NULL)
        return bearer_fail(err, BEARER_USAGE, "this user has no sasl.conf of their own: use --system, or --conf FILE");
    if (choice->conf != NULL)
        *path_out = strdup(choice->conf);
    else
        *path_out = system ? system_conf_file() : bearer_text_format("%s/sasl.conf", directory);
    free(directory);
    return *path_out != NULL ? BEARER_OK : bearer_fail(err, BEARER_NOMEM, "out of memory");
}
