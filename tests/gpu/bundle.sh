#!/bin/sh
# bundle.sh BUILD - what measuring a card takes, with its shared libraries, for a machine that has a card and a driver but not these
# libraries: BUILD/gpu-bundle.tar.gz.  The programs, linked to look for libraries in lib beside them, are in BUILD/gpu-bundle/build.
#
# There, as bench.sh says: tar xzf gpu-bundle.tar.gz && gpu-bundle/tests/gpu/bench.sh build [NAME]
# Its C library must be as new as the one here; CUDA's driver and cuBLAS are taken from there.
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build}
bundle=$build/gpu-bundle
rm -rf "$bundle/build/lib"
mkdir -p "$bundle/build/lib" "$bundle/tests/gpu" "$bundle/analyses/targets" "$bundle/datasets"
# all but the C library's own, the loader and the compiler's, which belong to a system
ldd "$bundle"/build/entropy "$bundle"/build/test_gpu "$bundle"/build/test_gpu_product | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
    grep -v -E '/(libc|libm|libdl|libpthread|librt|libresolv|libgcc_s|libstdc\+\+)\.so' | while read -r library; do
    cp -L "$library" "$bundle/build/lib/"
done
cp "$build/libentropy_gpu.so" "$bundle/build/"
strip "$bundle"/build/entropy "$bundle"/build/test_gpu "$bundle"/build/test_gpu_product
strip --strip-unneeded "$bundle"/build/lib/* 2>/dev/null || :
cp tests/gpu/bench.sh tests/gpu/sanitize.sh "$bundle/tests/gpu/"
cp analyses/targets/h100-sxm.yaml "$bundle/analyses/targets/"
cp -r datasets/gutenberg-llama-4.7m "$bundle/datasets/"
tar -C "$build" -czf "$bundle.tar.gz" gpu-bundle
du -sh "$bundle" "$bundle.tar.gz"
