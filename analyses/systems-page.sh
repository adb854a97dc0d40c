#!/bin/sh
# systems-page.sh DEPENDENCE - the page $RESULTS/systems.md from the tables beside it; called by systems.sh.  DEPENDENCE: what `entropy stats
# --dependence` printed.
set -eu
results=${RESULTS:-results}
sizes=$results/systems.tsv contexts=$results/better-codecs.tsv
cat <<'END'
# Published systems on the same weights

![Bits per weight against KL divergence](systems.svg)

gutenberg-llama-4.7m, all matrices and the embedding, by every row of `entropy list systems`, which has the pipelines and codecs.
Sequences 0 to 39 of its text (10240 tokens) are measured, 400 to 655 are for calibration, and evopress searches on 40 to 55, 12
generations. `make systems` makes this page and [systems.tsv](systems.tsv) again byte for byte, and what decoding costs into
[machines/](machines/) ([one is there](machines/xeon-sapphire-rapids-2/systems.md)).

*Bits* are a weight of the whole model, as the system stores it, scales, tables and index counted; *side* is what of them is no code of
a weight: scales, levels, lists of outliers, factors, tables, index. *By rans*: the same parts, each word coded by rans, where
the system has no coder of its own. Lossless systems are exact: their divergence is 0 by definition, and was measured as that.

END
awk -v columns='1 2 3 4 5 6 7' -f analyses/markdown.awk $sizes
cat <<'END'

## What is published, and what is not done here

END
awk -v columns='1 8 9 10' -f analyses/markdown.awk $sizes
cat <<'END'

Models of hundreds of millions of weights and more lose less at the same bits than this one of 4.7 million, and some settings (ranks,
groups) are chosen for its small matrices: orders and costs are to be compared here, published losses are not.

## What order of dependence weights have, and what context models could gain

END
awk -F '\t' -v dependence="$1" '
    function context(text,    line, at) { # "left" of the exponent given it, from the printed table
        while ((getline line <dependence) > 0)
            if (index(line, "exponent  " text) == 1) { split(substr(line, length("exponent  " text) + 1), at, " "); close(dependence); return at[2] }
        close(dependence)
        return "?"
    }
    function mantissa(    line, at) {
        while ((getline line <dependence) > 0)
            if (line ~ /^mantissa  exponent /) { sub(/^mantissa  exponent */, "", line); split(line, at, " "); close(dependence); return at[2] }
        return "?"
    }
    $1 != "model" { bits[$1, $2] = $5 }
    END {
        plain = "exponents alone"; mix = "context mixing"
        n = "normal"; s = "normal, rows spread 0.3"; g = "gutenberg-llama-4.7m"
        printf "Information about an exponent in bits, less what chance alone shows (`entropy stats gutenberg-llama-4.7m --dependence`): its row\n"
        printf "%s, its column %s, the symbol before it %s, the symbol above it %s, the two before it %s, the three before it %s,\n", context("its row"),
            context("its column"), context("the symbol before it in the row"), context("the symbol above it"),
            context("the 2 symbols before it, each as one of 15 or another"), context("the 3 symbols before it, each as one of 15 or another")
        printf "its place in a tile of 16 by 16 %s, the same place in the next layer %s, its sign %s. A mantissa shares %s with its own\n",
            context("its place in a tile of 16 by 16"), context("the symbol at its place in the next layer"), context("sign"), mantissa()
        printf "exponent. So weights are of order 0 but for two things: each row and column has a scale of its own, which neighbours only\n"
        printf "show through a keyhole (in the matrices of the layers, without the embedding, the neighbour above says 0.011 at most, mostly\n"
        printf "less than 0.001), and the top bits of the mantissa go with the exponent, as those of any smooth density do.\n\n"
        printf "How far that can be used is shown from below by the mixing coder (`make better-codecs`), whose contexts are all of these at once:\n"
        printf "%.3f bits a weight on the shipped model, %.3f less than exponents alone by planar-rans. On independent normal weights, where nothing\n", bits[g, mix], bits[g, plain] - bits[g, mix]
        printf "is between weights, it gains %.3f all the same: what mantissas share with their exponents, and what planar-rans leaves; where rows\n", bits[n, plain] - bits[n, mix]
        printf "have scales of their own %.3f, so rows are worth %.3f there. On the shipped model %.3f are left for dependence between weights,\n", bits[s, plain] - bits[s, mix],
            (bits[s, plain] - bits[s, mix]) - (bits[n, plain] - bits[n, mix]), (bits[g, plain] - bits[g, mix]) - (bits[n, plain] - bits[n, mix])
        printf "%.1f %% of %.2f bits, with the embedding, a fifth of the model, where rows say three times what they say on average.\n",
            100 * ((bits[g, plain] - bits[g, mix]) - (bits[n, plain] - bits[n, mix])) / bits[g, plain], bits[g, plain]
        printf "A probabilistic circuit or another learned model that sees rows, columns, neighbours and the bits of a word has that much to find,\n"
        printf "and no coder here found more; a table for each class of rows (planar-rans-rows) has %.3f of it and decodes four thousand times as\n", bits[g, plain] - bits[g, "row classes"]
        printf "fast as mixing. What none of these contexts sees, if there is any, is not measured here.\n"
    }' $contexts
