/* exponents.c - a program outside of the tree: the entropy of the exponents of a model, tensor by tensor.  Built by tests/test_install.sh against the installed library:
 *
 *     cc exponents.c $(pkg-config --cflags --libs libentropy) -o exponents
 */
#include <stdio.h>

#include <entropy/entropy.h>

/* In bits; negative when the tensor has no exponents. */
static double exponent_entropy(const ent_tensor *t)
{
    const ent_format *format = ent_format_find(t->dtype);
    ent_word_counts words;
    ent_counts exponents;
    ent_field field;
    double bits = -1;
    if (!format || format->kind != ENT_KIND_FLOAT || ent_format_packed(format)) return -1;
    if (ent_field_parse(format, "exponent", &field, NULL) || ent_word_counts_init(&words, format)) return -1;
    ent_word_counts_add(&words, t->bytes.data, (size_t)t->elements);
    if (!ent_word_counts_field(&words, &field, &exponents)) {
        bits = ent_entropy_bits(&exponents);
        ent_counts_free(&exponents);
    }
    ent_word_counts_free(&words);
    return bits;
}

int main(int argc, char **argv)
{
    ent_weights *weights;
    ent_error error;
    if (argc != 2 || ent_weights_open(&weights, argv[1], &error)) {
        fprintf(stderr, "%s\n", argc == 2 ? error.text : "usage: exponents MODEL");
        return 1;
    }
    for (size_t i = 0; i < ent_weights_tensors(weights); i++) {
        const ent_tensor *t = ent_weights_tensor(weights, i);
        double bits = exponent_entropy(t);
        if (bits >= 0) printf("%s %.4f\n", t->name, bits);
    }
    ent_weights_close(weights);
    return 0;
}
