/* providers.c - see providers.h */
#include "credential/providers.h"

#include "credential/text.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#define MODULE_PREFIX "module:"

#define ASKS_SERVICE (BEARER_NEEDS_ENDPOINT | BEARER_NEEDS_SCOPE | BEARER_NEEDS_AUTHORITIES)

static const struct bearer_provider_row rows[] = {
    { "delegated", "a person signed in; the refresh token is kept", BEARER_PER_IDENTITY, ASKS_SERVICE, BEARER_FOR_PERSON,
      { OPT_CLIENT_ID, OPT_COUNT } },
    { "app_only", "an application on its own, with its own credential", BEARER_REPEATABLE, ASKS_SERVICE | BEARER_NEEDS_CREDENTIAL,
      BEARER_FOR_APPLICATION, { OPT_CLIENT_ID, OPT_COUNT } },
    { "managed_identity", "the identity that Azure gives this machine", BEARER_REPEATABLE, BEARER_NEEDS_SCOPE,
      BEARER_FOR_APPLICATION, { OPT_COUNT } },
    { "command", "a program prints the access token", BEARER_REPEATABLE, BEARER_NEEDS_FREEDOM, BEARER_FOR_APPLICATION,
      { OPT_TOKEN_COMMAND, OPT_COUNT } },
    { "file", "something else keeps the access token in a file", BEARER_REPEATABLE, BEARER_NEEDS_FREEDOM, BEARER_FOR_APPLICATION,
      { OPT_TOKEN_FILE, OPT_COUNT } },
    { "password_field", "the program's password is the access token, or its file's path", BEARER_REPEATABLE | BEARER_WANTS_PASSWORD,
      BEARER_NEEDS_AUTHORITIES, BEARER_FOR_PERSON, { OPT_COUNT } },
    { MODULE_PREFIX, "a module of your own", 0, BEARER_NEEDS_AUTHORITIES, BEARER_FOR_APPLICATION, { OPT_COUNT } },
};

const struct bearer_provider_row *bearer_provider_row(const char *oauth2_provider)
{
    size_t last = sizeof rows / sizeof rows[0] - 1;

    for (size_t i = 0; i < last; i++)
        if (strcmp(rows[i].name, oauth2_provider) == 0)
            return &rows[i];
    return &rows[last];
}

static const char *module_name(const char *oauth2_provider)
{
    size_t prefix = strlen(MODULE_PREFIX);

    return strncmp(oauth2_provider, MODULE_PREFIX, prefix) == 0 ? oauth2_provider + prefix : oauth2_provider;
}

static enum bearer_status check(const char *path, const struct bearer_provider *provider, unsigned flags,
                                struct bearer_error *err)
{
    if (provider == NULL)
        return bearer_fail(err, BEARER_CONFIG, "'%s' is not a provider: it defines no symbol bearer_provider", path);
    if (provider->abi != BEARER_PROVIDER_ABI)
        return bearer_fail(err, BEARER_CONFIG, "provider '%s' was built for interface %u, this is %u: build it anew", path,
                           provider->abi, BEARER_PROVIDER_ABI);
    if (provider->fetch == NULL)
        return bearer_fail(err, BEARER_CONFIG, "provider '%s' has no function fetch", path);
    if ((provider->flags ^ flags) & ~(unsigned)BEARER_REPEATABLE)
        return bearer_fail(err, BEARER_CONFIG, "provider '%s' has properties 0x%x, only 0x%x can be served", path, provider->flags,
                           flags);
    return BEARER_OK;
}

enum bearer_status bearer_provider_load(const char *directory, const char *oauth2_provider, unsigned flags,
                                        const struct bearer_provider **provider_out, struct bearer_error *err)
{
    char *path = bearer_text_join(directory, "/", module_name(oauth2_provider), ".so", NULL);
    const struct bearer_provider *provider;
    enum bearer_status st;
    void *module;

    *provider_out = NULL;
    if (path == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    /* NODELETE: libsasl2 unloads us in sasl_done(), and the libraries behind a provider do not survive that. */
    module = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (module == NULL) {
        st = bearer_fail(err, BEARER_CONFIG, "cannot load provider %s: %s", oauth2_provider, dlerror());
    } else {
        provider = dlsym(module, "bearer_provider");
        st = check(path, provider, flags, err);
        if (st == BEARER_OK)
            *provider_out = provider;
        dlclose(module); /* the count only; the code stays */
    }
    free(path);
    return st;
}
