#!/bin/sh
# test_reproduce.sh BUILD - `entropy reproduce`: published cells, closed forms, the same bytes again.
set -u
cd "$(dirname "$0")/.."
. tests/cases.sh

same() { for file in "$1"/*; do cmp "$file" "$2/$(basename "$file")" || return 1; done; }

# Rows of a table that fulfil the awk condition, with columns by name: row["ours"].
rows() { # FILE CONDITION
    awk -F '\t' "function abs(x) { return x < 0 ? -x : x }
        NR == 1 { for (i = 1; i <= NF; i++) name[i] = \$i; next }
        { for (i = 1; i <= NF; i++) row[name[i]] = \$i } $2 { n++ } END { print n + 0 }" "$1"
}
none() { [ "$(rows "$1" "$2")" -eq 0 ] || { rows "$1" "$2"; return 1; }; }
some() { [ "$(rows "$1" "$2")" -eq "$3" ] || { rows "$1" "$2"; return 1; }; }

check 'runs' "$entropy" reproduce huff-llm -o "$work/1" --weights 512k -q -t 1
check 'runs on two threads' "$entropy" reproduce huff-llm -o "$work/2" --weights 512k -q -t 2
check 'the same bytes' same "$work/1" "$work/2"
check 'nothing else is left' [ "$(ls -A "$work/1" | grep -c -v -e '\.tsv$' -e '\.md$')" -eq 0 ]

t5=$work/1/table5.tsv t6=$work/1/table6.tsv t7=$work/1/table7.tsv wide=$work/1/study256.tsv
check 'Table 5: all 12 cells from normal weights' some "$t5" 'row["quantity"] == "ratio" && row["weights"] == "normal"' 12
check 'Table 5: every ratio within 0.02' none "$t5" 'row["quantity"] == "ratio" && abs(row["difference"]) > 0.02'
check 'Table 5: a BF16 model has no native FP16' none "$t5" 'row["model"] ~ /OPT/ && row["weights"] ~ /gutenberg/'
check 'Table 1: within 0.1 bit' none "$work/1/table1.tsv" 'abs(row["difference"]) > 0.1'
cell='row["quantity"] == "latency cut, %" && row["accelerator"] != ""'
check 'Table 6: four cells of normal weights' some "$t6" "$cell && row[\"weights\"] == \"normal\"" 4
check 'Table 6: within 3 points' none "$t6" "$cell && abs(row[\"difference\"]) > 3"
check 'Table 6: bound by memory, 1 - bits / 16' none "$t6" \
    "$cell && abs(row[\"ours at published bits\"] - (row[\"model\"] ~ /Llama/ ? 31.5 : 14.5)) > 0.02"
check '256 GB/s: bound by the intake, no gain' some "$wide" "$cell && abs(row[\"ours\"]) < 0.01" 3
check 'Table 7: calibrated rows, at the published bits' some "$t7" \
    'row["energy"] == "calibrated" && abs(row["ours at published bits"] - row["published"]) < 0.03' 6
check 'energy: tested rows, the least of Llama aside, within 3 points' none "$t7" \
    'row["energy"] == "tested" && row["published"] != 16 && abs(row["difference"]) > 3'
check 'energy at 256 GB/s within 3 points' none "$wide" 'row["energy"] == "tested" && abs(row["difference"]) > 3'
check 'area: 384 x 1199.3 / (16384 x 484)' some "$work/1/area.tsv" 'row["quantity"] == "decoders over elements, %" && row["ours"] == "5.81"' 1
check 'published numbers are marked' none "$t6" 'row["status"] != "second-hand"'
check 'decoders: always the same words' none "$work/1/decoders.tsv" 'row["identical"] != "yes"'
check 'decoders: 32 entries lose no cycle' none "$work/1/decoders.tsv" \
    'row["codec"] == "huff-llm" && row["entries"] == 32 && row["refill bits"] == 16 && row["longest code held"] == 16 && row["starved cycles"] + row["walked cycles"] > 0'
check 'decoders: four bits a cycle lose a fifth of the cycles' some "$work/1/decoders.tsv" \
    'row["refill bits"] == 4 && abs(row["cycles a weight"] - 1.25) < 0.0001' 3

check 'one model alone' "$entropy" reproduce huff-llm gutenberg-llama-4.7m -o "$work/3" -q
check 'and its name in each row' none "$work/3/table6.tsv" 'row["weights"] != "gutenberg-llama-4.7m"'
check 'bitstack runs' "$entropy" reproduce bitstack -o "$work/b" -q
check 'bitstack, Table 6: 35 blocks, each the printed MiB' some "$work/b/blocks.tsv" 'row["published"] != "" && abs(row["difference"]) < 0.00501' 35
check 'bitstack, Table 6: signs and factors of 4096 x 4096' some "$work/b/blocks.tsv" 'row["rows"] == 4096 && row["cols"] == 4096 && row["bytes"] == 4096 * 4096 / 8 + 2 * 16 * 8192' 6
check 'bitstack: no models' fails 2 'need no model' "$entropy" reproduce bitstack gutenberg-llama-4.7m -o "$work/4"
check 'no such paper' fails 2 'huff-llm' "$entropy" reproduce zipnn -o "$work/4"
check 'no folder' fails 2 'folder' "$entropy" reproduce huff-llm
check 'no such model' fails 2 'nonsense' "$entropy" reproduce huff-llm nonsense -o "$work/4"
"$entropy" dataset make normal --dtype F8_E4M3 --weights 1k -o "$work/f8.safetensors" -q
check 'a format that is neither' fails 3 'BF16, F16 or F32' "$entropy" reproduce huff-llm "$work/f8.safetensors" -o "$work/4"
mkdir -p "$work/data" && cp -r analyses/published analyses/targets "$work/data/"
printf '9\tx\n' >>"$work/data/published/huff-llm.tsv"
check 'a published table with a short row' fails 3 'huff-llm.tsv:[0-9]*: 2 columns' \
    env ENT_DATA="$work/data" "$entropy" reproduce huff-llm gutenberg-llama-4.7m -o "$work/4"
cp analyses/published/huff-llm.tsv "$work/data/published/"
echo '{ "hidden_size": 4096 }' >"$work/data/published/configs/OPT-13B.json"
check 'a config without layers' fails 3 'OPT-13B.json' \
    env ENT_DATA="$work/data" "$entropy" reproduce huff-llm -w 10k -o "$work/4"

cost() { "$entropy" cost gutenberg-llama-4.7m -q "$@"; }
value() { # KEY OPTIONS... : of the only line
    key=$1; shift
    cost --json "$@" | sed -n "s/.*\"$key\":\([^,}]*\).*/\1/p"
}
near() { awk "BEGIN { exit !(($1) > ($2) * 0.9999 && ($1) < ($2) * 1.0001) }"; }
simba="--codec raw --target huff-llm-simba-64"
config="--config analyses/published/configs/Llama-3-8B.json"
# Llama-3-8B: 32 x (2 x 4096 x 4096 + 2 x 1024 x 4096 + 3 x 14336 x 4096) + 128256 x 4096 = 7504658432 weights
check 'cost: a token is 16 bits a weight over 64 GB/s' near "$(value time_ns $simba $config)" 7504658432*2/64
check 'cost: a prompt is bound by arithmetic' near "$(value time_ns $simba $config --prompt 1000)" \
    '(6979321856*1000/2048+525336576*2/64)'
check 'cost: and a batch that is large' [ "$(value limit $simba $config --batch 1000)" = '"compute"' ]
own='(5*(2*256*256+2*128*256+3*704*256)+4096*256)*2/64'
check 'cost: layers of the model itself' near "$(value time_ns $simba)" "$own"
check 'cost: and of its config' near "$(value time_ns $simba --config datasets/gutenberg-llama-4.7m/config.json)" "$own"
check 'cost: raw is 1' near "$(value over_raw $simba)" 1
check 'cost: the area of 384 decoders' near "$(value decoders_mm2 --codec huff-llm --target huff-llm-simba-64)" 384*1199.3/1e6
check 'cost: what a target cannot decode is a remark' fails 0 'no decoder' \
    "$entropy" cost gutenberg-llama-4.7m --codec tiered --target huff-llm-simba-64
check 'cost: a host is measured' fails 2 'bench' "$entropy" cost gutenberg-llama-4.7m --target host
check 'cost: no target' fails 2 'target' "$entropy" cost gutenberg-llama-4.7m
check 'cost: no such config' fails 3 'nonsense' cost --target phone --config nonsense

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
