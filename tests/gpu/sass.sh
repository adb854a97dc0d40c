#!/bin/sh
# sass.sh [SM...] - what nvcc makes of the kernels, without a card: registers, shared memory, spills, and the instructions of the
# main loop, in all and by the pipe that runs them, as tab-separated values.
#
# The loop is counted with rare work left out (GPU_PATH, see gpu/warp.h), from the machine code: instructions of 16 bytes, of
# which the branch that leads back farthest ends the loop.  Inner loops are rolled out as often as they usually turn (GPU_WHILE).
#
# Pipes, with what a multiprocessor of compute capability 8.0 and 9.0 does in a clock (NVIDIA, CUDA C++ Best Practices Guide 13.0,
# "Throughput of Native Arithmetic Instructions"; until CUDA 12 in the Programming Guide, "Arithmetic Instructions"):
#   alu     64 lanes: integer addition, logic, shifts, byte permutes, comparisons, selections, votes
#   fma     64 lanes: integer multiplication and what the compiler puts there (IMAD, also as a move, an addition or a shift), dot
#           products of bytes; FP32, which 9.0 does on 128
#   xu      16 lanes: population counts, leading zeros, bit reversal, conversions
#   lsu     32 lanes: loads, stores, shuffles.  In clocks: shared memory gives 128 bytes a clock, so 8 bytes a lane are two and 16
#           four.  Lanes meet in banks only where they store single symbols of tiered's third tier, by simulation 1.6 at once, which
#           is left out: 4 clocks of 2048 weights
#   tensor  matrix instructions
#   other   branches, barriers, constants, the uniform path: they take part in issue alone
# The compiler's opcodes are in no manual: these were found by assembling PTX instructions one by one (ptxas 13.0, sm_80 and sm_90).
set -eu
cd "$(dirname "$0")/../.."

# The kernels: file, a part of the mangled name, name, weights that a turn of the main loop decodes.
kernels() {
    cat <<'END'
cuda.cu     decode_tiered       decode_tiered     2048
cuda.cu     decode_planar       decode_planar     512
product.cu  multiply_rowsILj8   product_tiered_8  8192
product.cu  multiply_tileILj8   product_planar_8  512
product.cu  multiply_rowsILj16  product_tiered_16 8192
product.cu  multiply_tileILj16  product_planar_16 512
END
}

