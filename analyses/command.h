/* command.h - what every command of the program shares: its row in the list, common options,
 * errors and exit statuses.
 *
 * To add a command: a file cmd_NAME.c with `int cmd_NAME(int argc, char **argv)`, one line in
 * commands.def.  The function parses its own arguments with command_parse and returns an exit
 * status; argv[0] is "entropy NAME".
 */
#ifndef ENT_ANALYSES_COMMAND_H
#define ENT_ANALYSES_COMMAND_H

#include <argp.h>
#include <entropy/entropy.h>

/* ---- exit statuses --------------------------------------------------------------------------- */

enum {
    EXIT_DONE = 0,
    EXIT_CHECK = 1,  /* a verification or comparison failed */
    EXIT_USAGE = 2,  /* the request makes no sense */
    EXIT_INPUT = 3,  /* the input is damaged or unsupported */
    EXIT_SYSTEM = 4, /* disk, memory, a closed pipe */
    EXIT_STOPPED = 75, /* by a signal, before all was done: the same command goes on (EX_TEMPFAIL) */
};

int exit_status(ent_status status);

/* "entropy: TEXT" on stderr. */
void complain(const char *format, ...) ENT_PRINTF(1, 2);
/* The same with the text of `error`; returns the exit status that fits. */
int complain_error(const ent_error *error);

/* ---- options --------------------------------------------------------------------------------- */

struct common {
    bool json;        /* one JSON object a line instead of tables */
    bool quiet;       /* no progress, no remarks */
    unsigned threads; /* 0: all */
};

/* Parses a command's arguments: its own options, with `own` as argp's input, and the common ones,
 * which may stand anywhere.  Wrong usage ends the program with EXIT_USAGE, --help with EXIT_DONE. */
void command_parse(const struct argp *argp, int argc, char **argv, void *own, struct common *common);

/* "16", "64k", "16Mi", "4G", "256MiB": k M G T are powers of 1000, Ki Mi Gi Ti of 1024; a final B is
 * allowed.  Stops with a usage error that names the option when it is anything else. */
uint64_t option_count(const struct argp_state *state, const char *option, const char *text);
/* A finite number of at least `least`. */
double option_number(const struct argp_state *state, const char *option, const char *text, double least);

/* ---- commands -------------------------------------------------------------------------------- */

struct command {
    const char *name, *brief;
    int (*run)(int argc, char **argv);
};

extern const struct command commands[]; /* ends with a NULL name */

#define X(name, brief) int cmd_##name(int argc, char **argv);
#include "commands.def"
#undef X

#endif
