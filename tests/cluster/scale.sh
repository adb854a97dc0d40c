#!/bin/sh
# scale.sh BUILD - time and memory of large plans: 500 models x 30 codecs x 8 targets, expanded, shared out, 100 files
# written and merged; and a model of 405 thousand million weights, in sparse files, planned and estimated.
set -eu
cd "$(dirname "$0")/../.."
build=$(cd "${1:-build}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

measure() { # NAME COMMAND...
    name=$1; shift
    start=$(date +%s%N)
    "$@" >"$work/out" 2>"$work/err" || { cat "$work/out" "$work/err"; exit 1; }
    echo "$name: $(awk "BEGIN { printf \"%.1f\", ($(date +%s%N) - $start) / 1e9 }") s"
}

measure "120,500 cells in 100 shards, made, written and merged (build/test_batch)" "$build/test_batch"
grep processor "$work/out" "$work/err" | sed 's/.*:\([0-9]* cells\)/  \1/'

# 191 shards of a Llama-3.1-405B: 126 layers of nine matrices; only the heads of the files take space
awk -v dir="$work/405b" 'BEGIN {
    system("mkdir -p " dir)
    hidden = 16384; inner = 53248; kv = 1024; shards = 191; layers = 126
    n = 0
    name[n] = "model.embed_tokens.weight"; rows[n] = 128256; cols[n++] = hidden
    for (l = 0; l < layers; l++) {
        p = "model.layers." l "."
        name[n] = p "self_attn.q_proj.weight"; rows[n] = hidden; cols[n++] = hidden
        name[n] = p "self_attn.k_proj.weight"; rows[n] = kv; cols[n++] = hidden
        name[n] = p "self_attn.v_proj.weight"; rows[n] = kv; cols[n++] = hidden
        name[n] = p "self_attn.o_proj.weight"; rows[n] = hidden; cols[n++] = hidden
        name[n] = p "mlp.gate_proj.weight"; rows[n] = inner; cols[n++] = hidden
        name[n] = p "mlp.up_proj.weight"; rows[n] = inner; cols[n++] = hidden
        name[n] = p "mlp.down_proj.weight"; rows[n] = hidden; cols[n++] = inner
    }
    name[n] = "lm_head.weight"; rows[n] = 128256; cols[n++] = hidden
    index_file = dir "/model.safetensors.index.json"
    printf "{\"weight_map\":{" >index_file
    for (s = 0; s < shards; s++) {
        file = sprintf("model-%05d-of-%05d.safetensors", s + 1, shards)
        head = "{"; at = 0
        for (i = s; i < n; i += shards) {
            size = rows[i] * cols[i] * 2
            head = head sprintf("%s\"%s\":{\"dtype\":\"BF16\",\"shape\":[%d,%d],\"data_offsets\":[%.0f,%.0f]}", i == s ? "" : ",", name[i], rows[i], cols[i], at, at + size)
            printf "%s\"%s\":\"%s\"", s + i ? "," : "", name[i], file >index_file
            at += size; weights += rows[i] * cols[i]
        }
        head = head "}"
        path = dir "/" file
        printf "%s", head >(path ".head"); close(path ".head")
        printf "%s %d %.0f\n", file, length(head), at
    }
    printf "}}" >index_file
    printf "%.0f weights\n", weights >"/dev/stderr"
}' >"$work/files" 2>"$work/weights"
while read -r file head data; do
    # the length of the head as 8 bytes, lowest first
    awk -v n="$head" 'BEGIN { for (i = 0; i < 8; i++) { printf "\\%03o", n % 256; n = int(n / 256) } }' >"$work/length"
    printf "$(cat "$work/length")" >"$work/405b/$file"
    cat "$work/405b/$file.head" >>"$work/405b/$file"
    rm "$work/405b/$file.head"
    truncate -s $((8 + head + data)) "$work/405b/$file"
done <"$work/files"
cat "$work/weights"
cat >"$work/plan.yaml" <<END
name: large
models: [$work/405b]
codecs: [all]
targets: [host, huff-llm-systolic-64]
measures: [stats, size, speed, predict]
END
measure "planned (entropy submit --dry-run)" "$build/entropy" submit "$work/plan.yaml" -o "$work/run" --tasks 20 --dry-run
head -n 1 "$work/out"
measure "estimated (entropy stats --estimate)" "$build/entropy" stats "$work/405b" --estimate --quiet
tail -n 3 "$work/out"
