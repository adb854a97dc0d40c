/* pickle.h - a Python pickle as data: nothing is ever called. */
#ifndef ENT_WEIGHTS_PICKLE_H
#define ENT_WEIGHTS_PICKLE_H

#include "weights/reader.h"

typedef enum ent_pickle_kind {
    ENT_PICKLE_NONE,
    ENT_PICKLE_BOOL,
    ENT_PICKLE_INTEGER,
    ENT_PICKLE_REAL,
    ENT_PICKLE_TEXT,
    ENT_PICKLE_GLOBAL,     /* text: "module name" */
    ENT_PICKLE_TUPLE,      /* of items, as list and dictionary (key, value, key, value, ...) */
    ENT_PICKLE_LIST,
    ENT_PICKLE_DICTIONARY,
    ENT_PICKLE_PERSISTENT, /* what the file keeps elsewhere; its one item says where */
    ENT_PICKLE_CALL,       /* items: what would be called, its arguments, and, if any, the state it was given */
} ent_pickle_kind;

typedef struct ent_pickle_node {
    ent_pickle_kind kind;
    bool visited; /* free for the caller: a list may hold itself */
    int64_t integer; /* of a truth value too */
    const char *text;
    struct ent_pickle_node **item;
    size_t items, capacity;
} ent_pickle_node;

/* The object that `bytes` hold, in the model's arena.  Protocols 2 to 5, and the opcodes that data needs; an
 * OrderedDict becomes a dictionary, a call of anything else stays one.  ENT_ECORRUPT with the byte for anything that
 * breaks the format or asks for another opcode; ENT_EUNSUPPORTED for more than ENT_PICKLE_MOST bytes, which a model of
 * a hundred thousand tensors does not take.  Memory is at most a hundred times `bytes`. */
enum { ENT_PICKLE_MOST = 16 << 20 };
ent_status ent_pickle_read(ent_pickle_node **object, ent_weights *model, ent_bytes bytes, const char *name,
                           ent_error *error);

#endif
