/* test_quality.c - the forward pass against reference logits and against a plain one in double
 * precision; loss, divergence and errors against their definitions; calibration files, damaged ones
 * too.
 *
 * Over 500 lines because all of them run the same small model, which is made here. */
#include <math.h>

#include "oracle/llama.h"
#include "test.h"

#define MODEL "datasets/gutenberg-llama-4.7m"

/* ---- a model made on the spot -------------------------------------------------------------------------- */

typedef struct parameter {
    char name[96];
    uint32_t rows, cols;
    float *values;
} parameter;

typedef struct toy {
    ent_llama_config config;
    parameter list[64];
    size_t n;
} toy;

static void add(toy *m, ent_random *random, const char *name, uint32_t rows, uint32_t cols)
{
    parameter *p = &m->list[m->n++];
    assert_true(m->n <= sizeof m->list / sizeof *m->list);
    snprintf(p->name, sizeof p->name, "%s", name);
    p->rows = rows;
    p->cols = cols;
    p->values = ent_calloc((size_t)rows * cols, sizeof *p->values);
    assert_non_null(p->values);
    for (size_t i = 0; i < (size_t)rows * cols; i++)
        p->values[i] = (float)(1.6 * ent_random_uniform(random) - 0.8) + (rows == 1 ? 1.0f : 0.0f);
}

static const float *get(const char *name, void *context)
{
    const toy *m = context;
    for (size_t i = 0; i < m->n; i++)
        if (!strcmp(m->list[i].name, name)) return m->list[i].values;
    return NULL;
}

static void make_toy(toy *m, const ent_llama_config *config, uint64_t seed, bool biases)
{
    const ent_llama_config *c = config;
    uint32_t q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    ent_random random;
    ent_random_seed(&random, seed, 0);
    *m = (toy){ .config = *config };
    add(m, &random, "model.embed_tokens.weight", c->vocab, c->hidden);
    for (uint32_t i = 0; i < c->layers; i++) {
        const struct {
            const char *name;
            uint32_t rows, cols;
        } part[] = {
            { "input_layernorm.weight", 1, c->hidden },          { "self_attn.q_proj.weight", q, c->hidden },
            { "self_attn.k_proj.weight", kv, c->hidden },        { "self_attn.v_proj.weight", kv, c->hidden },
            { "self_attn.o_proj.weight", c->hidden, q },         { "post_attention_layernorm.weight", 1, c->hidden },
            { "mlp.gate_proj.weight", c->ffn, c->hidden },       { "mlp.up_proj.weight", c->ffn, c->hidden },
            { "mlp.down_proj.weight", c->hidden, c->ffn },       { "self_attn.q_proj.bias", 1, q },
            { "self_attn.k_proj.bias", 1, kv },                  { "self_attn.v_proj.bias", 1, kv },
        };
        for (size_t k = 0; k < sizeof part / sizeof *part - (biases ? 0 : 3); k++) {
            char name[96];
            snprintf(name, sizeof name, "model.layers.%u.%s", i, part[k].name);
            add(m, &random, name, part[k].rows, part[k].cols);
        }
    }
    add(m, &random, "model.norm.weight", 1, c->hidden);
    if (!c->tied) add(m, &random, "lm_head.weight", c->vocab, c->hidden);
}

static void free_toy(toy *m)
{
    for (size_t i = 0; i < m->n; i++) ent_free(m->list[i].values);
}

