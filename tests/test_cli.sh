#!/bin/sh
# test_cli.sh BUILD - the program as its users meet it: every command, exit statuses, JSON, damaged
# input, full disks, nothing half-written.  Prints ok or not ok for each case; exit 1 when any fails.
set -u
cd "$(dirname "$0")/.."
build=${1:-build}
entropy=$(pwd)/$build/entropy
case $build in /*) entropy=$build/entropy ;; esac

t=$(mktemp -d "${TMPDIR:-/tmp}/entropy-cli-XXXXXX") || exit 1
small=$t/small # a file system of its own, when we may mount one
trap 'umount "$small" 2>/dev/null; rm -rf "$t"' EXIT
trap 'exit 1' HUP INT TERM
passed=0 failed=0 skipped=0

ok() { passed=$((passed + 1)); echo "ok      $1"; }
not_ok() {
    failed=$((failed + 1))
    echo "not ok  $1"
    sed 's/^/        /' "$t/err" | head -5
}
skip() { skipped=$((skipped + 1)); echo "SKIPPED $1"; }

# expect NAME STATUS PATTERN ARGUMENT... - runs the program; its output is left in $t/out, $t/err
expect() {
    name=$1 status=$2 pattern=$3
    shift 3
    "$entropy" "$@" >"$t/out" 2>"$t/err"
    got=$?
    if [ $got -ne "$status" ]; then
        not_ok "$name: status $got, expected $status"
    elif [ -n "$pattern" ] && ! cat "$t/out" "$t/err" | grep -q -e "$pattern"; then
        not_ok "$name: no '$pattern' in the output"
    else
        ok "$name"
    fi
}

# check NAME COMMAND... - any other condition
check() {
    name=$1
    shift
    if "$@" >"$t/checked" 2>"$t/err"; then ok "$name"; else not_ok "$name"; fi
}

# json NAME STATUS KEYS ARGUMENT... - as expect, every line an object with the keys; collected for a real parser
json() {
    name=$1 status=$2 keys=$3
    shift 3
    expect "$name" "$status" '' "$@" --json --quiet
    cat "$t/out" >>"$t/all.json"
    for key in $keys; do
        grep -v "\"$key\":" "$t/out" >"$t/without" && { cp "$t/without" "$t/err"; not_ok "$name: lines without $key"; }
    done
    [ -s "$t/out" ] || not_ok "$name: no output"
}

empty() { [ ! -e "$1" ] && ! ls "$1".*part* >/dev/null 2>&1 && ! ls "$(dirname "$1")"/.*part* >/dev/null 2>&1; }
no_parts() { ! find "$t" -name '*.part*' | grep .; }
different() { ! cmp -s "$1" "$2"; }
byte() { printf "\\$(printf %03o "$1")"; }

# safetensors HEADER DATA - a file by hand
safetensors() {
    n=${#1}
    byte $((n % 256))
    byte $((n / 256))
    printf '\0\0\0\0\0\0%s%s' "$1" "$2"
}

# ---- help, version, wrong usage ----

expect 'help' 0 'compress' --help
check 'each command in a line' [ -z "$("$entropy" --help | sed -n '/^Commands:/,/^$/{ /^Commands:/d; /^  [a-z]/d; /^$/d; p; }')" ]
check 'help fits one screen' [ "$("$entropy" --help | wc -l)" -le 40 ]
expect 'version' 0 '^entropy [0-9]' --version
expect 'no command' 2 'which command'
expect 'unknown command' 2 "no command 'frobnicate'" frobnicate
expect 'unknown option' 2 'unrecognized option' stats --frobnicate
expect 'too few arguments' 2 'which model' stats
expect 'too many arguments' 2 '' inspect a b
expect 'compress needs an output' 2 'where to' compress x
expect 'bad number' 2 'not a number' bench x --sample 12Q
expect 'no such model' 2 'no such file or dataset' stats "$t/none"
expect 'no such container' 2 'no such file' verify "$t/none"
expect 'no such container' 2 'no such file' decompress "$t/none" -o "$t/x"
expect 'no such codec' 2 '' bench "$t/none" --codec nonsense
expect 'no such estimator' 2 'entropy list estimators' stats --estimator nonsense x
for command in $(sed -n 's/^X(\([a-z]*\),.*/\1/p' analyses/commands.def); do
    expect "$command --help" 0 'Usage: entropy '"$command" "$command" --help
    check "$command tells each option once" [ -z "$(sed -n 's/^ \{6\}\(--[a-z-]*\).*/\1/p; s/^  -., \(--[a-z-]*\).*/\1/p' "$t/out" | sort | uniq -d)" ]
done

# ---- lists ----

for list in codecs coders formats readers targets datasets estimators contexts laws systems; do
    expect "list $list" 0 '' list $list --quiet
    json "list $list, JSON" 0 name list $list
done
expect 'list transforms' 0 '^rtn  *quantizer' list transforms
expect 'a list names the other' 0 '^dfloat11 .*GPU kernel' list codecs
expect 'list repairs' 0 '^lowrank  *repair' list transforms
expect 'list of nothing' 2 'no list' list nonsense
expect 'list names planar-rans' 0 '^planar-rans ' list codecs

# ---- a generated model ----

