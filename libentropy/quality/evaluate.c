/* evaluate.c - mean loss, and how far a model's predictions are from another's. */
#include <math.h>
#include <string.h>

#include "quality/sequences.h"

typedef struct score { /* sums over the predicted tokens of one sequence */
    double nll, kl;
    uint64_t agreed;
} score;

typedef struct evaluation {
    const ent_llama *model[2]; /* the second: the reference, or NULL */
    const ent_text *text;
    const ent_run *run;
    sequences cut;
    score *score;   /* one a sequence */
    float **logits; /* two a thread */
    size_t done;
} evaluation;

/* log(sum(exp(logits))) and where the largest is. */
static double log_sum(const float *logits, uint32_t vocab, uint32_t *likeliest)
{
    double sum = 0;
    *likeliest = 0;
    for (uint32_t i = 1; i < vocab; i++)
        if (logits[i] > logits[*likeliest]) *likeliest = i;
    for (uint32_t i = 0; i < vocab; i++) sum += exp((double)logits[i] - logits[*likeliest]);
    return log(sum) + logits[*likeliest];
}

/* sum p log(p / q), p the reference's. */
static double divergence(const float *p, double p_sum, const float *q, double q_sum, uint32_t vocab)
{
    double sum = 0;
    for (uint32_t i = 0; i < vocab; i++) {
        double log_p = p[i] - p_sum;
        sum += exp(log_p) * (log_p - (q[i] - q_sum));
    }
    return sum;
}

static void add_token(score *s, const float *q, const float *p, uint32_t target, uint32_t vocab)
{
    uint32_t first, reference;
    double q_sum = log_sum(q, vocab, &first);
    s->nll += q_sum - q[target];
    if (!p) return;
    double p_sum = log_sum(p, vocab, &reference);
    s->kl += divergence(p, p_sum, q, q_sum, vocab);
    s->agreed += first == reference;
}

static ent_status evaluate_one(size_t i, unsigned thread, void *context)
{
    evaluation *e = context;
    const uint32_t *tokens = e->text->tokens + e->cut.first[i];
    size_t n = e->cut.length[i] - 1; /* the last one is only predicted */
    uint32_t vocab = ent_llama_config_of(e->model[0])->vocab;
    float **logits = e->logits + 2 * (size_t)thread;
    for (int k = 0; k < 2 && e->model[k]; k++) {
        ent_status status = ent_llama_forward(e->model[k], tokens, n, logits[k], NULL, NULL, NULL);
        if (status) return status;
    }
    for (size_t t = 0; t < n; t++)
        add_token(&e->score[i], logits[0] + t * vocab, e->model[1] ? logits[1] + t * vocab : NULL, tokens[t + 1], vocab);
    size_t done = __atomic_add_fetch(&e->done, 1, __ATOMIC_RELAXED);
    if (e->run && e->run->progress && !thread) e->run->progress(e->run->context, done, e->cut.n); /* from one thread at a time */
    return ENT_OK;
}

/* Mean of a sum over all tokens, and its standard error from the scatter of sequences: the ratio
 * estimator's, sequences taken as independent. */
static double mean(const evaluation *e, uint64_t predicted, double (*of)(const score *), double *error)
{
    double sum = 0, scatter = 0;
    for (size_t i = 0; i < e->cut.n; i++) sum += of(&e->score[i]);
    double mean = sum / (double)predicted;
    for (size_t i = 0; i < e->cut.n; i++) {
        double residual = of(&e->score[i]) - mean * (double)(e->cut.length[i] - 1);
        scatter += residual * residual;
    }
    double n = (double)e->cut.n;
    *error = n > 1 ? sqrt(scatter * n / (n - 1)) / (double)predicted : NAN;
    return mean;
}

static double nll_of(const score *s) { return s->nll; }
static double kl_of(const score *s) { return s->kl; }

static void summarise(const evaluation *e, ent_quality *q)
{
    uint64_t agreed = 0;
    *q = (ent_quality){ .sequences = e->cut.n, .kl_nats = NAN, .kl_stderr = NAN, .top1_agreement = NAN };
    for (size_t i = 0; i < e->cut.n; i++) {
        q->predicted += e->cut.length[i] - 1;
        agreed += e->score[i].agreed;
    }
    q->nll = mean(e, q->predicted, nll_of, &q->nll_stderr);
    q->perplexity = exp(q->nll);
    if (!e->model[1]) return;
    q->kl_nats = mean(e, q->predicted, kl_of, &q->kl_stderr);
    q->top1_agreement = (double)agreed / (double)q->predicted;
}

/* Memory for logits, as much as the longest sequence needs. */
static ent_status prepare(evaluation *e, unsigned threads)
{
    size_t longest = 0;
    for (size_t i = 0; i < e->cut.n; i++)
        if (e->cut.length[i] > longest) longest = e->cut.length[i];
    e->score = ent_calloc(e->cut.n, sizeof *e->score);
    e->logits = ent_calloc(2 * (size_t)threads, sizeof *e->logits);
    if (!e->score || !e->logits) return ENT_ENOMEM;
    for (size_t k = 0; k < 2 * (size_t)threads; k++) {
        if (!e->model[k % 2]) continue;
        e->logits[k] = ent_calloc((longest - 1) * ent_llama_config_of(e->model[0])->vocab, sizeof **e->logits);
        if (!e->logits[k]) return ENT_ENOMEM;
    }
    return ENT_OK;
}

ent_status ent_llama_evaluate(const ent_llama *llama, const ent_llama *reference, const ent_text *text,
                              const ent_run *run, ent_quality *quality, ent_error *error)
{
    const ent_llama_config *config = ent_llama_config_of(llama);
    evaluation e = { .model = { llama, reference }, .text = text, .run = run };
    unsigned threads = ent_threads(run ? run->threads : 0);
    if (reference && ent_llama_config_of(reference)->vocab != config->vocab)
        return ent_fail(error, ENT_EINVAL, "the models have %u and %u tokens", config->vocab,
                        ent_llama_config_of(reference)->vocab);
    ent_status status = ent_sequences_cut(&e.cut, text, config, error);
    if (!status && (status = prepare(&e, threads))) ent_fail(error, status, "no memory for the logits of %u threads", threads);
    if (!status && (status = ent_parallel(e.cut.n, threads, evaluate_one, &e)))
        ent_fail(error, status, "the forward pass failed: %s", ent_status_text(status));
    if (!status) summarise(&e, quality);
    for (size_t k = 0; e.logits && k < 2 * (size_t)threads; k++) ent_free(e.logits[k]);
    ent_free(e.logits);
    ent_free(e.score);
    ent_sequences_free(&e.cut);
    return status;
}
