/* check_postfix_tables.c - reads Postfix' lookup tables whole, where that can be done: see check_postfix.h */
#include "tool/check_postfix.h"
#include "tool/check_probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Gives where a word in braces begins, without them and the blanks around; any other as it is. */
static char *without_braces(char *word)
{
    char *end = word + strlen(word);

    if (*word != '{' || end[-1] != '}')
        return word;
    for (end--; end > word + 1 && end[-1] == ' ';)
        end--;
    *end = '\0';
    return word + 1 + strspn(word + 1, " ");
}

char *postfix_next_word(char **rest)
{
    char *start = *rest != NULL ? *rest + strspn(*rest, ", \t") : NULL, *end = start;

    if (start == NULL || *start == '\0')
        return NULL;
    for (int depth = 0; *end != '\0' && (depth > 0 || strchr(", \t", *end) == NULL); end++)
        depth += (*end == '{') - (*end == '}');
    *rest = *end != '\0' ? end + 1 : end;
    *end = '\0';
    return start;
}

/* "{ { key = value } key=value }", which no command line of ours can carry. */
static bool list_inline(const char *table, struct bearer_secret *lines_out)
{
    char *copy = strdup(table), *rest = copy != NULL ? without_braces(copy) : NULL, *lines = NULL, *entry;
    size_t length = strlen(table), size = 0;
    FILE *out = open_memstream(&lines, &size);
    bool listed;

    while (out != NULL && (entry = postfix_next_word(&rest)) != NULL) {
        char *key = without_braces(entry), *value = strchr(key, '=');

        if (value != NULL)
            fprintf(out, "%.*s\t%s\n", (int)strcspn(key, " ="), key, value + 1 + strspn(value + 1, " "));
    }
    listed = out != NULL && fclose(out) == 0 && size > 0 && bearer_secret_set(lines_out, lines, size, NULL) == BEARER_OK;
    if (lines != NULL)
        bearer_wipe(lines, size); /* there may be passwords in it */
    if (copy != NULL)
        bearer_wipe(copy, length);
    free(lines);
    free(copy);
    return listed;
}

const char *postfix_bare_table(const char *table)
{
    return strncmp(table, "proxy:", 6) == 0 ? table + 6 : table;
}

bool postfix_is_name(const char *table)
{
    return strpbrk(postfix_bare_table(table), "{ \t") == NULL;
}

bool postfix_list(const char *table, struct bearer_secret *lines_out)
{
    char *postmap;
    bool listed;

    table = postfix_bare_table(table);
    if (strncmp(table, "inline:", 7) == 0)
        return list_inline(table + 7, lines_out);
    postmap = postfix_is_name(table) ? probe_find("postmap") : NULL;
    listed = postmap != NULL && probe_run_secret(lines_out, "%s -s %s", postmap, table);
    free(postmap);
    return listed;
}

bool postfix_next_line(const char **cursor, struct postfix_line *line)
{
    line->key = *cursor;
    line->key_length = strcspn(line->key, "\t\n");
    line->value = line->key + line->key_length + (line->key[line->key_length] == '\t');
    line->value_length = strcspn(line->value, "\n");
    *cursor = line->value + line->value_length + (line->value[line->value_length] == '\n');
    return *line->key != '\0';
}