model=$t/model.safetensors
expect 'dataset make' 0 '' dataset make normal -o "$model" --weights 200k --seed 7
expect 'dataset make keeps an existing file' 2 'exists' dataset make normal -o "$model"
expect 'dataset make, same seed' 0 '' dataset make normal -o "$t/again.safetensors" --weights 200k --seed 7 --threads 1
check 'same seed, same bytes' cmp "$model" "$t/again.safetensors"
expect 'dataset make, wrong kind' 2 '' dataset make nonsense -o "$t/x"
expect 'dataset make, wrong number' 2 '' dataset make normal -o "$t/x" --sigma huge
expect 'dataset list' 0 'normal\|llama' dataset list
[ -e datasets/gutenberg-llama-4.7m ] && json 'dataset verify, JSON' 0 'verified' dataset verify gutenberg-llama-4.7m
expect 'dataset get, unknown name' 2 'no dataset' dataset get nonsense

expect 'inspect a model' 0 'BF16' inspect "$model"
json 'inspect a model, JSON' 0 'file' inspect "$model"
expect 'stats' 0 'exponent' stats "$model"
expect 'stats --tensors' 0 '^tensor ' stats --tensors "$model"
json 'stats, JSON' 0 'scope name field count estimator bits stderr' stats "$model" --estimator all
check 'stats: a fair sign is one bit' grep -q '"scope":"model".*"field":"sign".*"estimator":"plugin","bits":\(1\.0\|0\.9999\)' "$t/out"
check 'stats: mantissas of a normal law are near 7 bits' grep -q '"scope":"model".*"field":"mantissa".*"bits":6.9' "$t/out"
"$entropy" stats --json "$model" --threads 1 >"$t/one"
"$entropy" stats --json "$model" --threads 3 >"$t/three"
check 'stats: the same on any number of threads' cmp "$t/one" "$t/three"

# ---- counts of parts add up ----

part=$t/part.safetensors
"$entropy" dataset make normal -o "$part" --weights 100k --seed 8 --sigma 0.1 --quiet
rows() { grep -v '"scope":"tensor"' | sed 's/,"model":.*//; s/"scope":"model","name":"[^"]*"/"scope":"model"/'; }
"$entropy" stats --json --sum "$model" "$part" | rows >"$t/whole"
"$entropy" stats --quiet "$model" --save-counts "$t/1.counts" >"$t/text"
"$entropy" stats --quiet "$part" --tensors --save-counts "$t/2.counts" >"$t/text"
"$entropy" stats --json --counts "$t/1.counts" --counts "$t/2.counts" | rows >"$t/merged"
check 'saved counts of parts add up to the whole' cmp "$t/whole" "$t/merged"
"$entropy" stats --json "$model" --counts "$t/2.counts" | rows >"$t/merged"
check 'a model and saved counts add up too' cmp "$t/whole" "$t/merged"
check 'the sum is not empty' [ -s "$t/whole" ]
expect 'counts: a model is not a file of counts' 3 'line 1' stats --counts "$model"
head -c 300 "$t/1.counts" >"$t/cut.counts"
expect 'counts: cut short' 3 'line 2' stats --counts "$t/cut.counts"
expect 'intervals' 0 '95 % from' stats "$model" --interval
json 'intervals, JSON' 0 'field bits stderr low high' stats datasets/gutenberg-llama-4.7m --interval --seed 7 -e grassberger
expect 'fits' 0 'best law by BIC' stats "$model" --fits
json 'fits, JSON' 0 'scope name count model' stats "$model" --lines 3
check 'fits, JSON: rows of laws' grep -q '"law":"student".*"nu":.*"bic":.*"ks":.*"predicted_exponent_bits":' "$t/out"
check 'fits, JSON: rows of moments' grep -q '"kurtosis":.*"outlier_columns":.*"constant":false' "$t/out"
"$entropy" stats "$model" --lines 3 --json --threads 1 >"$t/one" 2>"$t/err"
"$entropy" stats "$model" --lines 3 --json --threads 3 >"$t/three" 2>"$t/err"
check 'fits: the same for any number of threads' cmp "$t/one" "$t/three"
expect 'fits of counts' 2 'needs weights' stats --counts "$t/1.counts" --fits
expect 'dependence' 0 'its row' stats "$model" --dependence
json 'dependence, JSON' 0 'scope name field count bits model' stats "$model" --dependence
check 'dependence, JSON: rows of contexts' grep -q \
    '"context":"row".*"information":.*"conditional_bits":.*"null_information":.*"null_stderr":.*"p":' "$t/out"
"$entropy" stats "$model" --dependence --json --threads 1 >"$t/one" 2>"$t/err"
"$entropy" stats "$model" --dependence --json --threads 3 >"$t/three" 2>"$t/err"
check 'dependence: the same for any number of threads' cmp "$t/one" "$t/three"
expect 'dependence on another model' 0 'another model' stats "$model" --context model --against "$model"
expect 'dependence: no such context' 2 'entropy list contexts' stats "$model" --context nonsense
expect 'dependence of counts' 2 'needs weights' stats --counts "$t/1.counts" --dependence
expect 'estimate' 0 'Coding pays' stats "$model" --estimate
json 'estimate, JSON' 0 'codec estimate_bytes low_bytes high_bytes stored_bytes bits_per_weight sample_blocks pays' \
    stats "$model" --estimate
