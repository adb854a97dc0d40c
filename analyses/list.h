/* list.h - the lists of `entropy list`, for other commands. */
#ifndef ENT_ANALYSES_LIST_H
#define ENT_ANALYSES_LIST_H

struct common;

/* Prints a list by its name ("datasets"); returns an exit status. */
int list_print(const char *name, const struct common *common);

#endif
