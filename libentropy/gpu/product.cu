// product.cu - the kernels of products on NVIDIA cards; see product_kernel.h.
#include <cuda_runtime.h>

#include "gpu/cuda.h"
#include "gpu/product_kernel.h"

enum { WARPS = PRODUCT_ROWS, THREADS = WARPS * GPU_LANES };

// Shared memory of a block of threads, in bytes: table, the warps' own, two tiles, sums.
template <gpu_coding coding> struct layout {
    static constexpr unsigned table = 4 * (coding == GPU_TIERED ? GPU_TIERED_TABLE : GPU_PLANAR_TABLE);
    static constexpr unsigned own = 4 * (coding == GPU_TIERED ? GPU_TIERED_SCRATCH : GPU_PLANAR_SCRATCH);
    static constexpr unsigned row = (coding == GPU_TIERED ? 1 : 2) * 2 * PRODUCT_ROWS * PRODUCT_SLICE + PRODUCT_PAD;
    static constexpr unsigned tile = 2 * WARPS * row, sums = WARPS * PRODUCT_SUMS * 4;
    static constexpr unsigned units = table + WARPS * own, tiles = units + tile + sums;
    static_assert(table % 16 == 0 && own % 16 == 0 && row % 16 == 0, "shared memory is aligned to 16 bytes");
    // blocks of threads at once on a multiprocessor: an H100 has 228 KB of shared memory for them, an A100 164
#if defined __CUDA_ARCH__ && __CUDA_ARCH__ < 900
    static constexpr unsigned resident = coding == GPU_TIERED ? 4 : 2;
#else
    static constexpr unsigned resident = coding == GPU_TIERED ? 4 : 3;
#endif
};

extern __shared__ __align__(16) uint8_t shared[];

template <gpu_coding coding> __device__ static const uint32_t *prepare(const gpu_product &p)
{
    uint32_t *table = reinterpret_cast<uint32_t *>(shared);
    if (coding == GPU_TIERED) gpu_tiered_prepare(&p.image, table, threadIdx.x, blockDim.x);
    else gpu_planar_prepare(&p.image, table, threadIdx.x, blockDim.x);
    __syncthreads();
    return table;
}

template <gpu_coding coding, unsigned vectors>
__global__ static void __launch_bounds__(THREADS, layout<coding>::resident)
    multiply_tiles(const __grid_constant__ gpu_product p)
{
    using at = layout<coding>;
    const uint32_t *table = prepare<coding>(p);
    gpu_product_tile(&p, coding, vectors, blockIdx.x, table, shared + at::table, at::own, shared + at::units,
                     reinterpret_cast<float *>(shared + at::units + at::tile));
}

template <gpu_coding coding>
__global__ static void __launch_bounds__(THREADS)
    multiply_units(const __grid_constant__ gpu_product p, uint32_t first)
{
    using at = layout<coding>;
    const uint32_t *table = prepare<coding>(p);
    const unsigned warp = threadIdx.x / GPU_LANES;
    gpu_product_unit(&p, coding, first + blockIdx.x * WARPS + warp, table, shared + at::table, warp * at::own);
}

__global__ static void add_sums(const __grid_constant__ gpu_product p)
{
    const uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < (uint64_t)p.rows * p.batch) gpu_product_sum(&p, i);
}

template <gpu_coding coding> static cudaError_t multiply(const gpu_product &p, cudaStream_t stream)
{
    using at = layout<coding>;
    const unsigned blocks = p.tiles * p.period * p.image.units_per_block, first = blocks * PRODUCT_ROWS;
    const unsigned others = (p.image.units - first + WARPS - 1) / WARPS;
    const auto kernel = p.batch > 8 ? multiply_tiles<coding, GPU_PRODUCT_BATCH> : multiply_tiles<coding, 8>;
    cudaError_t error = gpu_cuda_prepare((const void *)kernel, at::tiles, at::resident);
    if (!error && blocks) {
        kernel<<<blocks, THREADS, at::tiles, stream>>>(p);
        error = cudaGetLastError();
    }
    if (!error && others) {
        multiply_units<coding><<<others, THREADS, at::units, stream>>>(p, first);
        error = cudaGetLastError();
    }
    return error;
}

cudaError_t gpu_cuda_product(const gpu_product &p, cudaStream_t stream)
{
    cudaError_t error = p.image.coding == GPU_TIERED ? multiply<GPU_TIERED>(p, stream) : multiply<GPU_PLANAR>(p, stream);
    if (error || !p.part) return error;
    add_sums<<<(unsigned)(((uint64_t)p.rows * p.batch + THREADS - 1) / THREADS), THREADS, 0, stream>>>(p);
    return cudaGetLastError();
}