/* As a safetensors file in F32; its path. */
static const char *save_toy(const toy *m, const char *name)
{
    char header[16384];
    size_t at = 0, bytes = 0;
    at += (size_t)snprintf(header + at, sizeof header - at, "{");
    for (size_t i = 0; i < m->n; i++) {
        const parameter *p = &m->list[i];
        size_t size = 4 * (size_t)p->rows * p->cols;
        char shape[32];
        if (p->rows == 1)
            snprintf(shape, sizeof shape, "[%u]", p->cols);
        else
            snprintf(shape, sizeof shape, "[%u,%u]", p->rows, p->cols);
        at += (size_t)snprintf(header + at, sizeof header - at, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}",
                               i ? "," : "", p->name, shape, bytes, bytes + size);
        bytes += size;
    }
    at += (size_t)snprintf(header + at, sizeof header - at, "}");
    assert_true(at < sizeof header);
    uint8_t *file = malloc(8 + at + bytes), *to = file + 8 + at;
    assert_non_null(file);
    uint64_t length = at;
    memcpy(file, &length, 8);
    memcpy(file + 8, header, at);
    for (size_t i = 0; i < m->n; i++) {
        size_t size = 4 * (size_t)m->list[i].rows * m->list[i].cols;
        memcpy(to, m->list[i].values, size);
        to += size;
    }
    const char *path = scratch_path(name);
    write_file(path, file, 8 + at + bytes);
    free(file);
    return path;
}

static ent_llama *open_toy(const toy *m, const char *name)
{
    ent_weights *weights;
    ent_llama *llama;
    assert_ok(ent_weights_open(&weights, save_toy(m, name), NULL));
    assert_ok(ent_llama_open(&llama, &m->config, weights, NULL));
    ent_weights_close(weights);
    return llama;
}

static const ent_llama_config small = { .vocab = 37, .hidden = 12, .ffn = 20, .layers = 2, .heads = 4, .kv_heads = 2,
                                        .head_dim = 6, .context = 24, .bos = 1, .eps = 1e-5, .theta = 100, .tied = true,
                                        .rope_factor = 1 };

static void fill_tokens(uint32_t *tokens, size_t n, uint32_t vocab)
{
    for (size_t i = 0; i < n; i++) tokens[i] = (uint32_t)((i * i * 7 + 3 * i + 1) % vocab);
}

/* ---- the forward pass --------------------------------------------------------------------------------- */

static void compare_with_oracle(const ent_llama_config *config, uint64_t seed, bool biases)
{
    toy m;
    uint32_t tokens[24];
    float logits[24 * 37];
    double expected[24 * 37];
    make_toy(&m, config, seed, biases);
    ent_llama *llama = open_toy(&m, "toy.safetensors");
    fill_tokens(tokens, 24, config->vocab);
    assert_ok(ent_llama_forward(llama, tokens, 24, logits, NULL, NULL, NULL));
    oracle_llama(config, get, &m, tokens, 24, expected);
    for (size_t i = 0; i < 24 * 37; i++) assert_close(logits[i], expected[i], 2e-4 * (1 + fabs(expected[i])));
    ent_llama_close(llama);
    free_toy(&m);
}

static void forward_agrees_with_plain_loops(void **state)
{
    (void)state;
    ent_llama_config c = small;
    compare_with_oracle(&c, 1, false);
    c.tied = false;
    compare_with_oracle(&c, 2, true);
    c.kv_heads = 4;
    c.rope_factor = 2; /* linear */
    compare_with_oracle(&c, 3, false);
    c.kv_heads = 1;
    c.rope_factor = 8, c.rope_low = 1, c.rope_high = 4, c.rope_context = 64; /* llama3, with all its three ranges */
    compare_with_oracle(&c, 4, true);
}

static ent_llama *open_shipped(void)
{
    ent_llama_config config;
    ent_weights *weights;
    ent_llama *llama;
    assert_ok(ent_llama_config_read(&config, MODEL "/config.json", NULL));
    assert_ok(ent_weights_open(&weights, MODEL "/model.safetensors", NULL));
    assert_ok(ent_llama_open(&llama, &config, weights, NULL));
    ent_weights_close(weights);
    return llama;
}

/* Logits that another implementation computed (a .npy file: a header of 128 bytes, then floats). */
static void forward_gives_the_reference_logits(void **state)
{
    (void)state;
    static const uint32_t prompt[] = { 1, 837, 406, 1898, 391, 361, 1549, 579 };
    size_t size;
    uint8_t *file = read_file(MODEL "/prompt_logits_bf16.npy", &size);
    ent_llama *llama = open_shipped();
    float *logits = ent_calloc(8 * 4096, sizeof *logits), largest = 0;
    assert_int_equal(size, 128 + 8 * 4096 * sizeof(float));
    assert_ok(ent_llama_forward(llama, prompt, 8, logits, NULL, NULL, NULL));
    const float *expected = (const float *)(file + 128);
    for (size_t i = 0; i < 8 * 4096; i++) largest = fmaxf(largest, fabsf(expected[i]));
    for (size_t i = 0; i < 8 * 4096; i++) assert_close(logits[i], expected[i], 1e-5 * largest);
    ent_free(logits);
    ent_llama_close(llama);
    free(file);
}

