# A Spack recipe: put it into a repository of yours as packages/libentropy/package.py, or point Spack at it by
# `spack create --repo`.  Give your git address; a tarball of a tag needs a version(...) with its sha256.
from spack.package import *


class Libentropy(MakefilePackage):
    """Entropy, coding and decode cost of neural-network weights: a C library and the program `entropy`."""

    license("MIT")

    version("main", branch="main")

    variant("zstd", default=True, description="Zstandard as a baseline")
    variant("lz4", default=True, description="LZ4 as a baseline")
    variant("fetch", default=False, description="Fetch models (libcurl, OpenSSL)")
    variant("figures", default=True, description="Draw figures with gnuplot")

    depends_on("c", type="build")
    depends_on("gmake", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("gsl")
    depends_on("hdf5@1.10: ~mpi")
    depends_on("openblas threads=openmp")
    depends_on("netlib-lapack +lapacke")
    depends_on("jansson")
    depends_on("libcyaml")
    depends_on("xxhash")
    depends_on("zstd", when="+zstd")
    depends_on("lz4", when="+lz4")
    depends_on("curl", when="+fetch")
    depends_on("openssl", when="+fetch")
    depends_on("gnuplot", when="+figures", type="run")

    def build(self, spec, prefix):
        make("all", "CC=" + spack_cc)

    def install(self, spec, prefix):
        make("install", "PREFIX=" + prefix)

    @run_after("install")
    @on_package_attributes(run_tests=True)
    def check_install(self):
        Executable(join_path(self.prefix.bin, "entropy"))("list", "codecs")
