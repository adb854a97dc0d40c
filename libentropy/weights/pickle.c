/* pickle.c - a stack machine that reads pickles and builds data, never calling anything.
 *
 * Opcodes are those that dictionaries of tensors are made of (Python's pickletools; the set that PyTorch's own
 * weights_only reader allows).  Classes and functions are names, calls are kept as (callee, arguments, state). */
#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "weights/pickle.h"

typedef ent_pickle_node node;

typedef struct machine {
    ent_weights *model;
    ent_bytes bytes;
    size_t at;
    node **stack, **memo; /* each as large as the pickle: an opcode is a byte at the least */
    size_t *mark;
    size_t depth, marks, memos;
    const char *name;
    ent_error *error;
} machine;

static ent_status bad(const machine *m, const char *what)
{
    return ent_fail(m->error, ENT_ECORRUPT, "%s: byte %zu of its pickle: %s", m->name, m->at, what);
}

static ent_status no_memory(const machine *m) { return ent_fail(m->error, ENT_ENOMEM, "%s: out of memory", m->name); }

/* ---- the stack ------------------------------------------------------------------------------------------ */

static ent_status push(machine *m, node *n)
{
    if (!n) return no_memory(m);
    m->stack[m->depth++] = n; /* at most one for each byte */
    return ENT_OK;
}

static node *new_node(machine *m, ent_pickle_kind kind)
{
    node *n = ent_model_alloc(m->model, sizeof *n);
    if (n) *n = (node){ .kind = kind };
    return n;
}

static ent_status push_kind(machine *m, ent_pickle_kind kind) { return push(m, new_node(m, kind)); }

static ent_status push_integer(machine *m, ent_pickle_kind kind, int64_t value)
{
    node *n = new_node(m, kind);
    if (n) n->integer = value;
    return push(m, n);
}

/* How many nodes lie above the last mark, or on the whole stack. */
static size_t above(const machine *m) { return m->depth - (m->marks ? m->mark[m->marks - 1] : 0); }

static node *pop(machine *m) { return above(m) ? m->stack[--m->depth] : NULL; }

static ent_status add(machine *m, node *to, node *item)
{
    if (!item) return bad(m, "the stack is empty");
    if (to->items == to->capacity) {
        size_t capacity = to->capacity ? 2 * to->capacity : 4;
        node **larger = ent_model_alloc(m->model, capacity * sizeof *larger);
        if (!larger) return no_memory(m);
        if (to->items) memcpy(larger, to->item, to->items * sizeof *larger);
        to->item = larger;
        to->capacity = capacity;
    }
    to->item[to->items++] = item;
    return ENT_OK;
}

/* The nodes above the last mark become items of `to`, the mark goes. */
static ent_status add_marked(machine *m, node *to)
{
    if (!m->marks) return bad(m, "no mark on the stack");
    size_t from = m->mark[--m->marks];
    ent_status status = ENT_OK;
    for (size_t i = from; i < m->depth && !status; i++) status = add(m, to, m->stack[i]);
    m->depth = from;
    return status;
}

/* A new node of the `n` upper ones, in their order. */
static ent_status gather(machine *m, ent_pickle_kind kind, size_t n)
{
    node *to = new_node(m, kind);
    if (!to) return no_memory(m);
    if (above(m) < n) return bad(m, "the stack is empty");
    m->depth -= n;
    for (size_t i = 0; i < n; i++) {
        ent_status status = add(m, to, m->stack[m->depth + i]);
        if (status) return status;
    }
    return push(m, to);
}

/* What items go to: below the mark, or below the item. */
static ent_status append(machine *m, size_t items, bool marked, bool pairs)
{
    if (marked && !m->marks) return bad(m, "no mark on the stack");
    size_t lower = m->marks - marked, floor = lower ? m->mark[lower - 1] : 0; /* what lies below is not ours */
    size_t first = marked ? m->mark[lower] : m->depth - (items < m->depth ? items : m->depth);
    if (first <= floor) return bad(m, "the stack is empty");
    node *to = m->stack[first - 1];
    if (pairs && (m->depth - first) % 2) return bad(m, "a key without a value");
    bool takes =
        to->kind == ENT_PICKLE_CALL || (pairs ? to->kind == ENT_PICKLE_DICTIONARY : to->kind == ENT_PICKLE_LIST);
    if (!takes) return bad(m, "items for what is no list or dictionary");
    ent_status status = ENT_OK;
    for (size_t i = first; i < m->depth && !status && to->kind != ENT_PICKLE_CALL; i++)
        status = add(m, to, m->stack[i]);
    m->depth = first;
    m->marks = lower;
    return status;
}

/* ---- operands --------------------------------------------------------------------------------------------- */

static ent_status take(machine *m, size_t size, const uint8_t **bytes)
{
    if (size > m->bytes.size - m->at) return bad(m, "it ends in an operand");
    *bytes = m->bytes.data + m->at;
    m->at += size;
    return ENT_OK;
}

static uint64_t number(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) value |= (uint64_t)bytes[i] << 8 * i;
    return value;
}