NVCC=${NVCC:-$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)}
command -v "$NVCC" >/dev/null || { echo 'sass.sh needs nvcc' >&2; exit 4; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT INT TERM
compile() { # SM FILE NAME [FLAG] : cubin and log of that name
    "$NVCC" -cubin -O3 -std=c++17 -arch="sm_$1" ${4:-} -Ilibentropy/include -Ilibentropy --ptxas-options=-v -o "$folder/$3.cubin" "libentropy/gpu/$2" \
        >"$folder/$3.log" 2>&1 || { cat "$folder/$3.log" >&2; exit 1; }
}

loop() { # CUBIN KERNEL SM -> instructions, alu, fma, xu, clocks of lsu, tensor, other
    place=$(readelf -SW "$1" 2>/dev/null | sed -n "s/.* \.text\.[^ ]*$2[^ ]* *PROGBITS *[0-9a-f]* \([0-9a-f]*\) \([0-9a-f]*\) .*/0x\1 0x\2/p")
    [ -n "$place" ] || { echo "sass.sh: no kernel $2" >&2; exit 1; }
    od -An -v -tu4 -w16 -j$((${place% *})) -N$((${place#* })) "$1" | awk -v sm="$3" -v kernel="$2" '
        function hex(digits,   i, n) {
            for (i = 1; i <= length(digits); i++) n = 16 * n + index("0123456789abcdef", substr(digits, i, 1)) - 1
            return n
        }
        function runs_on(pipe, opcodes,   n, i, list) {
            n = split(opcodes, list, " ")
            for (i = 1; i <= n; i++) of[hex(list[i])] = pipe
        }
        BEGIN { # the low 9 bits: those above say where operands come from
            # MOV P2R R2P VOTE SEL FSEL FMNMX FSETP ISETP IADD3 LEA LOP3 IABS VABSDIFF PRMT IMNMX SHF SGXT BMSK PLOP3 VIADD F2FP I2FP VIADDMNMX VIMNMX
            runs_on("alu", "002 003 004 006 007 008 009 00b 00c 010 011 012 013 014 016 017 019 01a 01b 01c 036 03e 045 046 048")
            # FMUL FADD FFMA IMAD IMAD.WIDE IDP IMAD.HI HADD2 HFMA2 HMUL2 HFMA2.MMA
            runs_on("fma", "020 021 023 024 025 026 027 030 031 032 035")
            # FLO BREV F2F F2I I2F MUFU POPC, conversions of 64 bits, REDUX
            runs_on("xu", "100 101 104 105 106 108 109 110 111 112 1c4")
            # LD LDG LDL LDS ST STG STL STS SHFL ATOMS CCTL MATCH LDSM LDGSTS
            runs_on("lsu", "180 181 183 184 185 186 187 188 189 18c 18d 18f 1a1 03b 1ae")
            # IMMA HMMA DMMA
            runs_on("tensor", "037 03c 03f")
            # CS2R, barriers and what waits, BRA BSSY BSYNC EXIT ..., S2R NOP, LDC ULDC S2UR R2UR, bulk prefetches; the uniform path
            runs_on("other", "005 118 119 11a 11b 11d 141 142 144 145 146 147 148 14d 150 155 156 182 192 1ab 1af 1c2 1c3 0b9 \
                              082 086 087 08c 090 091 092 096 099 09b 0a4 0a5 0bd 0bf 0ca 1bc")
        }
        {
            opcode[NR] = $1 % 512
            wide[NR] = opcode[NR] == 59 ? 2 ^ (int($3 / 256) % 4) : int($3 / 512) % 8 == 6 ? 4 : int($3 / 512) % 8 == 5 ? 2 : 1 # clocks, by bytes
        }
        $1 % 4096 == 2381 { from = start; to = end } # EXIT: after the last one are ways that warps do not go that stay together
        $1 % 4096 == 2375 { # BRA
            if (sm < 90) { # how far in bytes: word 1
                offset = $2 < 2 ^ 31 ? $2 : $2 - 2 ^ 32
            } else { # in 4 bytes each: its low 8 bits in word 0, the others from bit 2 of word 1 on
                offset = int($2 / 4) * 256 + int($1 / 65536) % 256
                offset = 4 * (offset < 2 ^ 37 ? offset : offset - 2 ^ 38)
            }
            target = NR + 1 + offset / 16
            if (target < NR && NR - target > end - start) {
                start = target
                end = NR
            }
        }
        END {
            for (i = from; i <= to; i++) {
                if (!(opcode[i] in of)) printf "sass.sh: %s: an opcode that is not in the list: %d\n", kernel, opcode[i] >"/dev/stderr"
                pipe = opcode[i] in of ? of[opcode[i]] : "other"
                # shuffles and atomics have other things where the others have how wide they are
                count[pipe] += pipe == "lsu" && opcode[i] != 393 && opcode[i] != 396 && opcode[i] != 417 ? wide[i] : 1
            }
            printf "%d\t%d\t%d\t%d\t%d\t%d\t%d\n", to - from + 1, count["alu"], count["fma"], count["xu"], count["lsu"],
                   count["tensor"], count["other"]
        }'
}

printf 'sm\tkernel\tregisters\tshared_bytes\tspilled_bytes\tloop_weights\tinstructions_per_32\tloop_instructions\talu\tfma\txu\tlsu_clocks\ttensor\tother\n'
for sm in ${*:-80 90}; do
    for file in $(kernels | awk '{ print $1 }' | sort -u); do
        compile "$sm" "$file" "$file"
        compile "$sm" "$file" "$file.path" -DGPU_PATH
    done
    kernels | while read -r file part name weights; do
        facts=$(awk -v kernel="$part" '/Compiling/ { mine = index($0, kernel) }
            mine && /spill/ { for (i = 1; i < NF; i++) if ($(i + 2) == "spill") spilled = $i }
            mine && /Used/ { for (i = 1; i < NF; i++) { if ($(i + 1) ~ /^registers/) registers = $i; if ($(i + 1) == "bytes" && $(i + 2) ~ /^smem/) shared = $i } }
            END { printf "%s\t%s\t%s", registers, shared, spilled }' "$folder/$file.log")
        counts=$(loop "$folder/$file.path.cubin" "$part" "$sm")
        printf 'sm_%s\t%s\t%s\t%s\t%s\t%s\n' "$sm" "$name" "$facts" "$weights" "$(echo "$counts" | awk -v n="$weights" '{ printf "%.1f", $1 / n * 32 }')" "$counts"
    done
done