head -c 1000000 /dev/urandom >"$t/noise"
safetensors '{"a":{"dtype":"F8_E4M3","shape":[1000000],"data_offsets":[0,1000000]}}' '' >"$t/noise.safetensors"
cat "$t/noise" >>"$t/noise.safetensors"
expect 'estimate of noise' 0 'does not pay' stats "$t/noise.safetensors" --estimate
expect 'estimate of one codec' 0 '^huffman block=1k ' stats "$model" --estimate --codec 'huffman block=1k' --share 0.5
expect 'estimate, wrong codec' 2 '' stats "$model" --estimate --codec nonsense
expect 'estimate of counts' 2 'needs weights' stats --counts "$t/1.counts" --estimate
expect 'counts: empty file' 3 'empty' stats --counts /dev/null
expect 'counts: no such file' 2 '' stats --counts "$t/none"
bad_counts() { # NAME LINE
    printf '{"entropy_counts":1}\n%s\n' "$2" >"$t/bad.counts"
    expect "counts: $1" 3 'line 2' stats --counts "$t/bad.counts"
}
bad_counts 'symbol outside' '{"scope":"role","name":"x","dtype":"F8_E4M3","planes":[[256,1]]}'
bad_counts 'symbols not ascending' '{"scope":"role","name":"x","dtype":"BF16","planes":[[5,1,5,1]]}'
bad_counts 'no count' '{"scope":"role","name":"x","dtype":"BF16","planes":[[5]]}'
bad_counts 'count of zero' '{"scope":"role","name":"x","dtype":"BF16","planes":[[5,0]]}'
bad_counts 'count too large' '{"scope":"role","name":"x","dtype":"BF16","planes":[[5,9223372036854775807]]}'
bad_counts 'wrong planes' '{"scope":"role","name":"x","dtype":"F32","planes":[[5,1]]}'
bad_counts 'planes that disagree' '{"scope":"role","name":"x","dtype":"F32","planes":[[5,1],[5,2]]}'
bad_counts 'not an object of ours' '{"scope":"nonsense"}'

# ---- compress, decompress, verify, inspect ----

out=$t/model.ent
expect 'compress' 0 'bound' compress "$model" -o "$out"
expect 'compress keeps an existing file' 2 'exists' compress "$model" -o "$out"
json 'compress, JSON' 0 'codec input_bytes output_bytes bits_per_weight bound_bits payload_bits table_bits index_bits' \
    compress "$model" -o "$out" --force
check 'compress saved something' [ "$(wc -c <"$out")" -lt "$(wc -c <"$model")" ]
expect 'inspect a container' 0 'planar-rans' inspect "$out"
json 'inspect a container, JSON' 0 'file\|tensor' inspect "$out"
expect 'verify' 0 'sound' verify "$out"
expect 'verify against its model' 0 'equal' verify "$out" "$model"
expect 'verify against another model' 1 '' verify "$out" "$part"
json 'verify, JSON' 0 'verified' verify "$out"
expect 'decompress' 0 '' decompress "$out" -o "$t/back.safetensors"
check 'the same bytes came back' cmp "$model" "$t/back.safetensors"
expect 'decompress keeps an existing file' 2 'exists' decompress "$out" -o "$t/back.safetensors"
for codec in $("$entropy" list codecs --quiet | awk 'NR > 1 { print $1 }') 'BF16: exponent=huffman rest=raw block=4k'; do
    "$entropy" compress "$model" -o "$t/c" --codec "$codec" --force --quiet >"$t/text" 2>"$t/err" &&
        "$entropy" decompress "$t/c" -o "$t/b" --force --quiet 2>"$t/err"
    check "codec $codec: there and back" cmp "$model" "$t/b"
    rm -f "$t/c" "$t/b"
done
expect 'compress with a wrong codec' 2 '' compress "$model" -o "$t/x" --codec 'BF16: exponent=nonsense rest=raw'
expect 'inspect, not a model' 3 '' inspect "$t/1.counts"
expect 'compress, lossy' 0 'step .*e-' compress "$model" -o "$t/lossy" --with 'prune(share=0.2) step(bits=3) => huffman'
expect 'inspect it' 0 'lossy: .*step(step=0.5,bits=3' inspect "$t/lossy"
expect 'verify it' 0 'sound' verify "$t/lossy"
expect 'verify it against the model' 2 'is lossy' verify "$t/lossy" "$model"
expect 'decompress it' 0 'lossy' decompress "$t/lossy" -o "$t/lossy.back"
check 'of the same size' [ "$(wc -c <"$t/lossy.back")" -eq "$(wc -c <"$model")" ]
expect 'compress, lossy, JSON' 0 '"coded_bits":' compress "$model" -o "$t/lossy" --force --json --with 'rtn(bits=4)'
expect 'compress, sparse lists' 0 'outlier ' compress "$model" -o "$t/lossy" --force --with 'outliers hadamard prune(whole=16) gqsa'
expect 'decompress sparse lists' 0 'lossy' decompress "$t/lossy" -o "$t/lossy.back" --force
check 'of the same size again' [ "$(wc -c <"$t/lossy.back")" -eq "$(wc -c <"$model")" ]
check 'nothing is left beside it' [ -z "$(find "$t" -name '*.packed-*')" ]
expect 'compress, bits shared out' 0 'step(bits=[2-4]) ' \
    compress datasets/gutenberg-llama-4.7m -o "$t/shared" --with 'step(bits=2:1:4) => rans' --budget 3.2 --tensors
expect 'decompress, bits shared out' 0 'lossy' decompress "$t/shared" -o "$t/shared.safetensors"
expect 'inspect, bits shared out' 0 'step(.* | step(' inspect "$t/shared"
expect 'compress, smallest' 0 '' compress "$model" -o "$t/smallest" --with 'nf4 | mxfp4' --slack 1e9 --tensors="$t/smallest.tsv"
check 'compress: a table of matrices' grep -q '^nf4 | mxfp4' "$t/smallest.tsv"
json 'compress, bits shared out, JSON' 0 '' compress "$model" -o "$t/shared" --force --with 'nf4 | step(bits=2:1:4)' --tensors
expect 'compress, bits shared out by dynamic programming' 0 'step(bits=[2-4]) ' \
    compress datasets/gutenberg-llama-4.7m -o "$t/shared" --force --with 'step(bits=2:1:4)' --budget 3.2 --allocate l-greco --tensors