/* ---- loss ------------------------------------------------------------------------------------------------ */

static double log_sum(const double *logits, uint32_t vocab)
{
    double sum = 0;
    for (uint32_t i = 0; i < vocab; i++) sum += exp(logits[i]);
    return log(sum);
}

/* Windows of 10 over 41 tokens: four; the oracle's logits, the definitions of loss and divergence. */
static void loss_and_divergence_are_as_defined(void **state)
{
    (void)state;
    toy a, b;
    uint32_t tokens[41];
    double p[10 * 37], q[10 * 37], nll = 0, kl = 0, agreed = 0, by_window[4] = { 0 };
    make_toy(&a, &small, 5, false);
    make_toy(&b, &small, 6, false);
    ent_llama *model = open_toy(&a, "a.safetensors"), *reference = open_toy(&b, "b.safetensors");
    fill_tokens(tokens, 41, 37);
    for (size_t w = 0; w < 4; w++) {
        oracle_llama(&small, get, &a, tokens + 10 * w, 10, q);
        oracle_llama(&small, get, &b, tokens + 10 * w, 10, p);
        for (size_t t = 0; t < 10; t++) {
            const double *qt = q + 37 * t, *pt = p + 37 * t;
            double qs = log_sum(qt, 37), ps = log_sum(pt, 37);
            uint32_t best_q = 0, best_p = 0;
            by_window[w] += qs - qt[tokens[10 * w + t + 1]];
            for (uint32_t i = 0; i < 37; i++) {
                kl += exp(pt[i] - ps) * (pt[i] - ps - qt[i] + qs) / 40;
                if (qt[i] > qt[best_q]) best_q = i;
                if (pt[i] > pt[best_p]) best_p = i;
            }
            agreed += best_p == best_q;
        }
        nll += by_window[w] / 40;
    }
    double scatter = 0;
    for (size_t w = 0; w < 4; w++) scatter += (by_window[w] / 10 - nll) * (by_window[w] / 10 - nll);
    for (unsigned threads = 1; threads <= 3; threads++) {
        ent_quality quality;
        ent_run run = { .threads = threads };
        ent_text text = { tokens, 41, 10, 0, 0 };
        assert_ok(ent_llama_evaluate(model, reference, &text, &run, &quality, NULL));
        assert_int_equal(quality.sequences, 4);
        assert_int_equal(quality.predicted, 40);
        assert_close(quality.nll, nll, 1e-4);
        assert_close(quality.nll_stderr, sqrt(scatter / 3 / 4), 1e-4);
        assert_close(quality.perplexity, exp(nll), 1e-3 * exp(nll));
        assert_close(quality.kl_nats, kl, 1e-4);
        assert_close(quality.top1_agreement, agreed / 40, 1e-12);
        assert_ok(ent_llama_evaluate(model, model, &text, &run, &quality, NULL));
        assert_close(quality.kl_nats, 0, 1e-12);
        assert_true(quality.top1_agreement == 1);
    }
    ent_llama_close(model);
    ent_llama_close(reference);
    free_toy(&a);
    free_toy(&b);
}

