/* main.c - the program `entropy`: finds the command and hands over.
 *
 * Results go to standard output, progress and errors to standard error; see command.h for the exit
 * statuses.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <build.h>
#include <entropy/filter.h>

#include "blas.h"
#include "command.h"
#include "output.h"

static void print_version(FILE *stream, struct argp_state *state)
{
    (void)state;
    fprintf(stream, "entropy %s (%s)\n", ENT_VERSION, ENT_BUILD_COMMIT);
    fprintf(stream, "compiler   %s\nflags      %s\n", ENT_BUILD_COMPILER, ENT_BUILD_FLAGS);
    fprintf(stream, "processor  %s\n", ent_cpu_text());
    if (ENT_BUILD_ABSENT[0]) fprintf(stream, "absent     %s\n", ENT_BUILD_ABSENT);
}

/* The list of commands, put where argp prints its closing text. */
static char *help_filter(int key, const char *text, void *input)
{
    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC) return (char *)(size_t)text;
    char *list = NULL;
    size_t size;
    FILE *stream = open_memstream(&list, &size);
    if (!stream) return NULL;
    fputs("Commands:\n", stream);
    for (const struct command *c = commands; c->name; c++) fprintf(stream, "  %-12s%s\n", c->name, c->brief);
    fputs("\nA MODEL is a weight file, a folder with one, hf:ORG/NAME[@REV] from the local Hugging Face cache, "
          "or a name from `entropy list datasets`.\n\n"
          "Exit status: 0 done, 1 a check failed, 2 wrong usage, 3 the input is damaged or unsupported, "
          "4 the system failed; of run, 75: stopped by a signal.", stream);
    return fclose(stream) ? NULL : list;
}

static const struct command *command_find(const char *name)
{
    for (const struct command *c = commands; c->name; c++)
        if (!strcmp(c->name, name)) return c;
    return NULL;
}

/* `entropy` without a command: --help, --version or wrong usage. */
static error_t parse(int key, char *text, struct argp_state *state)
{
    (void)text;
    if (key == ARGP_KEY_END) argp_error(state, "which command?");
    return ARGP_ERR_UNKNOWN;
}

static void no_command(int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse,
        .args_doc = "COMMAND [OPTION...] [FILE...]",
        .doc = "How many bits neural-network weights really need; codes them that small; says what decoding costs.\v ",
        .help_filter = help_filter,
    };
    argp_parse(&argp, argc, argv, 0, NULL, NULL);
}

int main(int argc, char **argv)
{
    blas_choose(argv);
    argp_err_exit_status = EXIT_USAGE;
    argp_program_version_hook = print_version;
    signal(SIGPIPE, SIG_IGN); /* a write then fails, and the exit status says so */
    atexit(output_close);
    ent_filter_register();
    if (argc < 2 || argv[1][0] == '-') {
        static char entropy[] = "entropy";
        if (argc) argv[0] = entropy;
        no_command(argc, argv);
        return EXIT_USAGE;
    }
    const struct command *command = command_find(argv[1]);
    if (!command) {
        complain("no command '%s'; `entropy --help` lists them", argv[1]);
        return EXIT_USAGE;
    }
    char name[64];
    snprintf(name, sizeof name, "entropy %s", command->name);
    argv[1] = name;
    return command->run(argc - 1, argv + 1);
}
