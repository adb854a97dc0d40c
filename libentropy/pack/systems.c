/* systems.c - the list of published systems. */
#include <string.h>

#include <entropy/pack.h>

const ent_system ent_systems[] = {
#define X(...) { __VA_ARGS__ },
#include "systems.def"
#undef X
    { .name = NULL },
};

const ent_system *ent_system_find(const char *name)
{
    for (const ent_system *s = ent_systems; s->name; s++)
        if (!strcmp(s->name, name)) return s;
    return NULL;
}