static void texts_are_cut_as_stated(void **state)
{
    (void)state;
    toy m;
    static const uint32_t tokens[] = { 1, 5, 6, 1, 7, 1, 8, 9, 10, 1 }; /* parts of 3, 2, 4 and 1 tokens */
    make_toy(&m, &small, 7, false);
    ent_llama *llama = open_toy(&m, "cut.safetensors");
    ent_quality q;
    ent_error error;
    ent_run run = { 0 };
    ent_text text = { tokens, 10, 0, 0, 0 };
    assert_ok(ent_llama_evaluate(llama, NULL, &text, &run, &q, NULL));
    assert_int_equal(q.sequences, 3);
    assert_int_equal(q.predicted, 2 + 1 + 3);
    assert_true(isnan(q.kl_nats) && isnan(q.top1_agreement));
    text.most = 2;
    assert_ok(ent_llama_evaluate(llama, NULL, &text, &run, &q, NULL));
    assert_int_equal(q.predicted, 3);
    text.skip = 1;
    assert_ok(ent_llama_evaluate(llama, NULL, &text, NULL, &q, NULL));
    assert_int_equal(q.predicted, 1 + 3);
    text.skip = 3;
    assert_status(ent_llama_evaluate(llama, NULL, &text, &run, &q, &error), ENT_EINVAL);
    text = (ent_text){ tokens, 10, 3, 0, 0 };
    assert_ok(ent_llama_evaluate(llama, NULL, &text, &run, &q, NULL));
    assert_int_equal(q.predicted, 9);
    text.window = 25;
    assert_status(ent_llama_evaluate(llama, NULL, &text, &run, &q, &error), ENT_EINVAL);
    text = (ent_text){ tokens, 1, 3, 0, 0 };
    assert_status(ent_llama_evaluate(llama, NULL, &text, &run, &q, &error), ENT_EINVAL);
    static const uint32_t beyond[] = { 1, 2, 37 };
    text = (ent_text){ beyond, 3, 2, 0, 0 };
    assert_status(ent_llama_evaluate(llama, NULL, &text, &run, &q, &error), ENT_EINVAL);
    assert_non_null(strstr(error.text, "token 37 at position 2"));
    ent_llama_close(llama);
    free_toy(&m);
}

/* ---- models that are not right ----------------------------------------------------------------------------- */

static void wrong_models_are_refused(void **state)
{
    (void)state;
    toy m;
    ent_error error;
    ent_weights *weights;
    ent_llama *llama;
    make_toy(&m, &small, 8, false);
    assert_ok(ent_weights_open(&weights, save_toy(&m, "wrong.safetensors"), NULL));
    ent_llama_config c = small;
    c.layers = 3;
    assert_status(ent_llama_open(&llama, &c, weights, &error), ENT_ECORRUPT);
    assert_non_null(strstr(error.text, "model.layers.2.input_layernorm.weight"));
    c = small;
    c.kv_heads = 4;
    assert_status(ent_llama_open(&llama, &c, weights, &error), ENT_ECORRUPT);
    assert_non_null(strstr(error.text, "k_proj"));
    c = small;
    c.tied = false;
    assert_status(ent_llama_open(&llama, &c, weights, &error), ENT_ECORRUPT);
    assert_non_null(strstr(error.text, "lm_head"));
    ent_weights_close(weights);
    free_toy(&m);
}

static void config_is_checked(void **state)
{
    (void)state;
#define SIZES "\"vocab_size\":8,\"hidden_size\":8,\"intermediate_size\":8,\"num_hidden_layers\":1,\"num_attention_heads\":2"
    static const struct {
        const char *text, *named;
        ent_status status;
    } config[] = {
        { "{" SIZES "}", NULL, ENT_OK },
        { "{" SIZES ",\"rope_scaling\":null,\"eos_token_id\":[1,2],\"bos_token_id\":[1,2]}", NULL, ENT_OK },
        { "{" SIZES ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8.0}}", NULL, ENT_OK },
        { "{" SIZES ",\"model_type\":\"gpt2\"}", "gpt2", ENT_EUNSUPPORTED },
        { "{" SIZES ",\"hidden_act\":\"gelu\"}", "gelu", ENT_EUNSUPPORTED },
        { "{" SIZES ",\"mlp_bias\":true}", "mlp_bias", ENT_EUNSUPPORTED },
        { "{" SIZES ",\"rope_scaling\":{\"type\":\"yarn\",\"factor\":8.0}}", "yarn", ENT_EUNSUPPORTED },
        { "{" SIZES ",\"rope_theta\":-1}", "rope_theta", ENT_ECORRUPT },
        { "{" SIZES ",\"num_key_value_heads\":3}", "share", ENT_ECORRUPT },
        { "{" SIZES ",\"num_key_value_heads\":0}", "share", ENT_ECORRUPT },
        { "{" SIZES ",\"head_dim\":5}", "rotated", ENT_ECORRUPT },
        { "{" SIZES ",\"head_dim\":1e99}", "head_dim", ENT_ECORRUPT },
        { "{" SIZES ",\"max_position_embeddings\":99999999999}", "max_position", ENT_ECORRUPT },
        { "{\"vocab_size\":8}", "hidden_size", ENT_ECORRUPT },
        { "[1]", "object", ENT_ECORRUPT },
        { "", "object", ENT_ECORRUPT },
    };
    for (size_t i = 0; i < sizeof config / sizeof *config; i++) {
        const char *path = scratch_path("config.json");
        ent_llama_config c;
        ent_error error = { 0 };
        write_file(path, config[i].text, strlen(config[i].text));
        assert_status(ent_llama_config_read(&c, path, &error), config[i].status);
        if (config[i].named) assert_non_null(strstr(error.text, config[i].named));
    }
}

