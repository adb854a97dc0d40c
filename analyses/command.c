/* command.c - the list of commands, their common options, errors and exit statuses. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "model.h"
#include "output.h"

const struct command commands[] = {
#define X(name, brief) { #name, brief, cmd_##name },
#include "commands.def"
#undef X
    { NULL, NULL, NULL }
};

/* ---- errors ---------------------------------------------------------------------------------- */

int exit_status(ent_status status)
{
    switch (status) {
    case ENT_OK: return EXIT_DONE;
    case ENT_ECHECK: return EXIT_CHECK;
    case ENT_EINVAL: return EXIT_USAGE;
    case ENT_EUNSUPPORTED:
    case ENT_ECORRUPT:
    case ENT_ERANGE: return EXIT_INPUT;
    case ENT_EIO:
    case ENT_ENOMEM:
    case ENT_ESPACE: return EXIT_SYSTEM;
    }
    return EXIT_SYSTEM;
}

void complain(const char *format, ...)
{
    char text[2000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fflush(stdout); /* so that results and errors come in order when both go to one place */
    fprintf(stderr, "entropy: %s\n", make_plain(text));
}

int complain_error(const ent_error *error)
{
    complain("%s", error->text[0] ? error->text : ent_status_text(error->status));
    return exit_status(error->status);
}

/* ---- options --------------------------------------------------------------------------------- */

enum { KEY_JSON = 0x1001, KEY_DTYPE };

static error_t parse_common(int key, char *text, struct argp_state *state)
{
    struct common *common = state->input;
    ent_error error;
    switch (key) {
    case KEY_DTYPE:
        if (model_raw_words(text, &error)) argp_error(state, "--dtype: %s", error.text);
        return 0;
    case KEY_JSON: common->json = true; return 0;
    case 'q': common->quiet = true; return 0;
    case 't': {
        uint64_t threads = option_count(state, "--threads", text);
        if (threads > 4096) argp_error(state, "--threads: at most 4096");
        common->threads = (unsigned)threads;
        return 0;
    }
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option common_options[] = {
    { .name = "dtype", .key = KEY_DTYPE, .arg = "NAME",
      .doc = "What words are that NumPy saved as raw data (V1, V2): BF16, F8_E4M3, ..." },
    { .name = "json", .key = KEY_JSON, .doc = "One JSON object a line on standard output" },
    { .name = "threads", .key = 't', .arg = "N", .doc = "Use N threads (preset: all)" },
    { .name = "quiet", .key = 'q', .doc = "No progress, no remarks" },
    { 0 }
};

static const struct argp common_argp = { .options = common_options, .parser = parse_common };
/* Of commands that have a --dtype of their own. */
static const struct argp common_without_dtype = { .options = common_options + 1, .parser = parse_common };

static bool has_dtype(const struct argp *argp)
{
    const struct argp_option *o = argp->options;
    while (o && o->name && strcmp(o->name, "dtype")) o++;
    return o && o->name;
}

/* A command's argp with the common options as its child: argp hands inputs down only through a
 * parser, so this one stands around both. */
struct parse {
    void *own;
    struct common *common;
};

static error_t parse_both(int key, char *text, struct argp_state *state)
{
    const struct parse *parse = state->input;
    (void)text;
    if (key != ARGP_KEY_INIT) return ARGP_ERR_UNKNOWN;
    state->child_inputs[0] = parse->own;
    state->child_inputs[1] = parse->common;
    return 0;
}

void command_parse(const struct argp *argp, int argc, char **argv, void *own, struct common *common)
{
    struct argp body = *argp;
    body.args_doc = body.doc = NULL; /* they belong to the whole */
    const struct argp_child children[] = {
        { .argp = &body },
        { .argp = has_dtype(argp) ? &common_without_dtype : &common_argp, .header = "", .group = 1 }, { 0 }
    };
    const struct argp whole = {
        .parser = parse_both, .args_doc = argp->args_doc, .doc = argp->doc, .children = children,
        .help_filter = argp->help_filter,
    };
    struct parse parse = { own, common };
    if (argp_parse(&whole, argc, argv, 0, NULL, &parse)) {
        complain("cannot read the command line: %s", strerror(errno));
        exit(EXIT_SYSTEM);
    }
}

static bool multiplier(const char *suffix, uint64_t *factor)
{
    static const char letters[] = "kMGT";
    *factor = 1;
    if (*suffix) {
        const char *letter = strchr(letters, *suffix == 'K' ? 'k' : *suffix);
        if (letter && *letter) {
            uint64_t base = suffix[1] == 'i' ? 1024 : 1000;
            for (const char *l = letters; l <= letter; l++) *factor *= base;
            suffix += base == 1024 ? 2 : 1;
        }
    }
    if (*suffix == 'B') suffix++;
    return !*suffix;
}

uint64_t option_count(const struct argp_state *state, const char *option, const char *text)
{
    char *end;
    uint64_t factor = 0, product = 0;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || errno || !multiplier(end, &factor) ||
        __builtin_mul_overflow((uint64_t)value, factor, &product))
        argp_error(state, "%s: '%s' is not a number like 1000, 64k, 16Mi or 4G", option, text);
    return product;
}

double option_number(const struct argp_state *state, const char *option, const char *text, double least)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value) || value < least)
        argp_error(state, "%s: '%s' is not a number of at least %g", option, text, least);
    return value;
}
