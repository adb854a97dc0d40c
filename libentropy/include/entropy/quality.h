/* quality.h - what changed weights cost: error of tensors, and a language model's loss by a forward pass.
 *
 * Layer 3.  The forward pass is the Llama architecture's (touvron2023) as Hugging Face's
 * LlamaForCausalLM computes it: RMSNorm, rotary positions in the rotate-half form, grouped-query
 * attention, SwiGLU, head tied to the embedding or not; biases of attention are used where the file
 * has them (Qwen2).  All arithmetic is float32, matrix products by BLAS.
 */
#ifndef ENTROPY_QUALITY_H
#define ENTROPY_QUALITY_H

#include <entropy/transform.h>
#include <entropy/weights.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- error of a tensor ------------------------------------------------------------------------ */

/* Of `changed` against `original`, n values each.  Pairs in which either is not finite are counted
 * apart and enter nothing else. */
typedef struct ent_distortion {
    uint64_t n, not_finite; /* pairs added; of them those apart */
    double signal, noise; /* sums of squares: of the original, of the difference */
    double largest;       /* largest absolute difference */
} ent_distortion;

/* Adds to *distortion, which begins all zero, so that a tensor may come in parts; sums in double. */
ENT_API void ent_distortion_add(ent_distortion *distortion, const float *original, const float *changed, size_t n);
/* sqrt(noise / signal); 0 when both are 0, infinite when only the signal is. */
ENT_API double ent_relative_error(const ent_distortion *distortion);
/* 10 log10(signal / noise), infinite for no noise. */
ENT_API double ent_sqnr_db(const ent_distortion *distortion);

/* ---- the model ---------------------------------------------------------------------------------- */

/* A config.json, its keys in brackets. */
typedef struct ent_llama_config {
    uint32_t vocab, hidden, ffn, layers; /* [vocab_size, hidden_size, intermediate_size, num_hidden_layers] */
    uint32_t heads, kv_heads, head_dim;  /* [num_attention_heads, num_key_value_heads, head_dim] */
    uint32_t context;                    /* most tokens of a sequence [max_position_embeddings] */
    uint32_t bos;                        /* token that begins a text [bos_token_id] */
    double eps, theta;                   /* [rms_norm_eps, rope_theta] */
    bool tied;                           /* the head is the embedding [tie_word_embeddings] */
    /* [rope_scaling] of type "linear" (factor alone) or "llama3"; factor 1: none */
    double rope_factor, rope_low, rope_high;
    uint32_t rope_context; /* 0: linear */
} ent_llama_config;

/* Reads a config.json.  ENT_EUNSUPPORTED for architectures that differ in more than numbers (named),
 * ENT_ECORRUPT for one that makes no sense. */
ENT_API ent_status ent_llama_config_read(ent_llama_config *config, const char *path, ent_error *error);

/* A matrix of the model whose input can be calibrated, or any other parameter; float32, row by row. */
typedef struct ent_llama_tensor {
    const char *name;    /* in the weight file */
    uint32_t rows, cols; /* (out, in); a vector has one row */
    float *values;       /* may be written between forward passes: quantized, pruned, ... */
    int input;           /* which of ent_llama_inputs feeds it; -1: not a linear layer */
} ent_llama_tensor;

/* A model with its parameters in memory. */
typedef struct ent_llama ent_llama;

/* Copies all parameters to float32 (4 bytes each, whatever their dtype).  `weights` has the names of
 * LlamaForCausalLM and is not needed afterwards.  ENT_ECORRUPT when a tensor is missing, of a wrong shape or
 * of a dtype that is no number, each named. */
ENT_API ent_status ent_llama_open(ent_llama **llama, const ent_llama_config *config, const ent_weights *weights,
                                  ent_error *error);
ENT_API void ent_llama_close(ent_llama *llama); /* takes NULL */
ENT_API const ent_llama_config *ent_llama_config_of(const ent_llama *llama); /* as given to ent_llama_open */
ENT_API size_t ent_llama_tensors(const ent_llama *llama); /* their number, a tied head not counted */
ENT_API ent_llama_tensor *ent_llama_tensor_at(ent_llama *llama, size_t i); /* tensor i, as long as the model lives */
ENT_API ent_llama_tensor *ent_llama_find(ent_llama *llama, const char *name); /* NULL: none */

/* What feeds linear layers: for each layer of the model the inputs of q, k, v; of o; of gate and up;
 * of down; and last the input of the head. */
ENT_API size_t ent_llama_inputs(const ent_llama *llama); /* 4 * layers + 1 */

/* Sees an input: n rows (one a token) of `cols` values.  Called from ent_llama_forward's thread. */
typedef void ent_llama_observer(int input, const float *rows, size_t n, uint32_t cols, void *context);

/* The logits (n * vocab, aligned; NULL: not wanted) after each of n tokens, 1 <= n <= context, all tokens below
 * vocab.  About 2 operations a parameter and token; memory: 4 * (n^2 + n * (3 hidden + 3 ffn)) bytes for the
 * call.  Any number of threads may run on one model at once.  BLAS uses one thread inside ent_parallel, where the
 * same bits come out whatever the number of threads, and all elsewhere, where last digits may depend on it. */