static ent_status take_number(machine *m, size_t size, uint64_t *value)
{
    const uint8_t *bytes = NULL;
    ent_status status = take(m, size, &bytes);
    if (!status) *value = number(bytes, size);
    return status;
}

static ent_status push_text(machine *m, size_t width)
{
    uint64_t size = 0;
    const uint8_t *bytes = NULL;
    ent_status status = take_number(m, width, &size);
    if (!status) status = take(m, size, &bytes);
    if (status) return status;
    node *n = new_node(m, ENT_PICKLE_TEXT);
    char *text = ent_model_copy(m->model, (ent_bytes){ bytes, size });
    if (!n || !text) return no_memory(m);
    if (memchr(text, 0, size)) return bad(m, "a NUL in a text");
    n->text = text;
    return push(m, n);
}

/* Bytes are nobody's name or size: passed over. */
static ent_status push_bytes(machine *m, size_t width)
{
    uint64_t size = 0;
    const uint8_t *bytes;
    ent_status status = take_number(m, width, &size);
    if (!status) status = take(m, size, &bytes);
    return status ? status : push_kind(m, ENT_PICKLE_NONE);
}

/* Little-endian, two's complement; of over 8 bytes only the sign is kept, which is nobody's size or offset. */
static ent_status push_long(machine *m, size_t width)
{
    uint64_t size = 0;
    const uint8_t *bytes = NULL;
    ent_status status = take_number(m, width, &size);
    if (!status) status = take(m, size, &bytes);
    if (status) return status;
    bool negative = size && bytes[size - 1] & 0x80;
    if (size > 8) return push_integer(m, ENT_PICKLE_REAL, negative ? -1 : 1);
    uint64_t value = number(bytes, size);
    if (negative && size < 8) value |= UINT64_MAX << 8 * size;
    return push_integer(m, ENT_PICKLE_INTEGER, (int64_t)value);
}

static ent_status push_global(machine *m, const char *module, size_t n, const char *name, size_t k)
{
    node *g = new_node(m, ENT_PICKLE_GLOBAL);
    char *text = ent_model_alloc(m->model, n + k + 2);
    if (!g || !text) return no_memory(m);
    memcpy(text, module, n);
    text[n] = ' ';
    memcpy(text + n + 1, name, k);
    text[n + 1 + k] = '\0';
    g->text = text;
    return push(m, g);
}

static ent_status take_global(machine *m)
{
    const char *module = (const char *)m->bytes.data + m->at;
    const char *end = memchr(module, '\n', m->bytes.size - m->at);
    if (!end) return bad(m, "a class without a name");
    size_t left = m->bytes.size - m->at - (size_t)(end + 1 - module);
    const char *close = memchr(end + 1, '\n', left);
    if (!close || memchr(module, 0, (size_t)(close - module))) return bad(m, "a class without a name");
    m->at += (size_t)(close + 1 - module);
    return push_global(m, module, (size_t)(end - module), end + 1, (size_t)(close - end - 1));
}

static ent_status stack_global(machine *m)
{
    node *name = pop(m), *module = pop(m);
    if (!module || module->kind != ENT_PICKLE_TEXT || name->kind != ENT_PICKLE_TEXT)
        return bad(m, "a class whose name is no text");
    return push_global(m, module->text, strlen(module->text), name->text, strlen(name->text));
}

/* ---- calls ------------------------------------------------------------------------------------------------ */

static ent_status call(machine *m)
{
    if (above(m) < 2) return bad(m, "the stack is empty");
    const node *callee = m->stack[m->depth - 2];
    if (callee->kind == ENT_PICKLE_GLOBAL && !strcmp(callee->text, "collections OrderedDict")) {
        m->depth -= 2;
        return push_kind(m, ENT_PICKLE_DICTIONARY);
    }
    return gather(m, ENT_PICKLE_CALL, 2);
}

/* State: kept for calls; attributes of dictionaries (a state_dict's _metadata) hold no tensors. */
static ent_status build(machine *m)
{
    if (above(m) < 2) return bad(m, "the stack is empty");
    node *state = pop(m), *of = m->stack[m->depth - 1];
    return of->kind == ENT_PICKLE_CALL ? add(m, of, state) : ENT_OK;
}

/* ---- the memo --------------------------------------------------------------------------------------------- */

static ent_status remember(machine *m, uint64_t i)
{
    if (!above(m)) return bad(m, "nothing to remember");
    if (i >= m->bytes.size) return bad(m, "a place in the memo beyond what the pickle can fill");
    m->memo[i] = m->stack[m->depth - 1];
    return ENT_OK;
}

static ent_status recall(machine *m, uint64_t i)
{
    if (i >= m->bytes.size || !m->memo[i]) return bad(m, "the memo has nothing there");
    return push(m, m->memo[i]);
}

static ent_status with_number(machine *m, size_t width, ent_status (*act)(machine *, uint64_t))
{
    uint64_t value = 0;
    ent_status status = take_number(m, width, &value);
    return status ? status : act(m, value);
}

