/* role.c - what a tensor is in its model, by its name.
 *
 * A rule is one or more dotted components that must occur in the name, whole; '*' stands for any
 * run of characters inside a component, at its ends only; '^' in front means that the name begins
 * so.  First match wins, so that a bias is a bias and a norm a norm wherever it sits.
 */
#include <string.h>

#include <entropy/weights.h>

static const struct {
    const char *pattern, *role;
} rules[] = {
    { "attn.bias", "other" }, /* the causal mask of GPT-2 and GPT-NeoX, a buffer of their checkpoints */
    { "attn.masked_bias", "other" },
    { "attention.bias", "other" },
    { "attention.masked_bias", "other" },
    { "bias", "bias" },
    { "bias_*", "bias" },
    { "*_bias", "bias" },
    { "*norm*", "norm" },
    { "ln*", "norm" },
    { "bn*", "norm" },
    { "*_bn*", "norm" },
    { "*_BN", "norm" },
    { "router", "router" },
    { "mlp.gate", "router" },
    { "block_sparse_moe.gate", "router" },
    { "shared_expert_gate", "router" },
    { "ffn_gate_inp*", "router" }, /* GGUF */
    { "attn_qkv", "qkv_proj" },
    { "attn_q", "q_proj" },
    { "attn_k", "k_proj" },
    { "attn_v", "v_proj" },
    { "attn_output", "o_proj" },
    { "ffn_gate*", "gate_proj" },
    { "ffn_up*", "up_proj" },
    { "ffn_down*", "down_proj" },
    { "token_embd", "embed" },
    { "qkv_proj", "qkv_proj" },
    { "c_attn", "qkv_proj" },
    { "query_key_value", "qkv_proj" },
    { "Wqkv", "qkv_proj" },
    { "in_proj_weight", "qkv_proj" },
    { "ffn.key", "up_proj" }, /* RWKV */
    { "ffn.value", "down_proj" },
    { "att.output", "o_proj" },
    { "q_proj", "q_proj" },
    { "wq", "q_proj" },
    { "query", "q_proj" },
    { "k_proj", "k_proj" },
    { "wk", "k_proj" },
    { "key", "k_proj" },
    { "v_proj", "v_proj" },
    { "wv", "v_proj" },
    { "value", "v_proj" },
    { "o_proj", "o_proj" },
    { "out_proj", "o_proj" },
    { "wo", "o_proj" },
    { "attn.c_proj", "o_proj" },
    { "attention.dense", "o_proj" },
    { "self_attention.dense", "o_proj" },
    { "self_attn.dense", "o_proj" },
    { "gate_proj", "gate_proj" },
    { "w1", "gate_proj" },
    { "gate_up_proj*", "up_proj" }, /* both in one matrix */
    { "up_proj", "up_proj" },
    { "w3", "up_proj" },
    { "c_fc", "up_proj" },
    { "fc1", "up_proj" },
    { "fc_in", "up_proj" },
    { "dense_h_to_4h", "up_proj" },
    { "down_proj*", "down_proj" },
    { "w2", "down_proj" },
    { "mlp.c_proj", "down_proj" },
    { "fc2", "down_proj" },
    { "fc_out", "down_proj" },
    { "dense_4h_to_h", "down_proj" },
    { "lm_head", "lm_head" },
    { "embed_out", "lm_head" },
    { "^output", "lm_head" },
    { "^head", "lm_head" },
    { "embed*", "embed" },
    { "emb", "embed" },
    { "*embedding*", "embed" },
    { "wte", "embed" },
    { "wpe", "embed" },
    { "*conv*", "conv" },
};

/* Whether the first `n` bytes at `text` contain `part`. */
static bool contains(const char *text, size_t n, const char *part, size_t size)
{
    for (size_t i = 0; i + size <= n; i++)
        if (!memcmp(text + i, part, size)) return true;
    return false;
}

/* Whether the component of n bytes at `name` fits the component of k bytes at `pattern`. */
static bool component_fits(const char *name, size_t n, const char *pattern, size_t k)
{
    bool open_start = k && pattern[0] == '*', open_end = k > 1 && pattern[k - 1] == '*';
    const char *core = pattern + open_start;
    size_t size = k - open_start - open_end;
    if (n < size) return false;
    if (open_start && open_end) return contains(name, n, core, size);
    if (open_start) return !memcmp(name + n - size, core, size);
    return (open_end || n == size) && !memcmp(name, core, size);
}

/* Whether the components of `pattern` fit those that `name` begins with. */
static bool fits_here(const char *name, const char *pattern)
{
    if (*pattern != '*' && *pattern != *name) return false; /* nearly always: a header may have a million names */
    for (;;) {
        size_t n = strcspn(name, "."), k = strcspn(pattern, ".");
        if (!component_fits(name, n, pattern, k)) return false;
        if (!pattern[k]) return true;
        if (!name[n]) return false;
        name += n + 1;
        pattern += k + 1;
    }
}

static bool occurs(const char *name, const char *pattern)
{
    if (*pattern == '^') return fits_here(name, pattern + 1);
    while (name && !fits_here(name, pattern))
        if ((name = strchr(name, '.'))) name++;
    return name;
}

const char *ent_weights_role(const char *tensor_name)
{
    enum { LONGEST = 1000 }; /* no model's names are nearly as long; hostile ones must not cost time */
    if (strnlen(tensor_name, LONGEST + 1) <= LONGEST)
        for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
            if (occurs(tensor_name, rules[i].pattern)) return rules[i].role;
    return "other";
}