ENT_API ent_status ent_llama_forward(const ent_llama *llama, const uint32_t *tokens, size_t n, float *logits,
                                     ent_llama_observer *observer, void *context, ent_error *error);

/* ---- loss ----------------------------------------------------------------------------------------- */

/* How a token file is cut.  windows: sequence i is tokens i * window .. i * window + window (one more
 * than the window, shared with the next); window 0: a sequence begins at each bos token, cut at the
 * model's context.  The first token of a sequence is given, the others are predicted. */
typedef struct ent_text {
    const uint32_t *tokens; /* borrowed */
    size_t n;      /* tokens in all */
    size_t window; /* 0 .. context */
    size_t most;   /* sequences; 0: all */
    size_t skip;   /* sequences passed over before those */
} ent_text;

/* How well a model tells a text, and how near it is to the one that it was made from. */
typedef struct ent_quality {
    uint64_t sequences, predicted; /* predicted: tokens */
    double nll, nll_stderr; /* mean negative log-likelihood of a token in nats; standard error over sequences */
    double perplexity;      /* exp(nll) */
    /* The rest is against the reference, NaN without one. */
    double kl_nats;         /* mean of KL(reference || model) over predicted tokens */
    double kl_stderr;       /* of kl_nats, over sequences */
    double top1_agreement;  /* share of tokens for which both find the same one likeliest */
} ent_quality;

/* Runs `reference` (may be NULL) beside the model, sequences spread over threads; the result does not
 * depend on their number.  ENT_EINVAL when a token is not below vocab, or the models' vocabularies
 * differ, or there is nothing to predict. */
ENT_API ent_status ent_llama_evaluate(const ent_llama *llama, const ent_llama *reference, const ent_text *text,
                                      const ent_run *run, ent_quality *quality, ent_error *error);

/* ---- calibration ------------------------------------------------------------------------------------ */

/* What an error of a matrix costs, the others left alone: its loss is `kl_nats` times its squared relative error, of its
 * layer's output (ent_output_error) where it has an input, else of its weights.  For small errors the losses
 * of matrices add up (the linearity theorem: malinovskii2025), so bits can be shared out by ent_choose. */
typedef struct ent_sensitivity {
    char *name;     /* of the tensor */
    double kl_nats; /* for a squared relative error of 1 */
} ent_sensitivity;

/* What is known of a model's layers from a text; owned, freed by ent_calibration_free. */
typedef struct ent_calibration {
    size_t inputs;                /* 0 before all */
    ent_input_stats *input;       /* in the order of ent_llama_inputs */
    size_t matrices;              /* 0: sensitivities were not measured */
    ent_sensitivity *sensitivity; /* of each matrix */
} ent_calibration;

/* Runs the model over the text; `second` says whether second moments are wanted (8 * cols^2 bytes an input, and
 * 4 * cols^2 of the widest input a thread).  Sequences are spread over threads and added in their order: the same bits
 * for any number of threads, where the BLAS has the same kernels.  ENT_EINVAL when a token is not below vocab. */
ENT_API ent_status ent_calibrate(ent_calibration *calibration, const ent_llama *llama, const ent_text *text, bool second,
                                 const ent_run *run, ent_error *error);
/* Adds the sensitivity of every matrix to a calibration without any: noise of a relative error of 1/8, the same on every
 * machine, is put on one matrix of `llama` at a time and the divergence from `reference`, the same model, measured.
 * `llama` is changed meanwhile and left as it was.  A forward pass of both over the text for each matrix. */
ENT_API ent_status ent_calibrate_sensitivity(ent_calibration *calibration, ent_llama *llama, const ent_llama *reference,
                                             const ent_text *text, const ent_run *run, ent_error *error);
/* Of the tensor of that name; NaN when it was not measured. */
ENT_API double ent_calibration_sensitivity(const ent_calibration *calibration, const char *name);
ENT_API void ent_calibration_free(ent_calibration *calibration); /* frees its arrays and zeroes it */
/* As HDF5: /inputs/<i> with datasets largest, squares, second (if there) and attribute rows; /sensitivities/<tensor>, a
 * number (if measured); the same bytes for the same numbers.  Reading: ENT_ECORRUPT for what cannot have been written so. */
ENT_API ent_status ent_calibration_write(const ent_calibration *calibration, const char *path, ent_error *error);
ENT_API ent_status ent_calibration_read(ent_calibration *calibration, const char *path, ent_error *error);

/* Relative error of a layer's output, E |(W' - W) x|^2 / E |W x|^2, for rows x cols matrices, from the
 * second moments where the input has them, else from the squares alone as if channels were
 * uncorrelated.  Square root of that ratio. */
ENT_API double ent_output_error(const ent_input_stats *input, const float *original, const float *changed, uint32_t rows);

#ifdef __cplusplus
}
#endif
#endif
