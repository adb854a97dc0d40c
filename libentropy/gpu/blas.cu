// blas.cu - products by cuBLAS, asked for in all ways that may be the fastest; see bench.h.
//
// For few vectors cuBLAS's own choice of a kernel is not always its best one, so beside it there are the same product with
// vectors added up to a multiple of 8, and what cuBLASLt's heuristics name, first to last.  Whoever compares takes the best.
#include <climits>
#include <cstdio>

#include <cublasLt.h>
#include <cublas_v2.h>
#include <dlfcn.h>

#include "gpu/blas.h"
#include "gpu/cuda.h"

enum { AS_IT_IS, PADDED, FIRST_LT, LT = 8, WORKSPACE = 32 << 20 }; // NVIDIA's recommendation for cc 9.0

typedef cublasStatus_t gemm_ex(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int, int, const void *, const void *,
                               cudaDataType, int, const void *, cudaDataType, int, const void *, void *, cudaDataType, int,
                               cublasComputeType_t, cublasGemmAlgo_t);

struct blas {
    gemm_ex *multiply;
    decltype(&cublasGetStatusString) words;
    decltype(&cublasSetStream_v2) set_stream;
    decltype(&cublasSetWorkspace_v2) set_workspace;
    decltype(&cublasLtMatmul) lt_multiply;
    decltype(&cublasLtMatmulAlgoGetHeuristic) lt_choose;
    decltype(&cublasLtMatmulDescCreate) lt_operation;
    decltype(&cublasLtMatmulDescSetAttribute) lt_set_operation;
    decltype(&cublasLtMatrixLayoutCreate) lt_layout;
    decltype(&cublasLtMatmulPreferenceCreate) lt_preference;
    decltype(&cublasLtMatmulPreferenceSetAttribute) lt_set_preference;
    cublasHandle_t handle;
    cublasLtHandle_t lt;
    void *workspace;
};

static void *open_library(const char *stem)
{
    static const char *const version[] = { ".13", ".12", "" };
    static const char *const folder[] = { "", "/usr/local/cuda/lib64/" };
    for (const char *f : folder)
        for (const char *v : version) {
            char name[80];
            snprintf(name, sizeof name, "%s%s.so%s", f, stem, v);
            if (void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL)) return library;
        }
    return nullptr;
}

template <typename function> static bool find(void *library, const char *name, function *&found)
{
    return (found = reinterpret_cast<function *>(dlsym(library, name))) != nullptr;
}

static const blas *find_blas()
{
    static blas b;
    static bool tried;
    decltype(&cublasCreate_v2) create;
    decltype(&cublasLtCreate) create_lt;
    if (tried) return b.workspace ? &b : nullptr;
    tried = true;
    void *library = open_library("libcublas"), *lt = open_library("libcublasLt");
    if (!library || !lt) return nullptr;
    if (!find(library, "cublasCreate_v2", create) || !find(library, "cublasGemmEx", b.multiply) || !find(library, "cublasGetStatusString", b.words) ||
        !find(library, "cublasSetStream_v2", b.set_stream) || !find(library, "cublasSetWorkspace_v2", b.set_workspace) ||
        !find(lt, "cublasLtCreate", create_lt) || !find(lt, "cublasLtMatmul", b.lt_multiply) ||
        !find(lt, "cublasLtMatmulAlgoGetHeuristic", b.lt_choose) || !find(lt, "cublasLtMatmulDescCreate", b.lt_operation) ||
        !find(lt, "cublasLtMatmulDescSetAttribute", b.lt_set_operation) || !find(lt, "cublasLtMatrixLayoutCreate", b.lt_layout) ||
        !find(lt, "cublasLtMatmulPreferenceCreate", b.lt_preference) ||
        !find(lt, "cublasLtMatmulPreferenceSetAttribute", b.lt_set_preference))
        return nullptr;
    if (create(&b.handle) || create_lt(&b.lt) || cudaMalloc(&b.workspace, WORKSPACE)) b.workspace = nullptr;
    return b.workspace ? &b : nullptr;
}

// cuBLAS counts by columns: W, X and Y by rows are W^T, X^T and Y^T by columns, Y of m rows a part of one of `ld`.
struct shape {
    int m, n, k, ld;
    bool operator==(const shape &o) const { return m == o.m && n == o.n && k == o.k && ld == o.ld; }
};

