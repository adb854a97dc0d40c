/* shortlist.c - see shortlist.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shortlist.h"

enum { MOST = 1024 };

static ent_status add(struct shortlist *list, const char *text, ent_error *error)
{
    if (list->n == MOST) return ent_fail(error, ENT_EINVAL, "more than %d pipelines", MOST);
    struct candidate *c = &list->candidate[list->n];
    memcpy(c->text, text, strlen(text) + 1);
    ent_status status = ent_pipeline_parse(&c->pipeline, text, error);
    list->n += !status;
    return status;
}

/* FIRST:STEP:LAST at `text`; *end is behind it.  false: no range. */
static bool read_range(const char *text, double range[3], const char **end)
{
    for (int i = 0; i < 3; i++) {
        char *after;
        range[i] = strtod(text, &after);
        if (after == text || (i < 2 && *after != ':')) return false;
        text = after + (i < 2);
    }
    *end = text;
    return true;
}

/* A pipeline for each value of its first range, and so on with what follows. */
static ent_status expand(struct shortlist *list, const char *text, ent_error *error)
{
    double range[3];
    const char *end, *at = strchr(text, '=');
    while (at && !read_range(at + 1, range, &end)) at = strchr(at + 1, '=');
    if (!at) return add(list, text, error);
    double values = floor((range[2] - range[0]) / range[1] * (1 + 1e-9) + 1e-9) + 1;
    if (!(range[1] != 0 && values >= 1 && values <= MOST))
        return ent_fail(error, ENT_EINVAL, "pipeline \"%.200s\": the range %.60s has no values, or more than %d", text, at + 1, MOST);
    ent_status status = ENT_OK;
    for (int k = 0; k < (int)values && !status; k++) {
        char one[SHORTLIST_TEXT];
        int n = snprintf(one, sizeof one, "%.*s%.10g%s", (int)(at + 1 - text), text, range[0] + k * range[1], end);
        if (n >= (int)sizeof one) return ent_fail(error, ENT_EINVAL, "pipeline \"%.200s\" is too long", text);
        status = expand(list, one, error);
    }
    return status;
}

/* `names`: of systems, too. */
static ent_status add_all(struct shortlist *list, const char *text, bool names, ent_error *error)
{
    ent_status status = ENT_OK;
    for (const char *at = text; at && !status;) {
        char one[SHORTLIST_TEXT];
        size_t size = strcspn(at, "|"), blank = strspn(at, " \t");
        const char *next = at[size] ? at + size + 1 : NULL;
        if (blank > size) blank = size;
        at += blank, size -= blank;
        while (size && (at[size - 1] == ' ' || at[size - 1] == '\t')) size--;
        if (size >= sizeof one) status = ent_fail(error, ENT_EINVAL, "pipeline \"%.200s\" is too long", at);
        if (!status) {
            memcpy(one, at, size);
            one[size] = '\0';
            const ent_system *system = names ? ent_system_find(one) : NULL;
            if (system && system->pipeline) status = add_all(list, system->pipeline, false, error);
            else if (system) status = ent_fail(error, ENT_EINVAL, "%s is lossless: it is no pipeline among others", one);
            else status = expand(list, one, error);
        }
        at = next;
    }
    return status;
}

ent_status shortlist_none(struct shortlist *list, ent_error *error)
{
    *list = (struct shortlist){ .n = 1, .candidate = ent_calloc(1, sizeof *list->candidate) };
    return list->candidate ? ENT_OK : ent_fail(error, ENT_ENOMEM, "out of memory");
}

ent_status shortlist_parse(struct shortlist *list, const char *text, ent_error *error)
{
    *list = (struct shortlist){ .candidate = ent_calloc(MOST, sizeof *list->candidate) };
    if (!list->candidate) return ent_fail(error, ENT_ENOMEM, "out of memory");
    ent_status status = add_all(list, text, true, error);
    if (status) shortlist_free(list);
    return status;
}

void shortlist_free(struct shortlist *list)
{
    ent_free(list->candidate);
    *list = (struct shortlist){ 0 };
}
