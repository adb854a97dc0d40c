/* with.h - what --with says: pipelines of transforms and how their parts are coded, or a system that names both. */
#ifndef ENT_ANALYSES_WITH_H
#define ENT_ANALYSES_WITH_H

#include <entropy/pack.h>

struct with {
    char pipelines[1000];     /* as for shortlist_parse; "" of a lossless system */
    const char *codec;        /* NULL: not said */
    const ent_system *system; /* NULL: none is named */
};

/* "PIPELINES", "PIPELINES => CODEC", "SYSTEM" or "SYSTEM => CODEC"; `codec` is what an option of its own says, or NULL.
 * ENT_EINVAL when it and the text both name one.  The strings of `text` and `codec` must outlive *with. */
ent_status with_parse(struct with *with, const char *text, const char *codec, ent_error *error);

#endif
