/* enumerate.c - every token this configuration can have.  See context.h */
#include "credential/context.h"
#include "credential/holder.h"
#include "credential/text.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

struct walk {
    struct bearer_context *context;
    bearer_each_function *each;
    void *data;
    struct bearer_holder **seen; /* by keeper: several names can share one token */
    size_t count;
};

static bool is_new(struct walk *w, struct bearer_holder *holder)
{
    struct bearer_holder **grown;

    for (size_t i = 0; i < w->count; i++)
        if (w->seen[i]->keeper == holder->keeper)
            return false;
    grown = realloc(w->seen, (w->count + 1) * sizeof *grown);
    if (grown == NULL)
        return false;
    w->seen = grown;
    w->seen[w->count++] = holder;
    return true;
}

static void visit(struct walk *w, struct bearer_holder *holder)
{
    if (is_new(w, holder))
        w->each(w->data, holder, holder->account->provider->flags & BEARER_PER_IDENTITY ? holder->account->name
                                                                                       : holder->account->section, NULL);
}

static void visit_user(struct walk *w, const char *user)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct bearer_holder *holder;

    if (bearer_context_find(w->context, user, &holder, &err) == BEARER_OK)
        visit(w, holder);
    else
        w->each(w->data, NULL, user, &err);
}

/* A section is one token for all, or one name, or a pattern for those who signed in (found in the store). */
static void visit_section(struct walk *w, const struct bearer_section *section)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct bearer_holder *holder;
    enum bearer_status st = bearer_context_find_section(w->context, section, &holder, &err);

    if (st == BEARER_OK)
        visit(w, holder);
    else if (section->pattern == NULL)
        return; /* a top that is no account by itself; mistakes in it show with the sections */
    else if (st != BEARER_NO_ACCOUNT)
        w->each(w->data, NULL, section->pattern, &err);
    else if (!bearer_text_is_pattern(section->pattern))
        visit_user(w, section->pattern);
}

/* Everybody who signed in has a file; the configuration alone does not name them. */
static void visit_store(struct walk *w, const char *directory)
{
    DIR *stream = directory != NULL && directory[0] == '/' ? opendir(directory) : NULL;
    struct dirent *entry;

    while (stream != NULL && (entry = readdir(stream)) != NULL) {
        char *provider, *key;

        if (!bearer_store_parse_name(entry->d_name, &provider, &key))
            continue;
        if (bearer_provider_row(provider)->flags & BEARER_PER_IDENTITY) {
            struct bearer_holder *holder;

            if (bearer_context_find(w->context, key, &holder, NULL) == BEARER_OK)
                visit(w, holder);
        }
        free(provider);
        free(key);
    }
    if (stream != NULL)
        closedir(stream);
}

/* A file that cannot be believed as a whole. */
static void visit_mistakes(struct walk *w, enum bearer_level level)
{
    for (const struct bearer_config_file *file = w->context->config->levels[level].files; file != NULL; file = file->next) {
        struct bearer_error err = BEARER_ERROR_INIT;

        if (file->error == NULL)
            continue;
        bearer_fail(&err, BEARER_CONFIG, "%s", file->error);
        w->each(w->data, NULL, file->path, &err);
    }
}

void bearer_context_each(struct bearer_context *context, bearer_each_function *each, void *data)
{
    struct walk w = { .context = context, .each = each, .data = data };

    for (int level = 0; level < BEARER_LEVEL_COUNT; level++) {
        const struct bearer_section *top = &context->config->levels[level].top;

        visit_mistakes(&w, (enum bearer_level)level);
        for (const struct bearer_section *section = context->config->levels[level].sections; section != NULL;
             section = section->next) {
            visit_section(&w, section);
            visit_store(&w, section->values[OPT_TOKEN_STORE].text);
        }
        visit_section(&w, top);
        visit_store(&w, top->values[OPT_TOKEN_STORE].text);
        if (context->config->levels[level].files != NULL)
            visit_store(&w, bearer_context_store(context, (enum bearer_level)level));
    }
    free(w.seen);
}
