// product.cu - the kernels of products on NVIDIA cards; see product_kernel.h.
#include <cuda_runtime.h>

#include "gpu/cuda.h"
#include "gpu/planar_product_kernel.h"
#include "gpu/tiered_product_kernel.h"

// Blocks of threads, and their shared memory in bytes.  Blocks at once on a multiprocessor: an H100 has 228 KB of shared memory for
// them, an A100 164.
template <gpu_coding coding> struct units { // table, the warps' own
    static constexpr unsigned warps = 8, threads = warps * GPU_LANES;
    static constexpr unsigned table = 4 * (coding == GPU_TIERED ? GPU_TIERED_SHARED : GPU_PLANAR_SHARED);
    static constexpr unsigned own = 4 * (coding == GPU_TIERED ? GPU_TIERED_SCRATCH : GPU_PLANAR_SCRATCH);
    static constexpr unsigned bytes = table + warps * own;
};

struct rows { // of tiered: table, the warps' own
    static constexpr unsigned threads = GPU_TIERED_WARPS * GPU_LANES, bytes = 4 * (GPU_TIERED_SHARED + GPU_TIERED_WARPS * GPU_TIERED_SCRATCH);
#if defined __CUDA_ARCH__ && __CUDA_ARCH__ < 900
    static constexpr unsigned resident = 1;
#else
    static constexpr unsigned resident = 2;
#endif
};

struct tile { // of planar: table, the warps' own, two tiles, sums
    static constexpr unsigned threads = PRODUCT_ROWS * GPU_LANES, table = 4 * GPU_PLANAR_SHARED, own = 4 * GPU_PLANAR_SCRATCH;
    static constexpr unsigned tiles = table + PRODUCT_ROWS * own, sums = tiles + 2 * PRODUCT_ROWS * PRODUCT_ROW_BYTES;
    static constexpr unsigned bytes = sums + PRODUCT_ROWS * PRODUCT_SUMS * 4;
    static_assert(table % 16 == 0 && own % 16 == 0 && PRODUCT_ROW_BYTES % 16 == 0, "shared memory is aligned to 16 bytes");
#if defined __CUDA_ARCH__ && __CUDA_ARCH__ < 900
    static constexpr unsigned resident = 2;
#else
    static constexpr unsigned resident = 3;
#endif
};

extern __shared__ __align__(GPU_ALIGN) uint8_t shared[];

template <gpu_coding coding> __device__ static uint32_t *prepare(const gpu_product &p)
{
    uint32_t *table = reinterpret_cast<uint32_t *>(shared);
    if (coding == GPU_TIERED) gpu_tiered_prepare(&p.image, table, threadIdx.x, blockDim.x);
    else gpu_planar_prepare(&p.image, table, threadIdx.x, blockDim.x);
    __syncthreads();
    return table;
}

template <unsigned vectors>
__global__ static void __launch_bounds__(rows::threads, rows::resident) multiply_rows(const __grid_constant__ gpu_product p)
{
    gpu_product_ahead(&p, blockIdx.x);
    gpu_product_rows(&p, vectors, blockIdx.x, prepare<GPU_TIERED>(p));
}

template <unsigned vectors>
__global__ static void __launch_bounds__(tile::threads, tile::resident) multiply_tile(const __grid_constant__ gpu_product p)
{
    const uint32_t *table = prepare<GPU_PLANAR>(p);
    gpu_product_tile(&p, vectors, blockIdx.x, table, shared + tile::table, tile::own, shared + tile::tiles,
                     reinterpret_cast<float *>(shared + tile::sums));
}

template <gpu_coding coding>
__global__ static void __launch_bounds__(units<coding>::threads) multiply_units(const __grid_constant__ gpu_product p)
{
    using at = units<coding>;
    uint32_t *table = prepare<coding>(p);
    const unsigned warp = threadIdx.x / GPU_LANES;
    gpu_product_unit(&p, coding, p.done + blockIdx.x * at::warps + warp, table, at::table + warp * at::own);
}

enum { SUMMING = 256 }; // threads

__global__ static void add_sums(const __grid_constant__ gpu_product p)
{
    const uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < (uint64_t)p.rows * p.batch) gpu_product_sum(&p, i);
}

static cudaError_t launch(void (*kernel)(gpu_product), const gpu_product &p, unsigned threads, unsigned bytes, unsigned resident,
                          cudaStream_t stream)
{
    const cudaError_t error = gpu_cuda_prepare((const void *)kernel, bytes, resident);
    if (error) return error;
    kernel<<<p.tiles, threads, bytes, stream>>>(p);
    return cudaGetLastError();
}

static cudaError_t launch_tiles(const gpu_product &p, cudaStream_t stream)
{
    const bool few = p.batch <= 8;
    if (p.image.coding == GPU_TIERED)
        return launch(few ? multiply_rows<8> : multiply_rows<GPU_PRODUCT_BATCH>, p, rows::threads, rows::bytes, rows::resident, stream);
    return launch(few ? multiply_tile<8> : multiply_tile<GPU_PRODUCT_BATCH>, p, tile::threads, tile::bytes, tile::resident, stream);
}

template <gpu_coding coding> static cudaError_t launch_units(const gpu_product &p, cudaStream_t stream)
{
    using at = units<coding>;
    const cudaError_t error = gpu_cuda_prepare((const void *)multiply_units<coding>, at::bytes, 1);
    if (error) return error;
    multiply_units<coding><<<(p.image.units - p.done - 1) / at::warps + 1, at::threads, at::bytes, stream>>>(p);
    return cudaGetLastError();
}

cudaError_t gpu_cuda_product(const gpu_product &p, cudaStream_t stream)
{
    cudaError_t error = p.tiles ? launch_tiles(p, stream) : cudaSuccess;
    if (!error && p.done < p.image.units)
        error = p.image.coding == GPU_TIERED ? launch_units<GPU_TIERED>(p, stream) : launch_units<GPU_PLANAR>(p, stream);
    if (error || !p.part) return error;
    const uint64_t sums = (uint64_t)p.rows * p.batch;
    add_sums<<<(unsigned)((sums - 1) / SUMMING + 1), SUMMING, 0, stream>>>(p);
    return cudaGetLastError();
}