/* ---- errors of tensors ------------------------------------------------------------------------------------- */

static void distortion_is_as_defined(void **state)
{
    (void)state;
    static const float a[] = { 3, 0, -4, INFINITY, 1 }, b[] = { 3, 0.5f, -4, 1, NAN };
    ent_distortion d = { 0 };
    ent_distortion_add(&d, a, b, 2);
    ent_distortion_add(&d, a + 2, b + 2, 3);
    assert_int_equal(d.n, 5);
    assert_int_equal(d.not_finite, 2);
    assert_close(ent_relative_error(&d), 0.1, 1e-12); /* 0.5 of sqrt(9 + 16) */
    assert_close(ent_sqnr_db(&d), 20, 1e-9);
    assert_close(d.largest, 0.5, 0);
    ent_distortion equal = { 0 };
    ent_distortion_add(&equal, a, a, 3);
    assert_true(isinf(ent_sqnr_db(&equal)));
    assert_true(ent_relative_error(&equal) == 0);
}

/* ---- calibration --------------------------------------------------------------------------------------------- */

/* Sums of doubles show in which order they were added. */
static void calibration_is_the_same_on_any_number_of_threads(void **state)
{
    (void)state;
    enum { TOKENS = 3001 };
    toy m;
    uint32_t tokens[TOKENS];
    ent_calibration one, many;
    ent_error error;
    make_toy(&m, &small, 9, false);
    ent_llama *llama = open_toy(&m, "threads.safetensors");
    fill_tokens(tokens, TOKENS, 37);
    ent_text text = { tokens, TOKENS, 10, 0, 0 };
    assert_ok(ent_calibrate(&one, llama, &text, true, &(ent_run){ .threads = 1 }, NULL));
    for (unsigned threads = 8; threads > 1; threads /= 2) {
        assert_ok(ent_calibrate(&many, llama, &text, true, &(ent_run){ .threads = threads }, NULL));
        assert_int_equal(many.inputs, one.inputs);
        for (size_t i = 0; i < one.inputs; i++) {
            const ent_input_stats *a = &one.input[i], *b = &many.input[i];
            assert_int_equal(b->rows, TOKENS - 1);
            assert_memory_equal(a->largest, b->largest, a->cols * sizeof *a->largest);
            assert_memory_equal(a->squares, b->squares, a->cols * sizeof *a->squares);
            assert_memory_equal(a->second, b->second, (size_t)a->cols * a->cols * sizeof *a->second);
        }
        ent_calibration_free(&many);
    }
    ent_calibration_free(&one);
    tokens[1500] = 37; /* beyond the vocabulary */
    assert_status(ent_calibrate(&one, llama, &text, true, NULL, &error), ENT_EINVAL);
    assert_null(one.input);
    ent_llama_close(llama);
    free_toy(&m);
}

struct seen {
    size_t rows;
    float x[64][12];
};

