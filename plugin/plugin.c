/* plugin.c - the one function that libsasl2 finds in libsaslbearer.so.
 *
 * libsasl2 loads every plugin in its directory into every program that initialises it, and calls this once for each directory
 * that holds us.  Where nothing is configured we register nothing and cost next to nothing.
 */
#include "credential/context.h"
#include "credential/places.h"
#include "plugin/mechanism.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

int sasl_client_plug_init(const sasl_utils_t *utils, int max_version, int *out_version, sasl_client_plug_t **pluglist,
                          int *plugcount) __attribute__((visibility("default")));

/* One for the process; libsasl2 is initialised by one thread at a time. */
static struct bearer_context *the_context;
static unsigned uses; /* how many mech_free calls are still to come */
static sasl_client_plug_t plugs[BEARER_MECHANISM_COUNT];

static void released(void *context, const sasl_utils_t *utils)
{
    (void)context;
    (void)utils;
    if (uses > 0 && --uses == 0)
        bearer_context_free(&the_context);
}

/* Only what is serious is told outside of a login: most programs never use us. */
static void tell(void *context, enum bearer_log_level level, const char *text)
{
    const sasl_utils_t *utils = context;

    utils->log(utils->conn, level == BEARER_LOG_ERROR ? SASL_LOG_ERR : SASL_LOG_WARN, "%s", text);
}

/* The path on which libsasl2 looks for configuration: sasl_set_path(), SASL_CONF_PATH or its own default. */
static const char *libsasl2_path(const sasl_utils_t *utils)
{
    sasl_callback_ft function = NULL;
    void *context = NULL;
    const char *path = NULL;

    if (utils->getcallback(utils->conn, SASL_CB_GETCONFPATH, &function, &context) != SASL_OK || function == NULL ||
        ((sasl_getpath_t *)(void *)function)(context, &path) != SASL_OK)
        return NULL;
    return path;
}

static const char *program_option(void *context, const char *name)
{
    const sasl_utils_t *utils = context;
    const char *value = NULL;
    unsigned length;

    if (utils->getopt == NULL || utils->getopt(utils->getopt_context, "sasl-bearer", name, &value, &length) != SASL_OK)
        return NULL;
    return value;
}

static int begin(const sasl_utils_t *utils)
{
    void *lent = (void *)(uintptr_t)utils;
    struct bearer_setup setup = {
        .program = program_invocation_short_name,
        .program_option = program_option,
        .program_option_context = lent,
        .log = { tell, lent },
    };
    char *system_path = bearer_system_config_path(libsasl2_path(utils));
    char *user_directory = bearer_user_config_directory();
    enum bearer_status st = BEARER_NOMEM;

    if (system_path != NULL) {
        setup.places.system_path = system_path;
        setup.places.user_directory = user_directory;
        st = bearer_context_new(&setup, &the_context, NULL);
    }
    free(system_path);
    free(user_directory);
    return bearer_status_row(st)->sasl_code;
}

/* Registers XOAUTH2 and OAUTHBEARER, or nothing: in a program that runs with more rights than its user (whose environment and
 * files we must not follow), and where no sasl.conf says anything.  Both are SASL_OK, for an error would be logged by every
 * program.  SASL_BADVERS: libsasl2 is too old.  SASL_NOMEM. */
int sasl_client_plug_init(const sasl_utils_t *utils, int max_version, int *out_version, sasl_client_plug_t **pluglist,
                          int *plugcount)
{
    int result;

    if (max_version < SASL_CLIENT_PLUG_VERSION)
        return SASL_BADVERS;
    *out_version = SASL_CLIENT_PLUG_VERSION;
    *pluglist = plugs;
    *plugcount = 0;
    if (getauxval(AT_SECURE) != 0)
        return SASL_OK;
    if (the_context == NULL && (result = begin(utils)) != SASL_OK)
        return result;
    if (!bearer_context_is_configured(the_context)) {
        if (uses == 0)
            bearer_context_free(&the_context);
        return SASL_OK;
    }
    if (uses == 0)
        bearer_mechanisms(the_context, released, plugs);
    uses += BEARER_MECHANISM_COUNT;
    *plugcount = BEARER_MECHANISM_COUNT;
    return SASL_OK;
}