expect 'compress, bits shared out by evolution' 0 'lossy' compress datasets/gutenberg-llama-4.7m -o "$t/shared" --force \
    --with 'step(bits=2:1:4)' --budget 3.2 --allocate evopress --generations 1 --sequences 1
expect 'compress, evolution without a language model' 4 'config.json' \
    compress "$model" -o "$t/x" --with 'step(bits=2:1:4)' --budget 3.2 --allocate evopress
expect 'compress, an allocation that is not known' 2 'l-greco or evopress' compress "$model" -o "$t/x" --with rtn --budget 3 --allocate fair
expect 'compress, a budget too small' 3 'budget of 0.1 bits' compress "$model" -o "$t/x" --with 'step(bits=2:1:4)' --budget 0.1
llama=datasets/gutenberg-llama-4.7m
expect 'compress to a stack' 0 'signs' compress $llama -o "$t/stack" --keep embed,down_proj,up_proj,gate_proj,q_proj --with 'bitstack(levels=2,rank=1)' --sort perplexity --sequences 1
expect 'inspect it' 0 'lossy: .*bitstack(levels=2' inspect "$t/stack"
expect 'decompress what fits' 0 'lossy: [0-9]* of 30 blocks, [0-9.]* MB of memory' decompress "$t/stack" -o "$t/stack.back" --max-bytes 8250k
check 'a whole file' [ "$(wc -c <"$t/stack.back")" -eq "$(wc -c <"$llama/model.safetensors")" ]
json 'decompress what fits, JSON' 0 'blocks of_blocks memory_bytes' decompress "$t/stack" -o "$t/stack.back" --force --max-bytes 1Gi
expect 'decompress: too few bytes' 2 '0 bytes are too few: what has no levels takes 8[0-9]*' decompress "$t/stack" -o "$t/x" --max-bytes 0
check 'which leaves nothing' [ ! -e "$t/x" ]
expect 'decompress: no stack' 2 'has no levels' decompress "$t/lossy" -o "$t/x" --max-bytes 1G
expect 'compress to a stack by predicted loss' 0 'left' compress $llama -o "$t/stack" --force --keep embed,down_proj,up_proj,gate_proj,q_proj,o_proj --with 'bitstack(levels=2,rank=1)' --sort loss --sequences 1
expect 'compress to a stack by error' 0 'right' compress "$model" -o "$t/stack" --force --with 'bitstack(levels=2,rank=1)' --sort error
expect 'compress: an order of what has no levels' 2 'has none' compress "$model" -o "$t/x" --with rtn --sort error
expect 'compress: an order that is not known' 2 'level, error, loss or perplexity' compress "$model" -o "$t/x" --with bitstack --sort nonsense
expect 'compress with a wrong pipeline' 2 'no transform' compress "$model" -o "$t/x" --with 'nonsense(bits=3)'
expect 'compress, a role that is not there' 2 'no tensor of role' compress "$model" -o "$t/x" --with rtn --keep embed,nonsense
expect 'compress by a system' 0 'lossy: nf4 => ' compress "$model" -o "$t/system" --with nf4
expect 'compress by a system and a codec' 0 'lossy: nf4 => .*word=huffman' compress "$model" -o "$t/system" --force --with 'nf4 => huffman'
expect 'compress by a lossless system' 0 'codec dfloat11' compress "$model" -o "$t/system" --force --with dfloat11
expect 'compress by a lossless system and a codec' 2 'already names' compress "$model" -o "$t/x" --with dfloat11 --codec rans
expect 'compress, not calibrated' 2 'calibration' compress "$model" -o "$t/x" --with 'rescale rtn'
expect 'decompress, not a container' 3 '' decompress "$model" -o "$t/x"
check 'nothing was written' empty "$t/x"

# ---- choose: the raw time and the others' differ enough on a modelled target to be sure of the outcome ----

target=huff-llm-systolic-64
expect 'calibrate' 0 'operations' bench "$model" --calibrate -o "$t/here.yaml" --codec raw --codec huffman --runs 1 --sample 1Mi
expect 'calibrate keeps an existing file' 2 'exists' bench "$model" --calibrate -o "$t/here.yaml"
expect 'calibrate needs an output' 2 'where to' bench "$model" --calibrate
expect 'a calibrated target predicts other codecs of its coders' 0 'median error' \
    bench "$model" --target "$t/here.yaml" --codec 'BF16: exponent:top4=huffman rest=raw' --runs 1 --sample 1Mi
expect 'bench of a number format' 0 'BF16, ' bench "$model" --dtype BF16 --codec raw --runs 1 --sample 1Mi
expect 'bench of one that is not there' 2 "no weights of number format 'I8'" bench "$model" --dtype I8 --codec raw
check 'calibrated for what files hold' [ "$(grep -c 'dtype: F16\|dtype: F32\|dtype: I8' "$t/here.yaml")" -ge 12 ]
expect 'calibrate nowhere' 4 'No such file' bench "$model" --calibrate -o "$t/nowhere/here.yaml"
json 'calibrate, JSON' 0 'codec cache threads decode_gbps decode_cycles decode_pj computed_gbps' \
    bench "$model" --calibrate -o "$t/here.yaml" --force --codec raw --runs 1 --sample 1Mi