static void keep(int input, const float *rows, size_t n, uint32_t cols, void *context)
{
    struct seen *seen = context;
    if (input != 4 || cols != 12) return; /* what feeds q, k and v of layer 1 */
    for (size_t i = 0; i < n; i++) memcpy(seen->x[seen->rows++], rows + i * cols, sizeof seen->x[0]);
}

static void calibration_sums_what_layers_see(void **state)
{
    (void)state;
    toy m;
    uint32_t tokens[31];
    float logits[10 * 37];
    struct seen seen = { 0 };
    ent_calibration calibration, back;
    ent_error error;
    ent_run run = { 0 };
    make_toy(&m, &small, 9, false);
    ent_llama *llama = open_toy(&m, "calibrated.safetensors");
    fill_tokens(tokens, 31, 37);
    ent_text text = { tokens, 31, 10, 0, 0 };
    for (size_t w = 0; w < 3; w++) assert_ok(ent_llama_forward(llama, tokens + 10 * w, 10, logits, keep, &seen, NULL));
    assert_ok(ent_calibrate(&calibration, llama, &text, true, &run, NULL));
    const char *path = scratch_path("calibration.h5");
    assert_ok(ent_calibration_write(&calibration, path, NULL));
    assert_ok(ent_calibration_read(&back, path, NULL));
    assert_int_equal(back.inputs, 9);
    const ent_input_stats *s = &back.input[4];
    assert_int_equal(s->rows, 30);
    assert_int_equal(s->cols, 12);
    for (size_t i = 0; i < 12; i++) {
        double largest = 0;
        for (size_t r = 0; r < 30; r++) largest = fmax(largest, fabs(seen.x[r][i]));
        assert_close(s->largest[i], largest, 0);
        for (size_t j = 0; j <= i; j++) {
            double sum = 0;
            for (size_t r = 0; r < 30; r++) sum += (double)seen.x[r][i] * seen.x[r][j];
            assert_close(s->second[12 * i + j], sum, 1e-4);
            if (i == j) assert_close(s->squares[i], sum, 1e-9);
        }
    }
    /* the error of a layer's output: by the rows themselves */
    const float *w = get("model.layers.1.self_attn.k_proj.weight", &m);
    float changed[12 * 12];
    double signal = 0, noise = 0;
    for (size_t i = 0; i < 144; i++) changed[i] = w[i] + 0.01f * (float)(i % 5);
    for (size_t r = 0; r < 30; r++)
        for (size_t o = 0; o < 12; o++) {
            double y = 0, z = 0;
            for (size_t i = 0; i < 12; i++) {
                y += (double)w[12 * o + i] * seen.x[r][i];
                z += (double)changed[12 * o + i] * seen.x[r][i];
            }
            signal += y * y;
            noise += (z - y) * (z - y);
        }
    assert_close(ent_output_error(s, w, changed, 12), sqrt(noise / signal), 1e-5);
    /* damaged files */
    size_t size;
    uint8_t *file = read_file(path, &size);
    for (size_t cut = 0; cut < size; cut += size / 17 + 1) {
        ent_calibration none;
        write_file(scratch_path("cut.h5"), file, cut);
        assert_status(ent_calibration_read(&none, scratch_path("cut.h5"), &error), ENT_ECORRUPT);
        assert_null(none.input);
    }
    free(file);
    ent_calibration_free(&calibration);
    ent_calibration_free(&back);
    ent_llama_close(llama);
    free_toy(&m);
}

/* ---- sensitivities -------------------------------------------------------------------------------------------- */

typedef struct head_input {
    int input;
    double squares, energy; /* sums of |x|^2; of |W x|^2 */
} head_input;

static void watch_head(int input, const float *rows, size_t n, uint32_t cols, void *context)
{
    head_input *h = context;
    if (input != h->input) return;
    for (size_t t = 0; t < n; t++)
        for (uint32_t i = 0; i < cols; i++) h->squares += (double)rows[t * cols + i] * rows[t * cols + i];
}

/* Of the head alone there is a closed form: independent noise of variance v on its weights changes every logit by a variance of
 * v |x|^2, and the divergence is half of that times sum p (1 - p), to second order. */