static cublasStatus_t multiply(const blas *b, const shape &s, const void *w, const void *x, void *y, cudaStream_t stream)
{
    const float one = 1, zero = 0;
    cublasStatus_t status = b->set_stream(b->handle, stream);
    if (!status) status = b->set_workspace(b->handle, b->workspace, WORKSPACE); // of its own it may not take any while it is recorded
    return status ? status
                  : b->multiply(b->handle, CUBLAS_OP_T, CUBLAS_OP_N, s.m, s.n, s.k, &one, w, CUDA_R_16BF, s.k, x, CUDA_R_16BF, s.k, &zero, y,
                                CUDA_R_32F, s.ld, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
}

// The descriptions of a shape and what the heuristics name for it.  They are few, and live as long as the program.
struct lt_plan {
    shape of;
    cublasLtMatmulDesc_t operation;
    cublasLtMatrixLayout_t w, x, y;
    cublasLtMatmulHeuristicResult_t found[LT];
    int n;
};

static cublasStatus_t make_plan(const blas *b, const shape &s, lt_plan *p)
{
    const cublasOperation_t transposed = CUBLAS_OP_T;
    const size_t workspace = WORKSPACE;
    cublasLtMatmulPreference_t preference;
    *p = {};
    cublasStatus_t status = b->lt_operation(&p->operation, CUBLAS_COMPUTE_32F, CUDA_R_32F);
    if (!status) status = b->lt_set_operation(p->operation, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed);
    if (!status) status = b->lt_layout(&p->w, CUDA_R_16BF, (uint64_t)s.k, (uint64_t)s.m, s.k);
    if (!status) status = b->lt_layout(&p->x, CUDA_R_16BF, (uint64_t)s.k, (uint64_t)s.n, s.k);
    if (!status) status = b->lt_layout(&p->y, CUDA_R_32F, (uint64_t)s.m, (uint64_t)s.n, s.ld);
    if (!status) status = b->lt_preference(&preference);
    if (!status) status = b->lt_set_preference(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace);
    if (status) return status;
    if (b->lt_choose(b->lt, p->operation, p->w, p->x, p->y, p->y, preference, LT, p->found, &p->n)) p->n = 0;
    p->of = s;
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t lt_multiply(const blas *b, int choice, const shape &s, const void *w, const void *x, void *y, cudaStream_t stream)
{
    static lt_plan plan; // that of the last shape
    const float one = 1, zero = 0;
    cublasStatus_t status = plan.of == s ? CUBLAS_STATUS_SUCCESS : make_plan(b, s, &plan);
    if (status) return status;
    if (choice >= plan.n || plan.found[choice].state) return CUBLAS_STATUS_NOT_SUPPORTED;
    return b->lt_multiply(b->lt, plan.operation, &one, w, plan.w, x, plan.x, &zero, y, plan.y, y, plan.y, &plan.found[choice].algo,
                          b->workspace, WORKSPACE, stream);
}

ent_status gpu_blas_multiply(unsigned way, const void *w, size_t rows, size_t cols, const void *x, unsigned batch, void *y,
                             void *stream, const char **because)
{
    const blas *b = find_blas();
    *because = !b ? "cuBLAS cannot be opened: its libcublas.so and libcublasLt.so must be where the loader looks"
                  : "cuBLAS: the matrix is too large";
    if (!b) return ENT_EIO;
    if (rows > INT_MAX || cols > INT_MAX) return ENT_EINVAL;
    *because = "";
    if (way == PADDED && batch % 8 == 0) return ENT_EUNSUPPORTED;
    // parts of fewer than 2^31 weights each, so that nothing in it need count further
    const size_t parts = rows * cols / INT_MAX + 1, each = ((rows + parts - 1) / parts + 63) / 64 * 64;
    for (size_t first = 0; first < rows; first += each) {
        const size_t m = rows - first < each ? rows - first : each;
        const shape s = { (int)m, way == PADDED ? (int)(batch + 7) / 8 * 8 : (int)batch, (int)cols, (int)rows };
        const uint16_t *from = static_cast<const uint16_t *>(w) + first * cols;
        float *to = static_cast<float *>(y) + first;
        cublasStatus_t status = way < FIRST_LT ? multiply(b, s, from, x, to, (cudaStream_t)stream)
                                               : lt_multiply(b, (int)(way - FIRST_LT), s, from, x, to, (cudaStream_t)stream);
        if (status == CUBLAS_STATUS_NOT_SUPPORTED && way != AS_IT_IS) return ENT_EUNSUPPORTED;
        if (status) *because = b->words(status);
        if (status) return ENT_ECHECK;
    }
    return ENT_OK;
}

const char *gpu_blas_way(unsigned way)
{
    static const char *const name[FIRST_LT + LT] = { "cublasGemmEx", "cublasGemmEx, 8 vectors", "cublasLt, choice 1", "cublasLt, choice 2",
                                                     "cublasLt, choice 3", "cublasLt, choice 4", "cublasLt, choice 5", "cublasLt, choice 6",
                                                     "cublasLt, choice 7", "cublasLt, choice 8" };
    return way < FIRST_LT + LT ? name[way] : nullptr;
}