expect 'choose for a target' 0 'no choice of these codecs is better' choose "$model" --target $target -o "$t/plan"
expect 'choose keeps an existing file' 2 'exists' choose "$model" --target $target -o "$t/plan"
check 'choose: the accelerator decodes huffman alone' grep -q '"codecs": \[' "$t/plan"
json 'choose, JSON' 0 'scope name bits_per_weight' choose "$model" --target $target
expect 'compress by a plan' 0 'codec chosen' compress "$model" -o "$t/planned" --plan "$t/plan"
expect 'decompress it' 0 '' decompress "$t/planned" -o "$t/planned.back"
check 'the same bytes came back' cmp "$model" "$t/planned.back"
"$entropy" compress "$model" -o "$t/raw.ent" --codec raw --quiet >"$t/text"
check 'the plan saved something' [ "$(wc -c <"$t/planned")" -lt "$(wc -c <"$t/raw.ent")" ]
expect 'bench of a container' 0 '^decode ' bench "$t/planned" --runs 1
expect 'bench of a container against its plan' 0 'predicted' bench "$t/planned" --plan "$t/plan" --runs 1
json 'bench of a container, JSON' 0 'decode_ns memcpy_ns predicted_ns error_percent verified' \
    bench "$t/planned" --plan "$t/plan" --runs 1
expect 'choose on the host' 0 'predicted from measured speeds' choose "$model" --codec huffman --codec tiered --runs 1
expect 'choose and measure' 0 'memcpy of the same blocks; predicted: ' \
    choose "$model" --codec huffman --runs 1 -o "$t/verified.plan" --verify
check 'what was measured is gone' [ -z "$(find "$t" -name '*.verify-*')" ]
expect 'choose and measure, JSON' 0 '"latency_error_percent":' \
    choose "$model" --codec huffman --runs 1 -o "$t/verified.plan" --force --verify --json
expect 'choose: verify elsewhere' 2 'not this machine' choose "$model" --target $target -o "$t/x" --verify
expect 'choose: verify no plan' 2 'of what' choose "$model" --verify
expect 'choose within a size' 0 'least time' choose "$model" --target $target --memory 390k
expect 'choose: a size too small' 3 'the least that can be had' choose "$model" --target $target --memory 1k
expect 'choose: a time too short' 3 'the least that can be had' choose "$model" --target $target --latency 0.01
expect 'choose: no energies' 2 'energy' choose "$model" --codec huffman --runs 1 --energy 1
expect 'choose: tables shared by tensors' 2 'scope=tensor' choose "$model" --codec 'huffman scope=model'
expect 'choose: blocks that differ' 2 'blocks' choose "$model" --codec huffman --codec 'rans block=8k'
expect 'compress: a plan and a codec' 2 'already names' compress "$model" -o "$t/x" --plan "$t/plan" --codec raw
"$entropy" dataset make normal -o "$t/other.safetensors" --weights 1M --quiet
printf '{"format":"libentropy choice","version":1,"target":"x","codecs":[{"text":"raw"}],"tensors":{}}' >"$t/empty.plan"
expect 'compress: the plan of another model' 3 'tensors' compress "$model" -o "$t/x" --plan "$t/empty.plan"
sed '/"tensors"/,$ s/: [0-9][0-9]*/: 99/' "$t/plan" >"$t/wrong.plan"
expect 'compress: a plan with a codec that is not there' 3 'no such codec' compress "$model" -o "$t/x" --plan "$t/wrong.plan"
head -c 100 "$t/plan" >"$t/cut.plan"
expect 'compress: a plan cut short' 3 'line' compress "$model" -o "$t/x" --plan "$t/cut.plan"
expect 'compress: no plan' 2 'No such file' compress "$model" -o "$t/x" --plan "$t/none"
check 'nothing was written' empty "$t/x"

expect 'train' 0 '' train "$model" "$part" --codec planar-rans -o "$t/tables"
json 'train, JSON' 0 'codec output models' train "$model" --codec planar-rans -o "$t/tables" --force
expect 'train keeps an existing file' 2 'exists' train "$model" -o "$t/tables"
expect 'compress with trained tables' 0 '' compress "$part" -o "$t/part.ent" --tables "$t/tables"
expect 'decompress it' 0 '' decompress "$t/part.ent" -o "$t/part.back"
check 'the same bytes came back' cmp "$part" "$t/part.back"

mkdir "$t/shards"
safetensors '{"a":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]}}' '12345678' >"$t/shards/m-1.safetensors"
safetensors '{"b":{"dtype":"U8","shape":[2,3],"data_offsets":[0,6]}}' 'abcdef' >"$t/shards/m-2.safetensors"
echo '{"metadata":{"total_size":14},"weight_map":{"a":"m-1.safetensors","b":"m-2.safetensors"}}' \
    >"$t/shards/model.safetensors.index.json"
expect 'shards: inspect' 0 'm-2.safetensors' inspect "$t/shards"
expect 'shards: compress' 0 'bound' compress "$t/shards" -o "$t/shards.ent"
expect 'shards: verify' 0 'equal' verify "$t/shards.ent" "$t/shards"
expect 'shards: decompress' 0 '3 files' decompress "$t/shards.ent" -o "$t/back"
check 'shards: the same files came back' diff -r "$t/shards" "$t/back"

# ---- damage ----

