#!/bin/sh
# formats.sh BUILD - figures of the readers, for results/formats.md: what their tests refuse, damage and give back, counted by the
# tests themselves; a header of 100,000 tensors; memory for a model of 4 GiB.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
entropy=$build/entropy
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo '# Formats: what the tests of the readers do'
echo
echo 'Made by `make formats`. A refused file has a message of its own that the test expects; damaged ones were cut short or had a bit'
echo 'flipped, and none crashed, hung or gave bytes that are not in the file. Those that came back were compressed and decompressed, and'
echo 'are the same byte for byte.'
echo
echo '| test | refused | cut or flipped | opened | came back |'
echo '|---|--:|--:|--:|--:|'
for test in weights weights_malformed gguf npy pytorch hdf5 hdf5_more onnx llama2c; do
    [ -x "$build/test_$test" ] || { echo "formats.sh: build/test_$test is missing: make tests" >&2; exit 1; }
    FORMATS_COUNTS=$work/counts "$build/test_$test" >"$work/out" 2>&1 || { cat "$work/out" >&2; exit 1; }
done
awk -F '\t' '{ printf "| %s | %d | %d | %d | %d |\n", $1, $2, $4, $3, $5; r += $2; o += $3; d += $4; b += $5 }
             END { printf "| all | %d | %d | %d | %d |\n", r, d, o, b }' "$work/counts"

# A safetensors file whose header names 100,000 tensors of one byte.
awk 'BEGIN { printf "{"; for (i = 0; i < 100000; i++)
    printf "%s\"model.layers.%d.mlp.experts.%d.down_proj.weight\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]}", i ? "," : "", i / 64, i % 64, i, i + 1
    printf "}" }' >"$work/header"
size=$(wc -c <"$work/header")
{
    for shift in 0 8 16 24; do
        # shellcheck disable=SC2059
        printf "\\$(printf %03o $((size >> shift & 255)))"
    done
    printf '\0\0\0\0'
    cat "$work/header"
    head -c 100000 /dev/zero
} >"$work/many.safetensors"

# A GGUF file of one matrix of 2^31 weights of 16 bits, all zero: it takes no room on the disk.
{
    printf 'GGUF\003\0\0\0\001\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
    printf '\001\0\0\0\0\0\0\0w\002\0\0\0\0\0\001\0\0\0\0\0\0\200\0\0\0\0\0\0\001\0\0\0\0\0\0\0\0\0\0\0'
} >"$work/big.gguf"
truncate -s $((96 + 4294967296)) "$work/big.gguf"

seconds() { # COMMAND... : the least of five runs
    for run in 1 2 3 4 5; do
        start=$(date +%s.%N)
        "$@" >/dev/null
        date +"%s.%N $start"
    done | awk '{ t = $1 - $2; if (NR == 1 || t < least) least = t } END { printf "%.2f", least }'
}
peak() { # COMMAND... : most MiB of memory, pages of the mapped file among them
    "$@" >/dev/null &
    pid=$!
    while kill -0 $pid 2>/dev/null; do
        sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' /proc/$pid/status 2>/dev/null >>"$work/rss" || true
        sleep 0.05
    done
    wait $pid
    awk '{ if ($1 > most) most = $1 } END { printf "%.0f", most / 1024 }' "$work/rss"
}
thousand() { "$entropy" inspect "$work/many.safetensors" --json | head -n 1001; }

echo
echo '| figure | command | value |'
echo '|---|---|--:|'
echo "| 1,000 tensors of a header of 100,000 ($((size / 1000000)) MB) | \`entropy inspect FILE --json \\| head -n 1001\` | $(seconds thousand) s |"
echo "| all 100,000 | \`entropy inspect FILE --json\` | $(seconds "$entropy" inspect "$work/many.safetensors" --json) s |"
echo "| most memory for a GGUF file of 4 GiB, its mapped pages among it | \`entropy stats FILE\` | $(peak "$entropy" stats "$work/big.gguf" --quiet) MiB |"
echo
echo "Times are the least of five runs, on: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores."
