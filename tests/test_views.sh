#!/bin/sh
# test_views.sh BUILD - packed codes of quantized checkpoints, seen as codes: small files of known content.
set -u
cd "$(dirname "$0")/.."
. tests/cases.sh

file() { # NAME HEADER DATA... : a safetensors file
    header=$2
    {
        printf '%b' "\\0$(printf '%o' $((${#header} % 256)))\\0$(printf '%o' $((${#header} / 256)))\\0\\0\\0\\0\\0\\0"
        printf '%s' "$header"
        shift 2
        for part; do printf '%b' "$part"; done
    } >"$work/$name_of"
}
has() { # FILE ROLE DTYPE COUNT BITS: a role's words and their entropy
    "$entropy" stats "$work/$1" --json $options | grep '"scope":"role","name":"'"$2"'","dtype":"'"$3"'","field":"word","count":'"$4"',' |
        grep '"bits":'"$5"','
}
options=
all='\0020\0062\0124\0166\0230\0272\0334\0376' # every 4-bit code once, two int32 words
sevens='\0167\0167\0167\0167' halves='\0000\0070\0000\0070\0000\0070\0000\0070\0000\0070\0000\0070\0000\0070\0000\0070'
tail='"m.0.q_proj.qzeros":{"dtype":"I32","shape":[1,1],"data_offsets":[32,36]},"m.0.q_proj.scales":{"dtype":"F16","shape":[1,8],"data_offsets":[36,52]}}'

name_of=gptq; file gptq '{"m.0.q_proj.qweight":{"dtype":"I32","shape":[1,8],"data_offsets":[0,32]},'"$tail" $all $all $all $all $sevens $halves
check "GPTQ: 64 codes, all alike" has gptq 'q_proj codes' U4 64 4.0
check "its zeros are apart" has gptq 'q_proj zeros' U4 8 -\\?0.0
check "so are its scales" has gptq 'q_proj scales' F16 8 -\\?0.0
name_of=awq; file awq '{"m.0.q_proj.qweight":{"dtype":"I32","shape":[8,1],"data_offsets":[0,32]},'"$tail" $all $all $all $all $sevens $halves
check "AWQ: the same codes" has awq 'q_proj codes' U4 64 4.0
name_of=odd; file odd '{"m.0.q_proj.qweight":{"dtype":"I32","shape":[2,4],"data_offsets":[0,32]},'"$tail" $all $all $all $all $sevens $halves
# 36 bytes, nine kinds of them four times each: log2(9) bits
check "a shape that does not fit is left alone" has odd q_proj I32 36 3.16992500144
options=--stored
check "and so is everything with --stored" has gptq q_proj I32 36 3.16992500144
options=

name_of=mx; file mx '{"m.0.mlp.experts.down_proj_blocks":{"dtype":"U8","shape":[1,1,16],"data_offsets":[0,16]},"m.0.mlp.experts.down_proj_scales":{"dtype":"U8","shape":[1,1],"data_offsets":[16,17]}}' \
    '\0020\0020\0020\0020\0020\0020\0020\0020' '\0020\0020\0020\0020\0020\0020\0020\0020' '\0177'
check "MXFP4: 32 codes, two alike" has mx 'down_proj codes' F4 32 1.0
check "its scale is a power of two" has mx 'down_proj scales' F8_E8M0 1 -\\?0.0
for model in gptq awq mx; do
    check "tables and figures of $model" "$entropy" stats "$work/$model" --dependence --interval -o "$work/$model.out"
    check "codes of $model are in the table" grep -q '_proj codes' "$work/$model.out/stats.tsv"
done

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