damage() { # NAME FILE PATTERN
    expect "stats: $1" 3 "$3" stats "$2"
    expect "compress: $1" 3 "$3" compress "$2" -o "$t/x"
    check "compress: $1: nothing was written" empty "$t/x"
}
head -c 100000 "$model" >"$t/cut.safetensors"
damage 'truncated' "$t/cut.safetensors" ''
safetensors '{"a":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]}}' '1234567' >"$t/short.safetensors"
damage 'lying header' "$t/short.safetensors" ''
safetensors '{"a":{"dtype":"BF16","shape":[3],"data_offsets":[0,8]}}' '12345678' >"$t/shape.safetensors"
damage 'lying shape' "$t/shape.safetensors" ''
safetensors '{"a":{"dtype":"Q9_K","shape":[8],"data_offsets":[0,8]}}' '12345678' >"$t/dtype.safetensors"
damage 'unknown dtype' "$t/dtype.safetensors" 'Q9_K'
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n' >"$t/lfs.safetensors"
damage 'Git LFS pointer' "$t/lfs.safetensors" 'LFS'
: >"$t/empty.safetensors"
damage 'empty file' "$t/empty.safetensors" ''

size=$(wc -c <"$out")
flipped=$t/flipped.ent
cp "$out" "$flipped"
printf 'x!x' | dd of="$flipped" bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
expect 'verify finds flipped bytes' 1 '' verify "$flipped"
"$entropy" decompress "$flipped" -o "$t/x" >"$t/text" 2>&1
check 'decompress refuses them' [ $? -eq 3 ]
check 'nothing was written' empty "$t/x"
echo old >"$t/old"
"$entropy" decompress "$flipped" -o "$t/old" --force >"$t/text" 2>&1
check 'an older file stays when decompress fails' grep -q '^old$' "$t/old"
"$entropy" compress "$t/cut.safetensors" -o "$t/old" --force >"$t/text" 2>&1
check 'an older file stays when compress fails' grep -q '^old$' "$t/old"
head -c $((size / 2)) "$out" >"$t/cut.ent"
expect 'decompress of half a container' 3 '' decompress "$t/cut.ent" -o "$t/x"
check 'nothing was written' empty "$t/x"

# ---- the system fails ----

if [ -c /dev/full ]; then
    for command in "stats $model" "list formats" "inspect $model" "--help" "stats --json $model"; do
        # shellcheck disable=SC2086
        "$entropy" $command >/dev/full 2>"$t/err"
        check "full output: $(echo "$command" | sed "s|$t/||")" [ $? -eq 4 ]
    done
else
    skip 'no /dev/full here'
fi
(sleep 0.2; "$entropy" list formats 2>"$t/err"; echo $? >"$t/rc") | :
check 'closed pipe: status 4, no words' [ "$(cat "$t/rc")$(cat "$t/err")" = 4 ]
expect 'no such folder' 4 '' compress "$model" -o "$t/nowhere/x"
mkdir "$small"
if [ "$(id -u)" -eq 0 ] && mount -t tmpfs -o size=16k none "$small" 2>/dev/null; then
    expect 'full disk: compress' 4 '' compress "$model" -o "$small/x"
    check 'full disk: nothing is left' [ -z "$(ls -A "$small")" ]
    expect 'full disk: decompress' 4 '' decompress "$out" -o "$small/x"
    check 'full disk: nothing is left' [ -z "$(ls -A "$small")" ]
    expect 'full disk: dataset make' 4 '' dataset make normal -o "$small/x" --weights 200k
    check 'full disk: nothing is left' [ -z "$(ls -A "$small")" ]
    expect 'full disk: save counts' 4 '' stats --tensors "$model" --save-counts "$small/x"
    check 'full disk: nothing is left' [ -z "$(ls -A "$small")" ]
    umount "$small"
else
    skip 'full disk: needs root and mount'
fi
mkdir "$t/killed" # a kill may leave a temporary file, but nothing under the final name
"$entropy" dataset make normal -o "$t/long.safetensors" --weights 4Mi --quiet
"$entropy" compress "$t/long.safetensors" -o "$t/killed/x" --codec arithmetic --threads 1 >"$t/text" 2>&1 &
victim=$!
sleep 0.05
kill -9 $victim 2>/dev/null
wait $victim 2>/dev/null
if [ -e "$t/killed/x" ]; then
    expect 'killed too late: the file is whole' 0 '' verify "$t/killed/x" "$t/long.safetensors"
else
    ok 'killed: nothing under the final name'
fi
rm -rf "$t/killed" "$t/long.safetensors"

# ---- the Hugging Face cache ----

hub=$t/hf/hub/models--org--tiny
mkdir -p "$hub/refs" "$hub/snapshots/0123abc" "$hub/blobs"
cp "$model" "$hub/blobs/1"
ln -s ../../blobs/1 "$hub/snapshots/0123abc/model.safetensors"
printf 0123abc >"$hub/refs/main"
HF_HOME=$t/hf
export HF_HOME
unset HF_HUB_CACHE HUGGINGFACE_HUB_CACHE
expect 'hf: by name' 0 'BF16' inspect hf:org/tiny
expect 'hf: by commit' 0 'BF16' inspect hf:org/tiny@0123abc
expect 'hf: no such revision' 2 'revision' inspect hf:org/tiny@nonsense
expect 'hf: not in the cache' 2 'hf download org/absent' inspect hf:org/absent
expect 'hf: climbing out' 2 'expected' inspect hf:../../x
cp "$t/hf/hub/models--org--tiny/refs/main" "$t/ref"
printf .. >"$t/hf/hub/models--org--tiny/refs/main"
expect 'hf: a reference that climbs out' 2 'no revision' inspect hf:org/tiny
cp "$t/ref" "$t/hf/hub/models--org--tiny/refs/main"
HF_HUB_CACHE=$t/hf/hub HF_HOME=/nonexistent
export HF_HUB_CACHE
expect 'hf: HF_HUB_CACHE wins' 0 'BF16' inspect hf:org/tiny
unset HF_HOME HF_HUB_CACHE

# ---- quality ----

