// bench.cu - what a card is compared with, and its clock; see bench.h.
#include <climits>
#include <cstdio>
#include <cstring>

#include <cublas_v2.h>
#include <dlfcn.h>

#include "gpu/bench.h"
#include "gpu/cuda.h"

static thread_local const char *reason = ""; // why something failed that CUDA does not know of

static const char *why() { return *reason ? reason : gpu_cuda_why(); }

static ent_status failed(const char *because)
{
    reason = because;
    return ENT_EUNSUPPORTED;
}

static ent_status on(int device)
{
    reason = "";
    return gpu_cuda_status(cudaSetDevice(device));
}

// ---- the card ------------------------------------------------------------------------------------------

// "580.95.05" of the kernel's driver; "?" where it cannot be told.
static void driver_version(char *text, size_t room)
{
    char line[256] = "";
    snprintf(text, room, "?");
    FILE *file = fopen("/proc/driver/nvidia/version", "r");
    if (!file) return;
    if (fgets(line, sizeof line, file))
        for (char *word = strtok(line, " "); word; word = strtok(nullptr, " "))
            if (word[0] >= '0' && word[0] <= '9' && strchr(word, '.') && *text == '?') snprintf(text, room, "%s", word);
    fclose(file);
}

static ent_status facts(int device, gpu_facts *out)
{
    cudaDeviceProp p;
    int cuda = 0, runtime = 0;
    char version[40];
    ent_status status = gpu_cuda_status(cudaGetDeviceProperties(&p, device));
    if (!status) status = gpu_cuda_status(cudaDriverGetVersion(&cuda));
    if (!status) status = gpu_cuda_status(cudaRuntimeGetVersion(&runtime));
    if (status) return status;
    driver_version(version, sizeof version);
    *out = {};
    snprintf(out->driver, sizeof out->driver, "driver %s for CUDA %d.%d, built with %d.%d", version, cuda / 1000, cuda % 1000 / 10,
             runtime / 1000, runtime % 1000 / 10);
    out->processors = (unsigned)p.multiProcessorCount;
    out->memory_bytes = p.totalGlobalMem;
    out->l2_bytes = (uint64_t)p.l2CacheSize;
    return ENT_OK;
}

// ---- time ------------------------------------------------------------------------------------------------

static cudaEvent_t marks[GPU_MARKS]; // made when first used, of one card, kept to the end

static ent_status mark(int device, unsigned i)
{
    ent_status status = on(device);
    if (!status && !marks[i]) status = gpu_cuda_status(cudaEventCreate(&marks[i]));
    return status ? status : gpu_cuda_status(cudaEventRecord(marks[i]));
}

static ent_status seconds(int, unsigned i, double *seconds)
{
    float milliseconds = 0;
    ent_status status = gpu_cuda_status(cudaEventElapsedTime(&milliseconds, marks[i], marks[i + 1]));
    *seconds = 1e-3 * (double)milliseconds;
    return status;
}

// Cycles and nanoseconds that pass while one thread waits for a millisecond.
__global__ static void count_cycles(long long *counted)
{
    long long ns, start_ns, start = clock64();
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(start_ns));
    do asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(ns));
    while (ns - start_ns < 1000000);
    counted[0] = clock64() - start;
    counted[1] = ns - start_ns;
}

static ent_status clock_ghz(int device, double *ghz)
{
    long long counted[2] = { 0, 1 }, *there = nullptr;
    ent_status status = on(device);
    if (!status) status = gpu_cuda_status(cudaMalloc(&there, sizeof counted));
    if (status) return status;
    count_cycles<<<1, 1>>>(there);
    status = gpu_cuda_status(cudaGetLastError());
    if (!status) status = gpu_cuda_status(cudaMemcpy(counted, there, sizeof counted, cudaMemcpyDeviceToHost));
    *ghz = (double)counted[0] / (double)counted[1];
    if (cudaFree(there)) (void)cudaGetLastError();
    return status;
}

// ---- what is compared with --------------------------------------------------------------------------------

static ent_status copy(int device, void *to, const void *from, size_t bytes)
{
    ent_status status = on(device);
    return status ? status : gpu_cuda_status(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice));
}

