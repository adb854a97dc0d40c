#!/bin/sh
# packages.sh SET... - install the distribution packages that a set (build, test, bench, notebooks, reference, paper) needs and that are
# missing, saying so first.  Without root, says what to ask for and stops with status 4.
set -eu

build="gcc libc6-dev pkg-config libgsl-dev libopenblas-openmp-dev liblapacke-dev libhdf5-dev libjansson-dev libcyaml-dev libyaml-dev libxxhash-dev zlib1g-dev libzstd-dev liblz4-dev
       libcurl4-openssl-dev libssl-dev gnuplot-nox"
reference="doxygen"
test="$reference procps dpkg-dev man-db groff-base slurm-wlm munge iproute2 libcmocka-dev hdf5-tools clang libclang-rt-dev libomp-dev strace zstd zsh fish"
bench="libzstd-dev liblz4-dev libhtscodecs-dev libdeflate-dev libblosc-dev"
notebooks="libmd4c-dev libmd4c-html0-dev"
paper="gnuplot-nox librsvg2-bin texlive-latex-recommended lmodern latexmk"

wanted=
for set in "$@"; do
    case $set in
        build) wanted="$wanted $build" ;;
        test) wanted="$wanted $test" ;;
        bench) wanted="$wanted $bench" ;;
        notebooks) wanted="$wanted $notebooks" ;;
        reference) wanted="$wanted $reference" ;;
        paper) wanted="$wanted $paper" ;;
        *) echo "packages.sh: unknown set '$set' (build, test, bench, notebooks, reference, paper)" >&2; exit 2 ;;
    esac
done

if ! command -v dpkg-query >/dev/null; then
    echo "packages.sh: not a Debian-like system; please install the equivalents of:$(echo $wanted)" >&2
    command -v pkg-config >/dev/null && exit 0 # the build will name what is still absent
    exit 4
fi

missing=
for package in $wanted; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "These packages are missing, and installing them needs root.  Please ask for, or run as root:" >&2
    echo "  apt-get install --no-install-recommends$missing" >&2
    exit 4
fi
echo "Installing missing packages:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get -q -o DPkg::Lock::Timeout=600 update >/dev/null || echo "packages.sh: apt-get update failed, trying with the lists at hand" >&2
log=$(mktemp)
if ! apt-get -q -y -o DPkg::Lock::Timeout=600 install --no-install-recommends $missing >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    exit 4
fi
rm -f "$log"
