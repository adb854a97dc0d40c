#!/bin/sh
# test_filter.sh BUILD - the HDF5 filter in other people's programs: h5repack, h5dump, h5py (where it is).
set -u
cd "$(dirname "$0")/.."
. tests/cases.sh
export HDF5_PLUGIN_PATH="$(cd "${1:-build}" && pwd)/plugin"
python=/usr/bin/python3
skipped=0
rows=400 columns=500

# Sets of 200,000 generated words in one file: bf16 (as integers), f32, u8 and noise.
import() { # NAME CLASS BITS FILE
    cat >"$work/$1.conf" <<END
PATH $1
INPUT-CLASS $2
INPUT-SIZE $3
RANK 2
DIMENSION-SIZES $rows $columns
OUTPUT-CLASS $2
OUTPUT-SIZE $3
OUTPUT-ARCHITECTURE STD
OUTPUT-BYTE-ORDER LE
CHUNKED-DIMENSION-SIZES 80 $columns
MAXIMUM-DIMENSIONS $rows $columns
END
    [ "$2" = FP ] && sed -i 's/^OUTPUT-ARCH.*/OUTPUT-ARCHITECTURE IEEE/' "$work/$1.conf"
    h5import "$4" -c "$work/$1.conf" -o "$work/plain.h5"
}
words() { # DTYPE BYTES FILE : the words of a generated model, without its header
    "$entropy" dataset make normal --dtype "$1" --weights $((rows * columns)) -o "$work/model.safetensors" --force --quiet >"$work/out" &&
        tail -c $((rows * columns * $2)) "$work/model.safetensors" >"$3"
}
make_sets() {
    words BF16 2 "$work/bf16" && import bf16 UIN 16 "$work/bf16" && words F32 4 "$work/f32" && import f32 FP 32 "$work/f32" &&
        words F8_E4M3 1 "$work/u8" && import u8 UIN 8 "$work/u8" &&
        head -c 200000 /dev/urandom >"$work/noise" && import noise UIN 8 "$work/noise"
}
check "four data sets are made" make_sets

values() { # FILE SET : its bytes as the plugin reads them
    h5dump -d "$2" -b LE -o "$work/values" "$1" >/dev/null && cat "$work/values"
}
same() { # FILE : all sets are what went in
    for set in bf16 f32 u8 noise; do
        values "$1" $set | cmp - "$work/$set" || return 1
    done
}
size() { h5dump -pH -d "$2" "$1" | sed -n 's/^ *SIZE \([0-9]*\).*/\1/p'; }
under() { # FILE SET PERCENT : the set takes less than that of its bytes
    s=$(size "$1" "$2")
    [ "$s" -gt 0 ] && [ $((s * 100)) -lt $(($(wc -c <"$work/$2") * $3)) ]
}
repack() { h5repack "$@" >"$work/log" 2>&1; }

check "what went in comes out" same "$work/plain.h5"
for coder in 0 1 2 3 4 5 6 7 8 11 12 14 15 16; do
    rm -f "$work/coded.h5"
    check "h5repack codes with coder $coder" repack -f "f32,u8,noise:UD=58481,0,1,$coder" -f "bf16:UD=58481,0,2,$coder,2" "$work/plain.h5" "$work/coded.h5"
    check "h5dump reads what coder $coder wrote" same "$work/coded.h5"
done
check "h5repack with no parameters" repack -f f32,u8,noise:UD=58481,0,0 -f bf16:UD=58481,0,2,0,2 "$work/plain.h5" "$work/small.h5"
check "bf16 takes less than 70 %" under "$work/small.h5" bf16 70
check "f32 takes less than 85 %" under "$work/small.h5" f32 85
check "u8 takes less than 90 %" under "$work/small.h5" u8 90
check "noise takes its bytes and 8 more a chunk" [ "$(size "$work/small.h5" noise)" -eq $((rows * columns + 5 * 8)) ]
check "h5repack takes the filter away" repack -f NONE "$work/small.h5" "$work/back.h5"
check "without it, all is as it was" env HDF5_PLUGIN_PATH=/nowhere h5diff "$work/plain.h5" "$work/back.h5"
check "h5diff compares through it" h5diff "$work/plain.h5" "$work/small.h5"
check "h5repack gives other chunks with the recipe kept" repack -l CHUNK=100x100 "$work/small.h5" "$work/chunks.h5"
check "they read back" same "$work/chunks.h5"
recipe() { h5dump -pH -d bf16 "$1" | sed -n 's/.*PARAMS { [0-9]* [0-9]* [0-9]* [0-9]* //p'; }
check "the recipe is the same" [ "$(recipe "$work/small.h5")" = "$(recipe "$work/chunks.h5")" ]
measures() { "$entropy" stats "$1" --json --quiet 2>"$work/err" | sed 's/"\(model\|name\)":"[^"]*\.h5"//g' | sort; }
same_measures() { measures "$work/plain.h5" >"$work/want" && measures "$work/small.h5" >"$work/got" && cmp "$work/want" "$work/got"; }
check "entropy stats of coded datasets is that of plain ones" same_measures
check "entropy inspect sees them" fails 0 'holds 4 of them compressed' "$entropy" inspect "$work/small.h5"
wrong_coder() { h5repack --enable-error-stack -f UD=58481,0,1,99 "$work/plain.h5" "$work/bad.h5" 2>&1 | grep -q 'the number of no coder'; }
check "a wrong coder is refused" wrong_coder

