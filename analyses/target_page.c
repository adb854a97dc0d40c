/* target_page.c - see target_page.h.
 *
 * A number is as sure as the least sure number that it was computed from: beside what bounds a pass, and over energy
 * and area, stands the status of that one. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "output.h"
#include "pareto.h"
#include "save.h"
#include "target_page.h"

enum { MOST_FACTS = 512, MOST_CODECS = PARETO_POINTS };

struct page {
    const struct page_subject *s;
    const ent_target *target;
    ent_fact fact[MOST_FACTS];
    size_t facts;
    struct table table; /* all workloads, for the TSV */
    bool measured;
    const char *remark[MOST_CODECS]; /* why the target cannot do with a codec; NULL: it can */
    char remarks[MOST_CODECS][sizeof(((ent_error *)0)->text)];
};

/* ---- how sure -------------------------------------------------------------------------------- */

/* Which keys the stages use. */
static const struct { const char *stage, *keys; } uses[] = {
    { "memory", " gbps gbps_per_core " },
    { "decoder", " clock_ghz count symbols_per_cycle operations_per_cycle loads_per_cycle load_latency_cycles "
                 "multiply_latency_cycles branch_cycles vector_bytes vectors_per_cycle "
                 "gather_lanes_per_cycle cores gbps_per_core " },
    { "intake", " clock_ghz intake_weights_per_cycle " },
    { "compute", " clock_ghz macs_per_cycle " },
    { "energy", " pj_per_bit pj_per_mac pj_per_symbol pj_per_cycle " },
    { "area", " count area_um2 " },
};

