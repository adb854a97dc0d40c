#!/bin/sh
# quality-page.sh <quality.tsv - the page $RESULTS/quality.md; called by quality.sh.
set -eu
cat <<'END'
# Quantizers on the shipped model

![Bits per weight against KL divergence and SQNR](quality.svg)

gutenberg-llama-4.7m: sequences 0 to 39 of its text (10240 tokens) are measured, perplexity unpacked 35.56; 400 to 655 are for
calibration, 400 to 415 for sensitivities. Bits a weight of the whole model, everything counted: plain as stored, coded with
each word by rans. `make quality` makes this page, [quality.tsv](quality.tsv) and the figure again, byte for byte.

END
awk -F '\t' '
    function size_of(i, coded) { return coded ? bits[i] : plain[i] }
    # of a family: the largest of at most `most` bits, or the smallest of at least that
    function nearest(family, coded, most, larger,    i, best) {
        best = 0
        for (i = 1; i <= n; i++) {
            if (fam[i] != family || (larger ? size_of(i, coded) < most : size_of(i, coded) > most + 0.005)) continue
            if (!best || (larger ? size_of(i, coded) < size_of(best, coded) : size_of(i, coded) > size_of(best, coded))) best = i
        }
        return best
    }
    function row(i, coded) {
        if (!i) return
        lines++
        key[lines] = ppl[i]; held[lines] = i; how[lines] = coded
        line[lines] = sprintf("| %s | %s | %.3f | %s | %s | %s |", pipe[i], coded ? "coded" : "plain", size_of(i, coded), sqnr[i], ppl[i], kl[i])
    }
    function print_rows(    i, k, best) {
        print "| pipeline | stored | bits | SQNR dB | perplexity | KL nats |\n|---|---|---|---|---|---|"
        for (k = 1; k <= lines; k++) {
            best = 0
            for (i = 1; i <= lines; i++) if (line[i] != "" && (!best || key[i] + 0 < key[best] + 0)) best = i
            print line[best]; line[best] = ""
        }
    }
    function beaten(best, i, coded) {
        return sprintf("%s %s at %.3f bits: %s (%s by %.2f)", pipe[i], coded ? "coded" : "plain", size_of(i, coded), ppl[i],
                       ppl[best] + 0 < ppl[i] + 0 ? "beaten" : "better", ppl[best] < ppl[i] ? ppl[i] - ppl[best] : ppl[best] - ppl[i])
    }
    # bits at which a family comes to that divergence: straight lines in its logarithm
    function bits_at(family, want,    i, last, at) {
        last = 0
        for (i = 1; i <= n; i++) {
            if (fam[i] != family) continue
            if (last && kl[last] >= want && kl[i] <= want) {
                at = log(want / kl[last]) / log(kl[i] / kl[last])
                return sprintf("%.2f", bits[last] + at * (bits[i] - bits[last]))
            }
            last = i
        }
        return ""
    }
    NR > 1 { n++; fam[n] = $1; pipe[n] = $2; plain[n] = $3 + 0; bits[n] = $4 + 0; sqnr[n] = $6; ppl[n] = $7; kl[n] = $8
             if (!seen[$1]++) family[++families] = $1 }
    END {
        split("4.0 3.0 2.5", target, " ")
        for (t = 1; t <= 3; t++) {
            lines = 0
            for (f = 1; f <= families; f++) {
                if (family[f] == "rtn32" && t < 3) continue
                if (family[f] != "levels") row(nearest(family[f], 1, target[t], 0), 1)
                if (family[f] ~ /^(rtn|gptq|rtn-search|rtn32|lloyd|palette)$/) row(nearest(family[f], 0, target[t], 1), 0)
            }
            for (i = 1; i <= n && t == 1; i++) if (fam[i] == "levels") row(i, 0)
            best = 0
            for (i = 1; i <= lines; i++) if (how[i] && (!best || key[i] + 0 < key[best] + 0)) best = i
            best = held[best]
            print "## At " target[t] " bits\n"
            print "The largest of each method of at most " target[t] " bits coded; of grids also the smallest of at least that plain. Lowest"
            print "perplexity first.\n"
            print_rows()
            print "\nRound to nearest in groups of 128 at the same or a larger size, against " pipe[best] ", " ppl[best] ":"
            print beaten(best, nearest("rtn", 0, target[t], 1), 0) ";"
            a = nearest("rtn", 1, target[t], 1); b = nearest("rtn-search", 1, target[t], 1)
            print beaten(best, bits[a] < bits[b] ? a : b, 1) ".\n"
        }
        print "## What entropy coding brings\n"
        print "Each method as it is, coded; and the bits at which the methods made for a coder come to the same KL divergence (straight lines"
        print "between the points of the figure).\n"
        print "| pipeline | perplexity | plain | coded | step | watersic | watersic, bits shared out |\n|---|---|---|---|---|---|---|"
        for (i = 1; i <= n; i++)
            if (fam[i] ~ /^(rtn|gptq|lloyd|palette|levels)$/)
                printf "| %s | %s | %.3f | %.3f | %s | %s | %s |\n", pipe[i], ppl[i], plain[i], bits[i], bits_at("step", kl[i]),
                    bits_at("watersic", kl[i]), bits_at("watersic-budget", kl[i])
        print "\n## Bits shared out among matrices\n"
        print "Every matrix has a pipeline of its own, so that the sum of sensitivities times squared output errors is least within the budget"
        print "(malinovskii2025; chosen by `ent_choose`). Predicted is that sum; all the same is the pipeline at the same rate for all.\n"
        print "| pipelines | coded | KL nats | predicted | all the same |\n|---|---|---|---|---|"
        for (i = 1; i <= n; i++)
            if (fam[i] ~ /-budget$/) {
                same = fam[i]; sub(/-budget$/, "", same); k = nearest(same, 1, bits[i], 0)
                near = k && (bits[k] >= bits[i] - 0.03) ? kl[k] sprintf(" at %.3f", bits[k]) : ""
                printf "| %s | %.3f | %s | %s | %s |\n", pipe[i], bits[i], kl[i], predicted[i], near
            }
    }
    { predicted[NR - 1] = $9 }'