same_containers() { # a container's bytes do not depend on whether the filter can be found
    "$entropy" compress "$work/model.safetensors" -o "$work/with.h5" --quiet >"$work/out" &&
        HDF5_PLUGIN_PATH=/nowhere "$entropy" compress "$work/model.safetensors" -o "$work/without.h5" --quiet >"$work/out" &&
        cmp "$work/with.h5" "$work/without.h5"
}
check "containers are the same with and without the filter" same_containers
says_why() { h5dump --enable-error-stack -d /tensors/0 "$work/with.h5" 2>&1 | grep -q 'entropy decompress'; }
check "a container's blocks: the error says what to do" says_why

says_shapes() { # the example of container/FORMAT.md
    h5dump -d /shapes -s 1 -c 1 "$work/shipped.h5" | tr -d ' \n' | grep -qF '(1):{"model.layers.0.input_layernorm.weight","BF16",1,[256,0]}'
}
check "a container of the shipped model" status 0 "$entropy" compress gutenberg-llama-4.7m -o "$work/shipped.h5" --quiet
check "h5dump shows names, dtypes and shapes" env HDF5_PLUGIN_PATH=/nowhere sh -c 'h5dump -d /shapes "$1" | grep -c "\"BF16\"," | grep -qx 47' sh "$work/shipped.h5"
check "as its manual says" says_shapes

# other things than tensors in an HDF5 file
h5copy -i "$work/shipped.h5" -o "$work/others.h5" -s /shapes -d shapes && h5copy -i "$work/plain.h5" -o "$work/others.h5" -s f32 -d f32
check "inspect says what is passed over" fails 0 '^1 dataset passed over: 1 of records ("shapes").$' "$entropy" inspect "$work/others.h5"
check "as JSON" fails 0 '"note":"1 dataset passed over' "$entropy" inspect "$work/others.h5" --json
check "stats says it" fails 0 'others.h5: 1 dataset passed over: 1 of records' "$entropy" stats "$work/others.h5"

# a readable container: all tensors by name, and the identical file
readable() {
    "$entropy" compress gutenberg-llama-4.7m -o "$work/readable.h5" --readable --quiet >"$work/out" &&
        "$entropy" verify "$work/readable.h5" gutenberg-llama-4.7m --quiet
}
check "compress --readable" readable
by_name() { h5dump -y -d /weights/model.norm.weight -s 0 -c 1 "$work/readable.h5" | grep -q '^ *[0-9.]*$'; }
check "h5dump reads a tensor by its name" by_name
check "h5diff reads all of it" h5diff "$work/readable.h5" "$work/readable.h5" /weights
check "--readable needs a codec of its own" fails 2 readable "$entropy" compress gutenberg-llama-4.7m -o "$work/no.h5" --readable --with nf4

# installed and removed, in a folder of one's own
install_to() { make --no-print-directory -s BUILD="${1:-build}" DESTDIR="$work/root" "$2" "$3"; }
check "make install puts it where HDF5 looks" install_to "${1:-build}" install H5PLUGINDIR=/plugins
check "there it works" env HDF5_PLUGIN_PATH="$work/root/plugins" h5diff "$work/plain.h5" "$work/small.h5"
check "make uninstall removes it" install_to "${1:-build}" uninstall H5PLUGINDIR=/plugins
check "it is gone" [ ! -e "$work/root/plugins/libh5entropy.so" ]

if $python -c 'import h5py' 2>/dev/null; then
    in_python() { $python -c "
import h5py, numpy
plain, coded = h5py.File('$work/plain.h5'), h5py.File('$work/small.h5')
for name in plain: assert numpy.array_equal(plain[name][:].view('u1'), coded[name][:].view('u1')), name
assert numpy.array_equal(plain['f32'][70:90, 3:5], coded['f32'][70:90, 3:5])
with h5py.File('$work/python.h5', 'w') as f:
    f.create_dataset('f32', data=plain['f32'][:], chunks=(50, $columns), compression=58481, compression_opts=(2,))
    f['f32'][5] = 1.5
f = h5py.File('$work/python.h5')
assert f['f32'].id.get_storage_size() < 0.9 * f['f32'].nbytes
assert (f['f32'][5] == 1.5).all() and numpy.array_equal(f['f32'][6:], plain['f32'][6:])
"; }
    check "h5py reads and writes" in_python
    shapes_in_python() { $python -c "
import h5py
row = h5py.File('$work/shipped.h5')['shapes'][0]
assert (row['name'], row['dtype'], list(row['shape'][:row['rank']])) == (b'model.embed_tokens.weight', b'BF16', [4096, 256])
"; }
    check "h5py reads names, dtypes and shapes" shapes_in_python
else
    skipped=1
    echo "skipped: h5py (python3-h5py is not installed)"
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
