#!/bin/sh
# sass.sh [SM...] - what nvcc makes of the kernels, without a card: registers, shared memory, spills, and the instructions
# of the main loop that a warp runs for 32 weights, as tab-separated values.
#
# The loop is counted with rare work left out (GPU_PATH, see gpu/warp.h), from the machine code: instructions of 16
# bytes, of which the branch that leads back farthest ends the loop.  Inner loops are counted once.
set -eu
cd "$(dirname "$0")/../.."
NVCC=${NVCC:-$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)}
command -v "$NVCC" >/dev/null || { echo 'sass.sh needs nvcc' >&2; exit 4; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT INT TERM
compile() { "$NVCC" -cubin -O3 -std=c++17 -arch="$1" -Ilibentropy/include -Ilibentropy --ptxas-options=-v "$2" -o "$folder/cubin" "libentropy/gpu/$3" >"$folder/log" 2>&1 || { cat "$folder/log" >&2; exit 1; }; }

loop() { # KERNEL SM -> instructions from the target of the branch that leads back farthest to that branch
    place=$(readelf -SW "$folder/cubin" 2>/dev/null | sed -n "s/.* \.text\.[^ ]*$1[^ ]* *PROGBITS *[0-9a-f]* \([0-9a-f]*\) \([0-9a-f]*\) .*/0x\1 0x\2/p")
    sm=$2
    # shellcheck disable=SC2086
    set -- $place
    od -An -v -tu4 -w16 -j$(($1)) -N$(($2)) "$folder/cubin" | awk -v sm="$sm" '
        $1 % 4096 == 2381 { before_exit = most } # EXIT: after the last one are ways that warps do not go that stay together
        $1 % 4096 == 2375 { # BRA
            if (sm < 90) { # how far in bytes: word 1
                offset = $2 < 2 ^ 31 ? $2 : $2 - 2 ^ 32
            } else { # in 4 bytes each: its low 8 bits in word 0, the others from bit 2 of word 1 on
                offset = int($2 / 4) * 256 + int($1 / 65536) % 256
                offset = 4 * (offset < 2 ^ 37 ? offset : offset - 2 ^ 38)
            }
            to = NR + 1 + offset / 16
            if (to < NR && NR - to > most) most = NR - to
        }
        END { print before_exit + 1 }'
}

printf 'sm\tkernel\tregisters\tshared_bytes\tspilled_bytes\tloop_weights\tloop_instructions\tinstructions_per_32\n'
for sm in ${*:-80 90}; do
    for kernel in decode_tiered:512:cuda.cu decode_planar:512:cuda.cu multiply_tilesIL10gpu_coding0ELj8:256:product.cu multiply_tilesIL10gpu_coding1ELj8:512:product.cu \
        multiply_tilesIL10gpu_coding0ELj16:256:product.cu multiply_tilesIL10gpu_coding1ELj16:512:product.cu; do
        name=${kernel%%:*} weights=${kernel#*:}
        file=${weights#*:} weights=${weights%:*}
        compile "sm_$sm" -O3 "$file"
        facts=$(awk -v kernel="$name" '/Compiling/ { mine = index($0, kernel) }
            mine && /spill/ { for (i = 1; i < NF; i++) if ($(i + 2) == "spill") spilled = $i }
            mine && /Used/ { for (i = 1; i < NF; i++) { if ($(i + 1) ~ /^registers/) registers = $i; if ($(i + 1) == "bytes" && $(i + 2) ~ /^smem/) shared = $i } }
            END { printf "%s\t%s\t%s", registers, shared, spilled }' "$folder/log")
        compile "sm_$sm" -DGPU_PATH "$file"
        count=$(loop "$name" "$sm")
        name=$(echo "$name" | sed 's/multiply_tilesIL10gpu_coding0ELj/product_tiered_/; s/multiply_tilesIL10gpu_coding1ELj/product_planar_/')
        printf 'sm_%s\t%s\t%s\t%s\t%s\t%s\n' "$sm" "$name" "$facts" "$weights" "$count" "$(awk "BEGIN { printf \"%.1f\", $count / $weights * 32 }")"
    done
done
