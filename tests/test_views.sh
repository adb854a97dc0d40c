#!/bin/sh
# test_views.sh BUILD - packed codes of quantized checkpoints, seen as codes: small files of known content.
set -u
cd "$(dirname "$0")/.."
. tests/cases.sh

put() { # NAME DTYPE SHAPE TIMES BYTES : a tensor of the next file, its bytes so many times
    times=$4
    while [ "$times" -gt 0 ]; do printf '%b' "$5" >>"$work/data"; times=$((times - 1)); done
    end=$(wc -c <"$work/data")
    header="$header${header:+,}\"$1\":{\"dtype\":\"$2\",\"shape\":$3,\"data_offsets\":[$at,$end]}"
    at=$end
}
begin() { header='' at=0; : >"$work/data"; }
end() { # MODEL [CONFIG] : a folder with the tensors put, as a safetensors file, and a quantization_config
    mkdir -p "$work/$1"
    header="{$header}"
    {
        printf '%b' "\\0$(printf '%o' $((${#header} % 256)))\\0$(printf '%o' $((${#header} / 256)))\\0\\0\\0\\0\\0\\0"
        printf '%s' "$header"
        cat "$work/data"
    } >"$work/$1/model.safetensors"
    [ $# -lt 2 ] || config "$1" "$2"
}
config() { printf '{"quantization_config":%s}' "$2" >"$work/$1/config.json"; } # MODEL CONFIG
has() { # MODEL ROLE DTYPE COUNT BITS : a role's words and their entropy
    "$entropy" stats "$work/$1" --json $options | grep '"scope":"role","name":"'"$2"'","dtype":"'"$3"'","field":"word","count":'"$4"',' |
        grep '"bits":'"$5"','
}
refused() { # MODEL CONFIG WORDS : with this config.json, saying this
    config "$1" "$2"
    fails 3 "$3" "$entropy" stats "$work/$1" && grep -q 'config.json\|model.safetensors: tensor "m.0.q_proj' "$work/out"
}
tells() { "$entropy" stats "$work/$1" --dependence --interval --json | grep -q '"name":"q_proj codes".*"context":"left"'; } # MODEL
options=
all='\0020\0062\0124\0166\0230\0272\0334\0376' # every 4-bit code once, two int32 words, eight bytes
sevens='\0167\0167\0167\0167' half='\0000\0070' one='\0000\0000\0200\0077' zero=-\\?0.0

# ---- GPTQ and AWQ: 64 codes, each of 16 four times

words() { # MODEL SHAPE
    begin
    put m.0.q_proj.qweight I32 "$2" 4 "$all"
    put m.0.q_proj.qzeros I32 '[1,1]' 1 "$sevens"
    put m.0.q_proj.scales F16 '[1,8]' 8 "$half"
    end "$1"
}
words gptq '[1,8]' && words awq '[8,1]' && words odd '[2,4]'
check "GPTQ: 64 codes, all alike" has gptq 'q_proj codes' U4 64 4.0
check "its zeros are apart" has gptq 'q_proj zeros' U4 8 $zero
check "so are its scales" has gptq 'q_proj scales' F16 8 $zero
check "AWQ: the same codes" has awq 'q_proj codes' U4 64 4.0
# 36 bytes, nine kinds of them four times each: log2(9) bits
check "a shape that does not fit is left alone" has odd q_proj I32 36 3.16992500144
options=--stored
check "and so is everything with --stored" has gptq q_proj I32 36 3.16992500144
options=
gptq='{"quant_method":"gptq","bits":4,"group_size":128}'
config gptq "$gptq"
check "a config.json that agrees" has gptq 'q_proj codes' U4 64 4.0
check "one of AWQ does not" refused gptq '{"quant_method":"awq","bits":4}' 'not those of quant_method "awq"'
check "nor one of 8 bits" refused gptq '{"quant_method":"gptq","bits":8}' '4-bit codes, but config.json says 8 bits'
check "nor one of other groups" refused gptq '{"quant_method":"gptq","group_size":4}' '1 groups for 8 inputs'
check "nor one of another family" refused gptq '{"quant_method":"bitsandbytes"}' 'names of gptq or awq'
check "a text for a number" refused gptq '{"quant_method":"gptq","bits":"four"}' '"bits" of the quantization_config'
check "a list for a config" refused gptq '[4]' 'not an object'
check "what it promises must fit" refused odd "$gptq" 'shapes 2 x 4 of the codes'
printf '{"quantization_config":' >"$work/gptq/config.json"
check "half a config.json" fails 3 'config.json: line 1' "$entropy" stats "$work/gptq"
options=--stored
check "which --stored does not read" has gptq q_proj I32 36 3.16992500144
options=
for other in '{"quant_method":"other","bits":3}' '{"quant_method":"gptq","bits":8,"dynamic":{"layer":{"bits":4}}}' null; do
    config gptq "$other"
    check "names alone: $other" has gptq 'q_proj codes' U4 64 4.0
done
config odd '{"quant_method":"gptq","bits":3}'
check "codes across words are left alone" has odd q_proj I32 36 3.16992500144
check "where there are such" refused gptq '{"quant_method":"gptq","bits":3}' '4-bit codes, but config.json says 3 bits'
config gptq "$gptq"

# ---- compressed-tensors: integers in words

group() { printf '{"quant_method":"compressed-tensors","format":"%s","config_groups":{"group_0":{"weights":{"num_bits":%s,"group_size":%s}}}}' "$1" "$2" "$3"; }
packed() { # MODEL ROWS COLUMNS
    begin
    put m.0.q_proj.weight_packed I32 '[2,4]' 4 "$all"
    put m.0.q_proj.weight_scale F16 '[2,1]' 2 "$half"
    put m.0.q_proj.weight_zero_point I32 '[1,1]' 1 "$sevens"
    [ $# -lt 3 ] || put m.0.q_proj.weight_shape I64 '[2]' 1 "\\0$2\\0\\0\\0\\0\\0\\0\\0\\0$3\\0\\0\\0\\0\\0\\0\\0"
    end "$1"
}
packed ct4 2 40 && packed ct8 2 20 && packed ct3 3 40 && packed ct # octal: 2 x 32, 2 x 16, 3 x 32 codes
check "compressed-tensors: the shape tells that codes have 4 bits" has ct4 'q_proj codes' U4 64 4.0
check "zeros are apart" has ct4 'q_proj zeros' U4 8 $zero
check "or 8 bits: eight bytes alike" has ct8 'q_proj codes' U8 32 3.0
check "without a shape nothing is guessed" has ct q_proj I32 36 3.16992500144
config ct "$(group pack-quantized 4 32)"
check "but config.json knows" has ct 'q_proj codes' U4 64 4.0
check "8 bits of which there are 4" refused ct4 "$(group pack-quantized 8 null)" 'do not hold 2 x 32 codes of 8 bits'
check "groups of 16" refused ct4 "$(group pack-quantized 4 16)" '1 groups for 32 inputs'
check "a row too many" refused ct3 "$(group pack-quantized 4 null)" 'do not hold 3 x 32 codes'
check "a group size out of this world" refused ct4 "$(group pack-quantized 4 99999999999)" 'whole number'
config ct4 "$(group pack-quantized 4 32)"

# ---- four-bit floats in blocks

begin
put m.0.mlp.experts.down_proj_blocks U8 '[1,1,16]' 16 '\0020'
put m.0.mlp.experts.down_proj_scales U8 '[1,1]' 1 '\0177'
end mx
check "MXFP4: 32 codes, two alike" has mx 'down_proj codes' F4 32 1.0
check "its scale is a power of two" has mx 'down_proj scales' F8_E8M0 1 $zero
config mx '{"quant_method":"mxfp4","modules_to_not_convert":["lm_head"]}'
check "with its config.json" has mx 'down_proj codes' F4 32 1.0
fp4() { # MODEL CODES GLOBAL DTYPE BLOCKS SCALES : 32 codes, each of 16 twice
    begin
    put "m.0.q_proj.$2" U8 '[1,16]' 2 "$all"
    put m.0.q_proj.weight_scale "$4" "[1,$5]" 1 "$6"
    [ -z "$3" ] || put "m.0.q_proj.$3" F32 '[1]' 1 "$one"
    end "$1"
}
fp4 nv weight_packed weight_global_scale F8_E4M3 2 '\0070\0071'
fp4 opt weight weight_scale_2 F8_E4M3 2 '\0070\0071'
fp4 badnv weight weight_scale_2 F8_E4M3 1 '\0070'
fp4 ctmx weight_packed '' U8 1 '\0177'
fp4 optmx weight '' U8 1 '\0177'
for model in nv opt; do
    check "NVFP4 ($model): 32 codes, all alike" has $model 'q_proj codes' F4 32 4.0
    check "its two scales ($model)" has $model 'q_proj scales' F8_E4M3 2 1.0
    check "and the one of all ($model)" has $model 'q_proj global scale' F32 1 $zero
done
check "scales for other blocks are left alone" has badnv q_proj F8_E4M3 1 $zero
modelopt='{"quant_method":"modelopt","quant_algo":"NVFP4"}'
check "but not where config.json promises" refused badnv "$modelopt" '1 scales in its last axis, and 32 codes'
check "blocks of 32" refused nv "$(group nvfp4-pack-quantized 4 32)" 'blocks of 16, but config.json says group_size 32'
config nv "$(group nvfp4-pack-quantized 4 16)"
check "scales of a byte are not guessed to be MXFP4's" has ctmx q_proj U8 17 '[0-9.]*'
config ctmx "$(group mxfp4-pack-quantized 4 32)"
config optmx '{"quant_method":"modelopt","quant_algo":"W4A8_MXFP4_FP8"}'
for model in ctmx optmx; do
    check "with config.json they are ($model)" has $model 'q_proj codes' F4 32 4.0
    check "and powers of two ($model)" has $model 'q_proj scales' F8_E8M0 1 $zero
done

# ---- bitsandbytes: indices of levels

bnb() { # MODEL STATE ABSMAX-DTYPE BLOCKS : 64 codes, each of 16 four times
    begin
    put m.0.q_proj.weight U8 '[32,1]' 4 "$all"
    if [ "$3" = U8 ]; then
        put m.0.q_proj.weight.absmax U8 "[$4]" "$4" '\0001'
        put m.0.q_proj.weight.nested_absmax F32 '[1]' 1 "$one"
    else
        put m.0.q_proj.weight.absmax F32 "[$4]" "$4" "$one"
    fi
    put m.0.q_proj.weight.quant_map F32 '[16]' 16 "$one"
    put m.0.q_proj.weight.quant_state.bitsandbytes__nf4 U8 "[${#2}]" 1 "$2"
    end "$1"
}
state='"dtype":"bfloat16","shape":[8,8]'
bnb nf4 "{\"quant_type\":\"nf4\",\"blocksize\":64,$state}" F32 1
bnb nested "{\"quant_type\":\"nf4\",\"blocksize\":16,\"nested_blocksize\":256,$state}" U8 4
check "bitsandbytes: 64 codes, all alike" has nf4 'q_proj codes' U4 64 4.0
check "scales" has nf4 'q_proj scales' F32 1 $zero
check "and levels" has nf4 'q_proj levels' F32 16 $zero
check "scales that are indices themselves" has nested 'q_proj scales' U8 4 $zero
check "and their scales" has nested 'q_proj scales of scales' F32 1 $zero
bad() { # WORDS BNB... : refused without a config.json, too
    words=$1; shift
    bnb bad "$@"
    fails 3 "$words" "$entropy" stats "$work/bad"
}
check "too few scales" bad '1 scales for 64 in blocks of 16' "{\"quant_type\":\"nf4\",\"blocksize\":16,$state}" F32 1
check "too few codes" bad '32 bytes for the 128 weights' '{"quant_type":"nf4","blocksize":64,"shape":[8,16]}' F32 1
check "a shape too large to be one" bad 'for the 0 weights' '{"quant_type":"nf4","blocksize":64,"shape":[9223372036854775807,9]}' F32 1
check "another kind" bad 'not "nf4"' "{\"quant_type\":\"fp4\",\"blocksize\":64,$state}" F32 1
check "no block size" bad 'no blocksize' "{\"quant_type\":\"nf4\",$state}" F32 1
check "no scales of scales" bad 'no nested_absmax' "{\"quant_type\":\"nf4\",\"blocksize\":64,\"nested_blocksize\":256,$state}" F32 1
check "no JSON" bad 'near byte' 'nf4' F32 1
check "another kind in config.json" refused nf4 '{"quant_method":"bitsandbytes","load_in_4bit":true,"bnb_4bit_quant_type":"fp4"}' 'config.json says bnb_4bit_quant_type "fp4"'
config nf4 '{"quant_method":"bitsandbytes","load_in_4bit":true,"bnb_4bit_quant_type":"nf4"}'

# ---- eight bits with scales

scaled() { # MODEL DTYPE NAME SHAPE TIMES : 16 weights, eight kinds of them
    begin
    put m.0.q_proj.weight "$2" '[4,4]' 2 "$all"
    put "m.0.q_proj.$3" F32 "$4" "$5" "$one"
    end "$1"
}
scaled int8 I8 SCB '[4]' 4 && scaled rows I8 weight_scale '[4,1]' 4 && scaled one F8_E4M3 weight_scale '[]' 1
scaled blocks F8_E4M3 weight_scale_inv '[2,2]' 4 && scaled badint I8 SCB '[3]' 3
check "LLM.int8: codes" has int8 'q_proj codes' I8 16 3.0
check "and scales" has int8 'q_proj scales' F32 4 $zero
check "INT8 with a scale a row" has rows 'q_proj codes' I8 16 3.0
check "FP8 with one scale" has one 'q_proj codes' F8_E4M3 16 3.0
check "FP8 with a scale a block" has blocks 'q_proj codes' F8_E4M3 16 3.0
check "three scales for four rows are left alone" has badint q_proj I8 16 3.0
check "but not where config.json promises" refused badint '{"quant_method":"bitsandbytes","load_in_8bit":true}' 'its 3 scales do not cut'
check "blocks of another size" refused blocks '{"quant_method":"fp8","weight_block_size":[4,4]}' 'of the size that config.json says'
check "blocks of no size" refused blocks '{"quant_method":"fp8","weight_block_size":[0,4]}' 'pair of sizes'
config blocks '{"quant_method":"fp8","weight_block_size":[2,2]}'

# ---- the same statistics for all of them

for model in awq ct4 ct8 nv ctmx nested int8 blocks; do
    check "dependence and intervals of $model" tells "$model"
done
for model in gptq mx; do
    check "tables and figures of $model" "$entropy" stats "$work/$model" --dependence --interval -o "$work/$model.out"
    check "codes of $model are in the table" grep -q '_proj codes' "$work/$model.out/stats.tsv"
done

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
