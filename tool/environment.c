/* environment.c - see environment.h */
#include "tool/environment.h"

#include "credential/places.h"

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
    (void)context;
    if (level != BEARER_LOG_NOTE)
        fprintf(stderr, "sasl-bearer: %s\n", text);
}

enum bearer_status environment_open(const struct environment_choice *choice, struct bearer_context **context_out,
                                    struct bearer_error *err)
{
    struct bearer_setup setup = { .log = { tell, NULL } };
    bool system = choice->system || (!choice->user && geteuid() == 0);
    char *sasl_path = libsasl2_path(), *system_path = bearer_system_config_path(sasl_path);
    char *user_directory = system ? NULL : bearer_user_config_directory();
    enum bearer_status st;

    *context_out = NULL;
    setup.places.file = choice->conf;
    setup.places.file_level = system ? BEARER_LEVEL_SYSTEM : BEARER_LEVEL_USER;
    setup.places.system_path = system_path;
    setup.places.user_directory = user_directory;
    st = system_path != NULL ? bearer_context_new(&setup, context_out, err)
                             : bearer_fail(err, BEARER_NOMEM, "out of memory");
    free(sasl_path);
    free(system_path);
    free(user_directory);
    return st;
}