shipped=gutenberg-llama-4.7m
expect 'quality: the loss of the shipped model' 0 'perplexity' quality $shipped --sequences 2 --window 64
json 'quality, JSON' 0 'model against sequences tokens nll nll_stderr perplexity kl_nats top1_agreement sqnr_db' \
    quality $shipped --sequences 100
check 'quality: the perplexity of the reference, within 0.1 %' sh -c "
    got=\$(sed -n 's/.*\"perplexity\":\([0-9.]*\).*/\1/p' '$t/out')
    want=\$(sed -n '/\"bf16\"/,/}/s/.*\"first100_ppl\": \([0-9.]*\).*/\1/p' datasets/gutenberg-llama-4.7m/reference.json)
    awk -v a=\"\$got\" -v b=\"\$want\" 'BEGIN { d = a / b - 1; exit !(b > 0 && d < 0.001 && d > -0.001) }'"
expect 'quality: calibration' 0 '' quality $shipped --sequences 2 --window 32 --calibrate "$t/calibration.h5"
expect 'quality against itself' 0 'agreement   1.0000' \
    quality $shipped --against $shipped --sequences 2 --window 32 --calibration "$t/calibration.h5"
expect 'quality of weights alone' 0 'SQNR' quality "$model" --against "$model"
expect 'quality without a config' 2 'config.json' quality "$model"
expect 'quality with matrices packed' 0 '^step(bits=3)  *[0-9.]*  *3\.0' \
    quality $shipped --sequences 1 --window 32 --with 'step(bits=3)' --with 'prune(share=0.5,by=1) nf4' --calibration "$t/calibration.h5"
expect 'quality of systems' 0 '^dfloat11  *16.000  *10\.[0-9]*  *0.00' \
    quality $shipped --sequences 1 --window 8 --with nf4 --with dfloat11 --with 'nf4 => huffman'
expect 'quality: the codec named twice' 2 'named twice' quality $shipped --sequences 1 --window 8 --with 'nf4 => rans' --code raw
expect 'quality: calibration on other sequences, second moments' 0 '' \
    quality $shipped --skip 2 --sequences 2 --window 32 --calibrate "$t/second.h5" --second