/* The status of the least sure number that a stage uses; "" when it uses none. */
static const char *sureness(const struct page *page, const char *stage)
{
    const ent_fact *worst = NULL;
    if (!strcmp(stage, "measured") || !strcmp(stage, "rates")) return "measured";
    for (size_t u = 0; u < sizeof uses / sizeof *uses; u++)
        for (size_t i = 0; i < page->facts && !strcmp(uses[u].stage, stage); i++) {
            char key[64];
            snprintf(key, sizeof key, " %s ", page->fact[i].key);
            if (strstr(uses[u].keys, key) && (!worst || page->fact[i].doubt > worst->doubt)) worst = &page->fact[i];
        }
    return worst ? worst->status : "";
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* Text and the status of what it rests on: in a column of its own for programs, in brackets for people. */
static void rated(struct table *t, bool people, const char *text, const char *status)
{
    bool both = *text && *status;
    if (people) table_cell(t, "%s%s%s%s", text, both ? " (" : "", both ? status : "", both ? ")" : "");
    else table_cell(t, "%s", text);
    if (!people) table_cell(t, "%s", *text ? status : "");
}

static void rated_number(struct table *t, bool people, double value, const char *status)
{
    char text[32] = "";
    if (!isnan(value)) snprintf(text, sizeof text, "%.4g", value);
    rated(t, people, text, status);
}

static void add_row(const struct page *page, struct table *t, bool people, const struct page_codec *c,
                    const struct page_workload *w, const struct pass_cost *p)
{
    const char *energy = sureness(page, "energy"), *limit = sureness(page, p->cost.limit);
    if (!people) table_cell(t, "%s", page->s->model);
    if (!people) table_cell(t, "%s", w->name);
    table_cell(t, "%s", ent_codec_name(c->codec));
    table_number(t, c->bits, 4);
    table_cell(t, "%.4g", p->tokens_per_second);
    table_number(t, p->over_raw, 3);
    rated(t, people, p->cost.limit, limit);
    rated_number(t, people, p->energy_mj, energy);
    table_number(t, 100 * p->energy_mj / p->raw_energy_mj, 1);
    rated_number(t, people, p->area_mm2, p->area_mm2 > 0 ? sureness(page, "area") : "");
}

static void best_of(struct page_best *best, const struct page_codec *c, const struct pass_cost *p)
{
    if (best->codec && best->tokens_per_second >= p->tokens_per_second) return;
    *best = (struct page_best){ ent_codec_name(c->codec), p->cost.limit, p->tokens_per_second, p->over_raw };
}

static void no_row(struct page *page, size_t i, const ent_error *error)
{
    snprintf(page->remarks[i], sizeof page->remarks[i], "%s", error->text);
    page->remark[i] = page->remarks[i];
}

static ent_status workload(struct page *page, size_t w, FILE *file, struct page_best *best, ent_error *error)
{
    const struct page_workload *work = &page->s->workload[w];
    struct table t;
    ent_status status = ENT_OK;
    char reason[sizeof error->text] = "";
    table_begin(&t, "<codec|bits/weight|tokens/s|x uncoded|<bound by|mJ/token|% of uncoded|decoders mm2");
    *best = (struct page_best){ .codec = NULL };
    for (size_t i = 0; i < page->s->codecs && !status; i++) {
        struct pass_cost cost;
        status = pass_find(&work->pass, page->target, page->s->codec[i].codec, page->s->codec[i].bits, &cost, error);
        if (!status) {
            add_row(page, &t, true, &page->s->codec[i], work, &cost);
            add_row(page, &page->table, false, &page->s->codec[i], work, &cost);
            best_of(best, &page->s->codec[i], &cost);
        } else if (status == ENT_EUNSUPPORTED) {
            snprintf(reason, sizeof reason, "%s", error->text);
            status = ENT_OK;
        }
    }
    fprintf(file, "\n### %c%s\n\n", work->name[0] - 'a' + 'A', work->name + 1);
    if (best->codec) table_markdown(&t, file);
    else fprintf(file, "Not at all: %s.\n", reason);
    table_free(&t);
    return status;
}

/* ---- the plot -------------------------------------------------------------------------------- */

static ent_status plot(struct page *page, const char *folder, bool *drawn, ent_error *error)
{
    struct pareto_point point[MOST_CODECS];
    struct pareto_text text = { .one = "uncoded (memcpy)" };
    char path[PATH_MAX];
    size_t n = 0;
    for (size_t i = 0; i < page->s->codecs; i++) {
        const struct page_codec *c = &page->s->codec[i];
        ent_prediction p;
        ent_recipe recipe;
        ent_error reason;
        ent_status status = ent_codec_bind(c->codec, page->s->dtype, &recipe, &reason);
        if (!status) status = ent_target_predict(page->target, &recipe, c->bits, 0, &p, &reason);
        if (status && status != ENT_EUNSUPPORTED) return ent_fail(error, status, "%s", reason.text);
        if (status) no_row(page, i, &reason);
        else point[n++] = (struct pareto_point){ ent_codec_name(c->codec), p.weights_per_ns / p.raw_weights_per_ns,
                                                 c->bits, false };
    }
    *drawn = false;
    if (!n) return ENT_OK;
    snprintf(path, sizeof path, "%s/%s-pareto", folder, ent_target_name(page->target));
    snprintf(text.title, sizeof text.title, "%.200s on %.100s", page->s->model, ent_target_name(page->target));
    snprintf(text.axis, sizeof text.axis, "weights per second, coded / uncoded (%s)",
             page->measured ? "measured" : "modelled");
    ent_status status = pareto_draw(point, n, &text, NAN, path, error);
    *drawn = !status;
    return status == ENT_EUNSUPPORTED ? ENT_OK : status;
}

/* ---- the page -------------------------------------------------------------------------------- */

static void print_facts(const struct page *page, FILE *file)
{
    struct table t;
    table_begin(&t, "<part|<number|value|<status|<source");
    for (size_t i = 0; i < page->facts; i++) {
        const ent_fact *f = &page->fact[i];
        table_cell(&t, "%s", f->part);
        table_cell(&t, "%s", f->key);
        table_cell(&t, "%s", f->text);
        table_cell(&t, "%s%s%s", f->status, *f->date ? " " : "", f->date);
        table_cell(&t, "%s", f->source);
    }
    fprintf(file, "\n## What it rests on\n\n");
    table_markdown(&t, file);
    table_free(&t);
}

static void print_head(const struct page *page, FILE *file)
{
    const char *name = ent_target_name(page->target);
    ent_target_origin origin;
    fprintf(file, "# %s\n\n%s.\n\n", name, ent_target_brief(page->target));
    if (ent_target_origin_of(page->target, &origin))
        fprintf(file, "Measured: `%s`, %s, %s. What decoding takes comes from its rows, what memory takes from its "
                "bandwidths; another machine, or another day, gives other numbers.\n\n", origin.command, origin.date,
                origin.cpu);
    else
        fprintf(file, "Modelled: nothing here was measured. Bits a weight come from coding %s; the rest is computed "
                "from the numbers at the end with the equations of `analyses/README.md`. In brackets stands the status "
                "of the least sure number that a value rests on.\n\n", page->s->model);
    fprintf(file, "![Bits per weight against decoding](%s-pareto.svg)\n\n*Every codec that the target can decode: "
            "bits a weight against how many weights a second it sustains on an endless stream from its farthest "
            "memory, uncoded weights = 1 (raw; a memcpy of them). Joined: no other codec beats it in both.*\n\n## "
            "What each codec does\n", name);
}

static void print_remarks(const struct page *page, FILE *file)
{
    bool any = false;
    for (size_t i = 0; i < page->s->codecs; i++) {
        if (!page->remark[i]) continue;
        if (!any) fprintf(file, "\n## What it cannot decode\n\n");
        any = true;
        fprintf(file, "- %s: %s\n", ent_codec_name(page->s->codec[i].codec), page->remark[i]);
    }
}

static ent_status write_page(struct page *page, const char *path, struct page_best *best, ent_error *error)
{
    struct save save;
    ent_status status = save_open(&save, path, error);
    if (status) return status;
    print_head(page, save.file);
    for (size_t w = 0; w < page->s->workloads && !status; w++) status = workload(page, w, save.file, &best[w], error);
    print_remarks(page, save.file);
    print_facts(page, save.file);
    return save_close(&save, status, error);
}

static ent_status write_tsv(const struct page *page, const char *path, ent_error *error)
{
    struct save save;
    ent_status status = save_open(&save, path, error);
    if (status) return status;
    table_tsv(&page->table, save.file);
    return save_close(&save, ENT_OK, error);
}

ent_status target_page(const struct page_subject *subject, const ent_target *target, const char *folder,
                       struct page_best *best, bool *drawn, ent_error *error)
{
    char path[PATH_MAX], tsv[PATH_MAX];
    if (subject->codecs > MOST_CODECS) return ent_fail(error, ENT_ERANGE, "more than %d codecs", MOST_CODECS);
    if (snprintf(path, sizeof path, "%s/%s.md", folder, ent_target_name(target)) >= PATH_MAX - 20)
        return ent_fail(error, ENT_EINVAL, "%s: the name is too long", folder);
    snprintf(tsv, sizeof tsv, "%s/%s.tsv", folder, ent_target_name(target));
    struct page *page = ent_calloc(1, sizeof *page);
    if (!page) return ent_fail(error, ENT_ENOMEM, "out of memory");
    page->s = subject;
    page->target = target;
    page->measured = ent_target_kind_of(target) == ENT_TARGET_MEASURED;
    page->facts = ent_target_facts(target, page->fact, MOST_FACTS);
    if (page->facts > MOST_FACTS) page->facts = MOST_FACTS;
    table_begin(&page->table, "model|workload|codec|bits_per_weight|tokens_per_second|over_uncoded|bound_by|"
                              "bound_by_status|mj_per_token|energy_status|energy_percent_of_uncoded|decoders_mm2|"
                              "area_status");
    ent_status status = plot(page, folder, drawn, error);
    if (!status) status = write_page(page, path, best, error);
    if (!status) status = write_tsv(page, tsv, error);
    table_free(&page->table);
    ent_free(page);
    return status;
}