static ent_status push_signed(machine *m, uint64_t value)
{
    return push_integer(m, ENT_PICKLE_INTEGER, (int32_t)value);
}
static ent_status push_unsigned(machine *m, uint64_t value)
{
    return push_integer(m, ENT_PICKLE_INTEGER, (int64_t)value);
}
static ent_status push_real(machine *m, uint64_t value) { (void)value; return push_kind(m, ENT_PICKLE_REAL); }
static ent_status ignore(machine *m, uint64_t value) { (void)m, (void)value; return ENT_OK; }

static ent_status gather_marked(machine *m, ent_pickle_kind kind)
{
    node *n = new_node(m, kind);
    if (!n) return no_memory(m);
    ent_status status = add_marked(m, n);
    if (!status && kind == ENT_PICKLE_DICTIONARY && n->items % 2) status = bad(m, "a key without a value");
    return status ? status : push(m, n);
}

static ent_status step(machine *m, uint8_t opcode)
{
    switch (opcode) {
    case 0x80: return with_number(m, 1, ignore);                    /* PROTO */
    case 0x95: return with_number(m, 8, ignore);                    /* FRAME */
    case '(': m->mark[m->marks++] = m->depth; return ENT_OK;        /* MARK */
    case '0': return pop(m) ? ENT_OK : bad(m, "the stack is empty"); /* POP */
    case 'N': return push_kind(m, ENT_PICKLE_NONE);
    case 0x88: case 0x89: return push_integer(m, ENT_PICKLE_BOOL, opcode == 0x88);
    case 'J': return with_number(m, 4, push_signed);
    case 'K': return with_number(m, 1, push_unsigned);
    case 'M': return with_number(m, 2, push_unsigned);
    case 0x8a: return push_long(m, 1);
    case 0x8b: return push_long(m, 4);
    case 'G': return with_number(m, 8, push_real);
    case 'X': return push_text(m, 4);                               /* BINUNICODE */
    case 0x8c: return push_text(m, 1);                              /* SHORT_BINUNICODE */
    case 'U': return push_text(m, 1);                               /* SHORT_BINSTRING */
    case 'C': return push_bytes(m, 1);                              /* SHORT_BINBYTES */
    case 'B': return push_bytes(m, 4);                              /* BINBYTES */
    case 'c': return take_global(m);
    case 0x93: return stack_global(m);
    case '}': return push_kind(m, ENT_PICKLE_DICTIONARY);
    case ']': return push_kind(m, ENT_PICKLE_LIST);
    case ')': return push_kind(m, ENT_PICKLE_TUPLE);
    case 0x8f: return push_kind(m, ENT_PICKLE_LIST);                /* EMPTY_SET */
    case 't': return gather_marked(m, ENT_PICKLE_TUPLE);
    case 'l': return gather_marked(m, ENT_PICKLE_LIST);
    case 'd': return gather_marked(m, ENT_PICKLE_DICTIONARY);
    case 0x85: return gather(m, ENT_PICKLE_TUPLE, 1);
    case 0x86: return gather(m, ENT_PICKLE_TUPLE, 2);
    case 0x87: return gather(m, ENT_PICKLE_TUPLE, 3);
    case 'a': return append(m, 1, false, false);
    case 'e': case 0x90: return append(m, 0, true, false);          /* APPENDS, ADDITEMS */
    case 's': return append(m, 2, false, true);
    case 'u': return append(m, 0, true, true);
    case 'R': case 0x81: return call(m);                            /* REDUCE, NEWOBJ */
    case 'b': return build(m);
    case 'Q': return gather(m, ENT_PICKLE_PERSISTENT, 1);           /* BINPERSID */
    case 'q': return with_number(m, 1, remember);
    case 'r': return with_number(m, 4, remember);
    case 0x94: return remember(m, m->memos++);                      /* MEMOIZE */
    case 'h': return with_number(m, 1, recall);
    case 'j': return with_number(m, 4, recall);
    default: m->at--; return bad(m, "an opcode that data do not need; it is not run");
    }
}

ent_status ent_pickle_read(node **object, ent_weights *model, ent_bytes bytes, const char *name, ent_error *error)
{
    machine m = { .model = model, .bytes = bytes, .name = name, .error = error };
    ent_status status = ENT_OK;
    if (bytes.size > ENT_PICKLE_MOST)
        return ent_fail(error, ENT_EUNSUPPORTED, "%s: a pickle of %zu bytes; at most %d are read", name, bytes.size,
                        ENT_PICKLE_MOST);
    m.stack = ent_calloc(bytes.size + 1, sizeof *m.stack);
    m.memo = ent_calloc(bytes.size + 1, sizeof *m.memo);
    m.mark = ent_calloc(bytes.size + 1, sizeof *m.mark);
    if (!m.stack || !m.memo || !m.mark) status = no_memory(&m);
    while (!status && m.at < bytes.size && bytes.data[m.at] != '.') {
        m.at++;
        status = step(&m, bytes.data[m.at - 1]);
    }
    if (!status && m.at == bytes.size) status = bad(&m, "it ends without STOP");
    if (!status && (m.depth != 1 || m.marks)) status = bad(&m, "not one object is left at its end");
    if (!status) *object = m.stack[0];
    ent_free(m.stack);
    ent_free(m.memo);
    ent_free(m.mark);
    return status;
}
