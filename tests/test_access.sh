#!/bin/sh
# test_access.sh BUILD - parts of containers from outside: one tensor, rows of it, what damage leaves, equal tensors.
set -u
cd "$(dirname "$0")/.."
. tests/cases.sh

w=$work
npy_data() { tail -c +129 "$1"; } # headers here are of 128 bytes
same_text() { [ "$(cat "$w/out")" = "$1" ]; }
byte_of() { od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' '; }
flip() { # FILE AT : another byte there
    # shellcheck disable=SC2059
    printf "\\$(printf %o $((($(byte_of "$1" "$2") + 1) % 256)))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}
safetensors() { # HEADER DATA-FILE
    # shellcheck disable=SC2059
    printf "\\$(printf %03o $((${#1} % 256)))\\$(printf %03o $((${#1} / 256)))\0\0\0\0\0\0%s" "$1"
    cat "$2"
}

# Two tensors of known bytes, a third that is the first again: rows of 8 bytes, 00000001 and so on.
seq -f %08.0f 1 3000 | tr -d '\n' >"$w/a.bin"
{ cat "$w/a.bin"; seq -f %08.0f 5001 8000 | tr -d '\n'; cat "$w/a.bin"; } >"$w/data"
safetensors '{"a":{"dtype":"BF16","shape":[3000,4],"data_offsets":[0,24000]},"b":{"dtype":"F32","shape":[3000,2],"data_offsets":[24000,48000]},"c":{"dtype":"BF16","shape":[3000,4],"data_offsets":[48000,72000]}}' "$w/data" >"$w/m.safetensors"
check 'compress' status 0 "$entropy" compress "$w/m.safetensors" -o "$w/m.h5" --codec 'zipnn block=1k' --json
check 'the copy is counted' grep -q '"same_tensors":1,"same_bytes":24000' "$w/out"
check 'inspect names it' fails 0 'c  *BF16 .* same as a$' "$entropy" inspect "$w/m.h5"
check 'inspect names it, JSON' fails 0 '"coded_bytes":0,"blocks":0,.*"same_as":"a"' "$entropy" inspect "$w/m.h5" --json
check 'decompress' status 0 "$entropy" decompress "$w/m.h5" -o "$w/back"
check 'the same bytes' cmp "$w/m.safetensors" "$w/back"

check 'a tensor' status 0 "$entropy" decompress "$w/m.h5" --tensor b -o "$w/b.npy"
npy_data "$w/b.npy" >"$w/out"
tail -c +24001 "$w/data" | head -c 24000 >"$w/want"
check 'its bytes' cmp "$w/out" "$w/want"
check 'its header' grep -a -q "{'descr': '<f4', 'fortran_order': False, 'shape': (3000, 2), }" "$w/b.npy"
check 'rows' status 0 "$entropy" decompress "$w/m.h5" --tensor c --rows 1000:1002 -o "$w/c.npy" --json
check 'one block of four thousand bytes was read at most' grep -q '"first_row":1000,"rows":2,"bytes":16,"read_bytes":[0-9]\{1,4\}}' "$w/out"
npy_data "$w/c.npy" >"$w/out"
check 'their bytes' same_text 0000100100001002
check 'BF16 is raw data to NumPy' grep -a -q "'descr': '<V2'.*'shape': (2, 4)" "$w/c.npy"
check 'which --dtype names' fails 0 'c  *BF16' "$entropy" inspect "$w/c.npy" --dtype BF16
check 'rows to the last' status 0 "$entropy" decompress "$w/m.h5" --tensor a --rows 2999: -o "$w/c.npy" --force
npy_data "$w/c.npy" >"$w/out"
check 'their bytes' same_text 00003000
check 'rows from the first, as safetensors' status 0 "$entropy" decompress "$w/m.h5" --tensor a --rows :2 -o "$w/c.safetensors"
check 'which is a model' fails 0 'a  *BF16 ' "$entropy" inspect "$w/c.safetensors"
check 'an output that exists' fails 2 'exists' "$entropy" decompress "$w/m.h5" --tensor a -o "$w/c.npy"
check 'no such tensor' fails 2 "no tensor 'd'" "$entropy" decompress "$w/m.h5" --tensor d -o "$w/x.npy"
check 'no such rows' fails 2 'has 3000 rows, not 2999 to 3001' "$entropy" decompress "$w/m.h5" --tensor a --rows 2999:3001 -o "$w/x.npy"
check 'rows beyond' fails 2 'has 3000 rows' "$entropy" decompress "$w/m.h5" --tensor a --rows 4000: -o "$w/x.npy"
check 'rows that end before they begin' fails 2 'end before' "$entropy" decompress "$w/m.h5" --tensor a --rows 4:2 -o "$w/x.npy"
check 'rows that are none' fails 2 'not A:B' "$entropy" decompress "$w/m.h5" --tensor a --rows 4 -o "$w/x.npy"
check 'rows of what' fails 2 'needs --tensor' "$entropy" decompress "$w/m.h5" --rows 1:2 -o "$w/x.npy"
check 'another ending' fails 2 'FILE.npy or FILE.safetensors' "$entropy" decompress "$w/m.h5" --tensor a -o "$w/x.bin"
check 'nothing was written' none ls "$w"/x.*

# ---- damage

"$entropy" compress "$w/m.safetensors" -o "$w/raw.h5" --codec 'raw block=1k' --quiet >"$w/out" # to be found in by its digits
cp "$w/raw.h5" "$w/bad.h5"
flip "$w/bad.h5" $(($(grep -a -b -o 0000590000005901 "$w/raw.h5" | cut -d: -f1) + 5))
check 'decompress of a damaged container' fails 3 'tensor "b", block 1, at byte' "$entropy" decompress "$w/bad.h5" -o "$w/x.safetensors"
check 'nothing was written' none ls "$w"/x.safetensors*
check 'keep going' fails 3 'tensor "b", block 1, at byte [0-9]*: .*lost: bytes [0-9]* to [0-9]* of file "m.safetensors"' \
    "$entropy" decompress "$w/bad.h5" -o "$w/rest" --keep-going
check 'all of it is there' [ "$(wc -c <"$w/rest")" -eq "$(wc -c <"$w/m.safetensors")" ]
lost=$(sed -n 's/.*lost: bytes \([0-9]*\) to \([0-9]*\) of.*/\1 \2/p' "$w/out" | head -n 1)
# shellcheck disable=SC2086
set -- $lost
head -c "$1" "$w/m.safetensors" >"$w/want"
head -c "$1" "$w/rest" >"$w/got"
check 'what is before the lost bytes' cmp "$w/want" "$w/got"
check 'the lost bytes are zeros' [ "$(tail -c +$(($1 + 1)) "$w/rest" | head -c $(($2 - $1 + 1)) | tr -d '\000' | wc -c)" -eq 0 ]
check 'keep going, JSON' fails 3 '"finding":".*block' "$entropy" decompress "$w/bad.h5" -o "$w/rest" --force --keep-going --json
check 'verify names the same' fails 1 "lost: bytes $1 to $2 of" "$entropy" verify "$w/bad.h5"
check 'keep going where nothing is damaged' status 0 "$entropy" decompress "$w/m.h5" -o "$w/rest" --force --keep-going
check 'the same bytes' cmp "$w/m.safetensors" "$w/rest"
head -c 3000 "$w/m.h5" >"$w/cut.h5"
check 'a container cut short has nothing to keep' fails 3 '' "$entropy" decompress "$w/cut.h5" -o "$w/x.safetensors" --keep-going
check 'nothing was written' none ls "$w"/x.safetensors*
check 'keep going with one tensor' fails 2 'without' "$entropy" decompress "$w/m.h5" --tensor a --keep-going -o "$w/x.npy"

# ---- deltas

"$entropy" dataset make normal -o "$w/old.safetensors" --weights 100k --seed 1 --quiet >"$w/out"
cp "$w/old.safetensors" "$w/new.safetensors"
for at in 1000 5000 9000 100000; do flip "$w/new.safetensors" $((at + 400)); done
check 'compress with a base' fails 0 'xor .* 0\.' "$entropy" compress "$w/new.safetensors" -o "$w/delta.h5" --base "$w/old.safetensors"
check 'it is small' [ "$(wc -c <"$w/delta.h5")" -lt 6000 ]
check 'JSON' fails 0 '"way":"difference","tensors":' "$entropy" compress "$w/new.safetensors" -o "$w/delta.h5" --base "$w/old.safetensors" --json --force
check 'inspect it' fails 0 'to the base: ' "$entropy" inspect "$w/delta.h5"
check 'decompress without the base' fails 2 'stored as what differs from "old.safetensors".*--base' "$entropy" decompress "$w/delta.h5" -o "$w/x.safetensors"
check 'decompress with another base' fails 2 'its base "old.safetensors" has the XXH3' \
    "$entropy" decompress "$w/delta.h5" -o "$w/x.safetensors" --base "$w/new.safetensors"
check 'with one of another size' fails 2 'its base "old.safetensors" has [0-9]* bytes, the file given ("m.safetensors") [0-9]*' \
    "$entropy" decompress "$w/delta.h5" -o "$w/x.safetensors" --base "$w/m.safetensors"
check 'nothing was written' none ls "$w"/x.safetensors*
mv "$w/old.safetensors" "$w/renamed.safetensors"
check 'decompress with the base' status 0 "$entropy" decompress "$w/delta.h5" -o "$w/fresh" --base "$w/renamed.safetensors"
check 'the same bytes' cmp "$w/fresh" "$w/new.safetensors"
check 'verify it' fails 0 'equal' "$entropy" verify "$w/delta.h5" "$w/new.safetensors" --base "$w/renamed.safetensors"
check 'verify without the base' fails 2 'that model is needed' "$entropy" verify "$w/delta.h5"
check 'rows of it' status 0 "$entropy" decompress "$w/delta.h5" --tensor layers.0.weight --rows 1:2 -o "$w/d.npy" --base "$w/renamed.safetensors"
check 'a base for what has none' fails 2 'on its own' "$entropy" decompress "$w/m.h5" -o "$w/x" --base "$w/renamed.safetensors"
check 'another codec for deltas' status 0 \
    "$entropy" compress "$w/new.safetensors" -o "$w/delta.h5" --force --base "$w/renamed.safetensors" --delta-codec 'bytes=huffman'
check 'a base and tables' fails 2 'goes with --codec' "$entropy" compress "$w/new.safetensors" -o "$w/x" --base "$w/m.h5" --plan "$w/p"
check 'a codec of another scope' fails 2 'scope' \
    "$entropy" compress "$w/new.safetensors" -o "$w/x" --base "$w/renamed.safetensors" --codec 'huffman scope=model'

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
