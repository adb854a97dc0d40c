/* cmd_report.c - `entropy report`: tables and figures of a run. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "batch/folder.h"
#include "batch/parts.h"
#include "command.h"
#include "figure.h"
#include "output.h"
#include "record.h"
#include "save.h"


struct options {
    struct common common;
    const char *run;
    bool tables_only;
};

static ent_status write_tables(const struct records *records, const char *folder, ent_error *error)
{
    ent_status status = ENT_OK;
    for (int table = 0; table < RECORD_TABLES; table++)
        for (int style = 0; style < TABLE_STYLES && !status; style++) {
            char path[PATH_MAX];
            struct save save;
            snprintf(path, sizeof path, "%s/%s.%s", folder, record_table_name((enum record_table)table),
                     table_style_suffix((enum table_style)style));
            if ((status = save_open(&save, path, error))) break;
            records_print(records, (enum record_table)table, (enum table_style)style, save.file);
            status = save_close(&save, ENT_OK, error);
        }
    return status;
}

static ent_status report(const struct options *o, const char *folder, struct records *records, ent_error *error)
{
    unsigned drawn = 0;
    bool missing = false;
    ent_status status = parts_join(records, folder, error);
    if (!status) status = records_sort(records, error);
    if (!status) status = write_tables(records, folder, error);
    if (!status && !o->tables_only) status = figures_draw(records, folder, &drawn, &missing, error);
    if (status) return status;
    if (missing)
        complain("no gnuplot on this machine: the tables are there, the figures are not; install gnuplot-nox and "
                 "report again");
    if (o->common.json) {
        json_t *object = json_object();
        json_text(object, "folder", folder);
        json_count(object, "cells", records->cells);
        json_count(object, "records", records->rows);
        json_count(object, "figures", drawn);
        json_line(object);
    }
    if (o->common.quiet || o->common.json) return ENT_OK;
    if (records->rows < records->cells)
        complain("%zu of %" PRIu64 " cells are there; `entropy run` does the others", records->rows,
                 records->cells);
    printf("%s: tables sizes, entropy, predictions and times as .tsv, .md and .tex", folder);
    if (drawn) printf("; %u figures in %s/figures as .svg and .pdf", drawn, folder);
    putchar('\n');
    return ENT_OK;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct options *o = state->input;
    switch (key) {
    case 'n': o->tables_only = true; return 0;
    case ARGP_KEY_ARG:
        if (o->run) argp_error(state, "one run at a time");
        o->run = text;
        return 0;
    case ARGP_KEY_END:
        if (!o->run) argp_error(state, "which run?");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

int cmd_report(int argc, char **argv)
{
    static const struct argp_option argp_options[] = {
        { .name = "no-figures", .key = 'n', .doc = "Tables alone" },
        { 0 }
    };
    static const struct argp argp = {
        .options = argp_options,
        .parser = parse,
        .args_doc = "DIR|RECORDS.h5",
        .doc = "Writes the tables of a run beside its records, and its figures into DIR/figures with gnuplot.  The "
               "tables sizes, entropy and predictions depend on the plan and the models alone, times on the machine.\v"
               "JSON keys: folder, cells (of the plan), records, figures.",
    };
    struct options o = { .run = NULL };
    struct records records = { .row = NULL };
    struct stat st;
    ent_error error;
    char folder[PATH_MAX - 200];
    command_parse(&argp, argc, argv, &o, &o.common);
    ent_status status = ENT_OK;
    bool is_folder = !stat(o.run, &st) && S_ISDIR(st.st_mode);
    const char *slash = strrchr(o.run, '/');
    int length = is_folder || !slash ? (int)strlen(o.run) : (int)(slash - o.run);
    if (snprintf(folder, sizeof folder, "%.*s", length, is_folder || slash ? o.run : ".") >= (int)sizeof folder)
        status = ent_fail(&error, ENT_EINVAL, "%s: too long", o.run);
    if (!status && is_folder) status = folder_all_records(&records, folder, &error);
    else if (!status) status = records_read(&records, o.run, &error);
    if (!status) status = report(&o, folder, &records, &error);
    records_free(&records);
    return status ? complain_error(&error) : EXIT_DONE;
}
