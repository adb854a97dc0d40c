/* cmd_list.c - `entropy list`: what this build has. */
#include <string.h>

#include "command.h"
#include "output.h"

static void row(const struct common *common, struct table *table, const char *name, const char *brief)
{
    if (common->json) {
        json_t *object = json_object();
        json_text(object, "name", name);
        json_text(object, "brief", brief);
        json_line(object);
    } else {
        table_cell(table, "%s", name);
        table_cell(table, "%s", brief);
    }
}

static void list_coders(const struct common *common)
{
    struct table table;
    table_begin(&table, "<coder|<what it is");
    for (size_t i = 0; ent_coders[i]; i++) row(common, &table, ent_coders[i]->name, ent_coders[i]->brief);
    table_end(&table);
}

static const struct {
    const char *name;
    void (*print)(const struct common *common);
} lists[] = {
    { "coders", list_coders },
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    const char **what = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (*what) argp_error(state, "one list at a time");
        *what = text;
        return 0;
    case ARGP_KEY_END:
        if (!*what) argp_error(state, "which list?");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

int cmd_list(int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse,
        .args_doc = "coders",
        .doc = "Shows what this build has.",
    };
    struct common common = { 0 };
    const char *what = NULL;
    command_parse(&argp, argc, argv, &what, &common);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (!strcmp(what, lists[i].name)) {
            lists[i].print(&common);
            return EXIT_DONE;
        }
    complain("no list '%s'; `entropy list --help` names them", what);
    return EXIT_USAGE;
}