enum { READ_THREADS = 512, READ_AT_ONCE = 4 }; // AT_ONCE: 16-byte loads of a thread under way

__device__ unsigned read_sink; // what a read may write to, which it nearly never does

// Every 16 bytes once; what is made of them is as good as not used, which the compiler may not know.
__global__ static void __launch_bounds__(READ_THREADS) read_all(const uint4 *from, size_t n)
{
    const size_t stride = (size_t)gridDim.x * READ_THREADS;
    size_t i = (size_t)blockIdx.x * READ_THREADS + threadIdx.x;
    unsigned sum = 0;
    for (; i + (READ_AT_ONCE - 1) * stride < n; i += READ_AT_ONCE * stride) {
        uint4 v[READ_AT_ONCE];
#pragma unroll
        for (int k = 0; k < READ_AT_ONCE; k++) v[k] = __ldcs(from + i + k * stride);
#pragma unroll
        for (int k = 0; k < READ_AT_ONCE; k++) sum ^= v[k].x ^ v[k].y ^ v[k].z ^ v[k].w;
    }
    for (; i < n; i += stride) sum ^= from[i].x ^ from[i].y ^ from[i].z ^ from[i].w;
    if (sum == 0x9e3779b9u) read_sink = sum; // an empty asm would be seen through by the assembler
}

static ent_status read(int device, const void *from, size_t bytes)
{
    ent_status status = on(device);
    if (status) return status;
    const size_t n = bytes / sizeof(uint4), each = READ_THREADS * READ_AT_ONCE, blocks = (n + each - 1) / each;
    read_all<<<(unsigned)(blocks < 4096 ? blocks : 4096), READ_THREADS>>>(static_cast<const uint4 *>(from), n);
    return gpu_cuda_status(cudaGetLastError());
}

// cuBLAS is looked for when it is first asked for: a decoder does not need it.
typedef cublasStatus_t gemm_ex(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int, int, const void *, const void *,
                               cudaDataType, int, const void *, cudaDataType, int, const void *, void *, cudaDataType, int,
                               cublasComputeType_t, cublasGemmAlgo_t);

struct blas {
    gemm_ex *multiply;
    decltype(&cublasGetStatusString) words;
    cublasHandle_t handle;
};

static const blas *find_blas()
{
    static const char *const name[] = { "libcublas.so.13", "libcublas.so.12", "libcublas.so" };
    static blas found;
    void *library = nullptr;
    if (found.handle) return &found;
    for (const char *n : name)
        if (!library) library = dlopen(n, RTLD_NOW | RTLD_LOCAL);
    if (!library) return nullptr;
    auto create = (decltype(&cublasCreate_v2))dlsym(library, "cublasCreate_v2");
    found.multiply = (gemm_ex *)dlsym(library, "cublasGemmEx");
    found.words = (decltype(&cublasGetStatusString))dlsym(library, "cublasGetStatusString");
    if (create && found.multiply && found.words && !create(&found.handle)) return &found;
    found.handle = nullptr;
    return nullptr;
}

// cuBLAS counts by columns: W, X and Y by rows are W^T, X^T and Y^T by columns.
static ent_status cublas(int device, const void *w, size_t rows, size_t cols, const void *x, unsigned batch, void *y)
{
    const float one = 1, zero = 0;
    const int m = (int)rows, n = (int)batch, k = (int)cols;
    ent_status status = on(device);
    const blas *b = status ? nullptr : find_blas();
    if (status) return status;
    if (rows > INT_MAX || cols > INT_MAX) return failed("cuBLAS: the matrix is too large");
    if (!b) return failed("cuBLAS cannot be opened: its libcublas.so must be where the loader looks");
    cublasStatus_t outcome = b->multiply(b->handle, CUBLAS_OP_T, CUBLAS_OP_N, m, n, k, &one, w, CUDA_R_16BF, k, x, CUDA_R_16BF, k,
                                         &zero, y, CUDA_R_32F, m, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
    return outcome ? failed(b->words(outcome)) : ENT_OK;
}

extern "C" ENT_API const gpu_bench ent_gpu_cuda_bench;
const gpu_bench ent_gpu_cuda_bench = { sizeof(gpu_bench), facts, mark, seconds, clock_ghz, copy, read, cublas, why };