# OpenBLAS's kernels for AVX2 are those whose last digits depend on its number of threads.
if grep -q avx2 /proc/cpuinfo; then kernels=Haswell; else kernels=; fi
for threads in '1 4' '3 1'; do # of OpenMP, and asked for
    n=${threads% *} asked=${threads#* }
    with_threads() { OPENBLAS_CORETYPE=$kernels OMP_NUM_THREADS=$n "$entropy" "$@" --threads "$asked" --quiet; }
    with_threads quality $shipped --skip 2 --sequences 4 --window 32 --calibrate "$t/threads-$n" --second --sensitivity=1 >"$t/out" 2>"$t/err" &&
        with_threads quality $shipped --sequences 1 --window 32 --json --tensors --keep-embedding --calibration "$t/threads-$n" \
            --with 'watersic(bits=3)' --with 'rtn(bits=3) eora' 2>"$t/err" | sed 's/threads-[0-9]//' >"$t/quality-$n"
    with_threads compress $shipped --force --calibration "$t/threads-$n" --with 'bitstack(levels=1,scale=1)' -o "$t/stack-$n" >"$t/out" 2>"$t/err"
done
check 'quality --with: run on several numbers of threads' grep -q '"pipeline": *"rtn' "$t/quality-3"
for file in threads quality stack; do check "$file: the same on 4 threads and on 1 of 3" cmp "$t/$file-1" "$t/$file-3"; done
expect 'quality with feedback' 0 '^watersic(bits=3)  *[0-9.]*  *3\.0' \
    quality $shipped --sequences 1 --window 32 --with 'watersic(bits=3)' --with gptq --calibration "$t/second.h5"
expect 'quality: sensitivities' 0 '' \
    quality $shipped --skip 2 --sequences 1 --window 16 --calibrate "$t/sensitive.h5" --second --sensitivity
expect 'quality: bits shared out among matrices' 0 '^step(bits=2:1:4) in 3.2 bits  *[0-9.]*  *3\.[12]' \
    quality $shipped --sequences 1 --window 32 --with 'step(bits=2:1:4)' --budget 3.2 --calibration "$t/sensitive.h5"
expect 'quality: by dynamic programming' 0 '^l-greco in 3 bits by l-greco  *[0-9.]*  *[23]\.' \
    quality $shipped --sequences 1 --window 8 --with l-greco
expect 'quality: by evolution' 0 '^step(bits=2:1:4) in 3.2 bits by evopress  *[0-9.]*  *3\.[12]' \
    quality $shipped --sequences 1 --window 32 --with 'step(bits=2:1:4)' --budget 3.2 --allocate evopress --generations 1 --seed 3
expect 'quality: evolution on what is measured' 2 'sequences after those' quality $shipped --window 8 --with evopress
expect 'quality: an alpha for each matrix' 0 'mlp.up_proj.weight  *rescale(alpha=[0-9.]*) rtn(bits=8)  *7\.' \
    quality $shipped --sequences 1 --window 32 --with 'rescale(alpha=0:0.5:1) rtn(bits=8)' --tensors --calibration "$t/sensitive.h5"
json 'quality, matrices as JSON' 0 '' \
    quality $shipped --sequences 1 --window 32 --with 'nf4 | mxfp4' --slack 1.1 --tensors --keep-embedding
expect 'quality, matrices as a file' 0 '' quality $shipped --sequences 1 --window 8 --with 'nf4 | mxfp4' --tensors="$t/tensors.tsv"
check 'a row for every matrix' sh -c "[ \$(wc -l <'$t/tensors.tsv') = 37 ]"
expect 'quality: a budget too small' 3 'budget of 1 bits' quality $shipped --sequences 1 --window 8 --with 'step(bits=2:1:4)' --budget 1
expect 'quality: a budget for nothing' 2 'need --with' quality $shipped --budget 3
expect 'quality: a bad range' 2 'range' quality $shipped --sequences 1 --window 8 --with 'step(bits=4:1:2)'
expect 'quality: nothing left to measure' 2 'passed over' quality $shipped --skip 100000
json 'quality with matrices packed, JSON' 0 '' quality $shipped --sequences 1 --window 32 --with mxfp4
expect 'quality: no such transform' 2 "no transform 'nonsense'" quality $shipped --sequences 1 --window 32 --with nonsense
expect 'quality: not tokens' 2 'u16' quality $shipped --text datasets/gutenberg-llama-4.7m/config.json
expect 'quality: a calibration that is none' 3 'not a calibration' \
    quality $shipped --against $shipped --sequences 1 --window 8 --calibration datasets/gutenberg-llama-4.7m/valid.u16

# ---- bench ----

expect 'bench of pipelines and systems' 0 '^nf4 => huffman  *[34]\.[0-9]*  *[12][0-9]\.' \
    bench "$model" --with dfloat11 --with 'nf4 => huffman' --with 'nf4 | mxfp4' --runs 2 --sample 100k
json 'bench of a system, JSON' 0 'with codec bits_per_weight sqnr_db encode_gbps decode_gbps memcpy_gbps verified' bench "$model" --with mxfp4 --runs 1
expect 'bench of a system and a codec apart' 2 'measured alone' bench "$model" --with nf4 --codec rans
expect 'bench, not calibrated' 2 'calibration' bench "$model" --with gptq --runs 1
expect 'bench' 0 '^memcpy ' bench "$model" --sample 400k --runs 2 --codec planar-rans --codec raw
json 'bench, JSON' 0 'codec target threads weights bits_per_weight bound_bits encode_gbps decode_gbps memcpy_gbps sample_bytes' \
    bench "$model" --sample 400k --runs 1
check 'bench: everything measured was verified' sh -c "! grep '\"predicted\":false' '$t/out' | grep -v '\"verified\":true'"
expect 'bench with a modelled target' 0 'huff-llm-simba-64' \
    bench "$model" --sample 100k --runs 1 --codec huff-llm --target huff-llm-simba-64
expect 'bench of a product' 0 '^coded  *tiered block=1k  *2 ' \
    bench "$model" --product --rows 70 --cols 129 --runs 1 --threads 2 --codec 'tiered block=1k'
json 'bench of a product, JSON' 0 '' bench "$model" --product --rows 70 --cols 129 --runs 1
check 'bench of a product: everything was verified' sh -c "grep -q time_over_plain '$t/out' && ! grep time_over_plain '$t/out' | grep -v '\"verified\":true'"
expect 'bench of a product, no target' 2 'target' bench "$model" --product --target huff-llm-simba-64
expect 'bench of a product, too large' 2 'too large' bench "$model" --product --rows 4294967296 --cols 4294967296
expect 'bench, no such target' 2 'targets' bench "$model" --target nonsense

ENT_GPU_LIBRARY=$t/no-such-library expect 'bench of a card, without the library' 4 'make gpu' bench "$model" --target gpu
expect 'bench of a card and a product' 2 'measured alone' bench "$model" --target gpu --product
expect 'bench of a card, half a shape' 2 'or neither' bench "$model" --target gpu --rows 4096
ENT_GPU_LIBRARY=$t/no-such-library expect 'bench of a card, no such target' 2 'targets' bench "$model" --target gpu --target nonsense
expect 'bench of a card, too many runs' 2 '1001 runs' bench "$model" --target gpu --runs 1002
expect 'bench to a file that nothing writes' 2 'belongs to' bench "$model" -o "$t/nothing.yaml"

expect 'bench of the gap' 0 '^huffman .* 0.0' bench "$model" --gap --sample 400k --codec huffman --codec zipnn
json 'bench of the gap, JSON' 0 'codec bits bits_per_weight bound_bits model_bits coder_bits kept_raw_bits table_bits index_bits' \
    bench "$model" --gap --sample 400k
expect 'bench of the gap, no target' 2 'no target' bench "$model" --gap --target huff-llm-simba-64

# ---- a real model ----

shipped=datasets/gutenberg-llama-4.7m
if [ -e $shipped ]; then
    expect 'shipped model: stats' 0 'down_proj' stats $shipped
    expect 'shipped model: by its name' 0 'q_proj' inspect gutenberg-llama-4.7m
    expect 'shipped model: compress' 0 'bound' compress $shipped -o "$t/s.ent"
    expect 'shipped model: verify' 0 'equal' verify "$t/s.ent" $shipped
    expect 'shipped model: decompress' 0 '' decompress "$t/s.ent" -o "$t/s.safetensors"
    check 'shipped model: the same bytes' cmp $shipped/model.safetensors "$t/s.safetensors"
else
    skip 'no shipped model here'
fi

# ---- JSON as a parser sees it ----

if command -v jq >/dev/null; then
    check 'all JSON parses' jq -e . "$t/all.json"
elif command -v python3 >/dev/null; then
    check 'all JSON parses' python3 -m json.tool --json-lines "$t/all.json"
else
    skip 'no JSON parser (jq, python3)'
fi
check 'no temporary files are left' no_parts

echo "$passed passed, $failed failed$([ $skipped -eq 0 ] || echo ", $skipped skipped")"
[ $failed -eq 0 ]