static void the_head_is_as_sensitive_as_its_softmax(void **state)
{
    (void)state;
    toy m;
    ent_llama_config config = small;
    config.vocab = 400;
    config.tied = false;
    make_toy(&m, &config, 9, false);
    float *head = (float *)(size_t)get("lm_head.weight", &m);
    for (size_t i = 0; i < (size_t)config.vocab * config.hidden; i++) head[i] *= 0.3f;
    ent_llama *llama = open_toy(&m, "sensitive.safetensors"), *reference = open_toy(&m, "sensitive.safetensors");
    uint32_t tokens[22], n = 21;
    for (uint32_t i = 0; i <= n; i++) tokens[i] = 2 + i * 17 % 391;
    const ent_text text = { tokens, n + 1, n, 0, 0 };
    const ent_run run = { .threads = 2 };
    ent_calibration calibration, back;
    assert_ok(ent_calibrate(&calibration, llama, &text, true, &run, NULL));
    assert_true(isnan(ent_calibration_sensitivity(&calibration, "lm_head.weight")));
    assert_ok(ent_calibrate_sensitivity(&calibration, llama, reference, &text, &run, NULL));
    /* the closed form */
    head_input h = { .input = (int)ent_llama_inputs(llama) - 1 };
    float *logits = ent_calloc((size_t)n * config.vocab, sizeof *logits);
    double spread = 0;
    assert_ok(ent_llama_forward(llama, tokens, n, logits, watch_head, &h, NULL));
    for (uint32_t t = 0; t < n; t++) {
        double sum = 0, squares = 0;
        for (uint32_t o = 0; o < config.vocab; o++) {
            double z = logits[t * config.vocab + o];
            h.energy += z * z;
            sum += exp(z);
            squares += exp(2 * z);
        }
        spread += 1 - squares / (sum * sum);
    }
    /* all x have the same length, after the norm, but for its weights: the mean of products is near that of the means */
    double expected = 0.5 * h.squares / n * spread / n * h.energy / (config.vocab * h.squares);
    assert_close(ent_calibration_sensitivity(&calibration, "lm_head.weight") / expected, 1, 0.15);
    assert_int_equal(calibration.matrices, 2 + 7 * config.layers);
    for (size_t i = 0; i < ent_llama_tensors(llama); i++) { /* left as it was */
        const ent_llama_tensor *t = ent_llama_tensor_at(llama, i);
        assert_memory_equal(t->values, ent_llama_tensor_at(reference, i)->values, (size_t)t->rows * t->cols * sizeof(float));
    }
    const char *path = scratch_path("sensitive.h5");
    assert_ok(ent_calibration_write(&calibration, path, NULL));
    assert_ok(ent_calibration_read(&back, path, NULL));
    assert_int_equal(back.matrices, calibration.matrices);
    for (size_t i = 0; i < calibration.matrices; i++)
        assert_true(ent_calibration_sensitivity(&back, calibration.sensitivity[i].name) == calibration.sensitivity[i].kl_nats);
    ent_calibration_free(&back);
    calibration.sensitivity[0].kl_nats = -1;
    assert_ok(ent_calibration_write(&calibration, path, NULL));
    assert_status(ent_calibration_read(&back, path, NULL), ENT_ECORRUPT);
    ent_calibration_free(&calibration);
    ent_llama_close(llama);
    ent_llama_close(reference);
    ent_free(logits);
    free_toy(&m);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_agrees_with_plain_loops),
        cmocka_unit_test(forward_gives_the_reference_logits),
        cmocka_unit_test(loss_and_divergence_are_as_defined),
        cmocka_unit_test(texts_are_cut_as_stated),
        cmocka_unit_test(wrong_models_are_refused),
        cmocka_unit_test(config_is_checked),
        cmocka_unit_test(distortion_is_as_defined),
        cmocka_unit_test(calibration_is_the_same_on_any_number_of_threads),
        cmocka_unit_test(calibration_sums_what_layers_see),
        cmocka_unit_test(the_head_is_as_sensitive_as_its_softmax),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
