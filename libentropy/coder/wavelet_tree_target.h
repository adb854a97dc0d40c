/* wavelet_tree_target.h - which loop a run takes, compiled once for each instruction set.
 *
 * Included where merge_as and part_as are defined, with TARGET and TARGET_INLINE as their functions have them. */
TARGET_INLINE void merge_to(const wavelet_merge *m, const ent_join *join, ent_join_form form)
{
    switch (wavelet_sides_of(m->string[0], m->string[1])) {
    case WAVELET_LEAVES: merge_as(WAVELET_LEAVES, m, join, form); break;
    case WAVELET_LEAF_AND_STRING: merge_as(WAVELET_LEAF_AND_STRING, m, join, form); break;
    case WAVELET_STRINGS: merge_as(WAVELET_STRINGS, m, join, form); break;
    }
}

/* Functions of their own, each with a join of its own, that no store can change. */
#define TO(name, form, streams) \
    TARGET static void name(const wavelet_merge *m) \
    { \
        ent_join join = *m->join; \
        join.stream = streams; \
        merge_to(m, &join, form); \
    }
TO(merge_bf16, ENT_JOIN_BF16, false)
TO(merge_bf16_stream, ENT_JOIN_BF16, true)
TO(merge_words, ent_join_form_of(m->join), m->join->stream)

TARGET static void merge(const wavelet_merge *m)
{
    if (!m->join)
        merge_to(m, NULL, ENT_JOIN_OTHER);
    else if (ent_join_form_of(m->join) != ENT_JOIN_BF16)
        merge_words(m);
    else if (m->join->stream)
        merge_bf16_stream(m);
    else
        merge_bf16(m);
}

TARGET static size_t part(const wavelet_part *p)
{
    switch (wavelet_sides_of(p->string[0], p->string[1])) {
    case WAVELET_LEAVES: return part_as(WAVELET_LEAVES, p);
    case WAVELET_LEAF_AND_STRING: return part_as(WAVELET_LEAF_AND_STRING, p);
    default: return part_as(WAVELET_STRINGS, p);
    }
}
