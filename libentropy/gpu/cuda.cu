/* cuda.cu - the kernels on NVIDIA cards, and what gpu.c asks of a card: a library of its own, made by `make gpu`. */
#include <cstdio>
#include <mutex>
#include <utility>

#include "gpu/backend.h"
#include "gpu/cuda.h"
#include "gpu/planar_rans_kernel.h"
#include "gpu/tiered_decode_kernel.h"

/* As many blocks of threads on a multiprocessor at once as registers and shared memory of an H100 allow, and of an A100. */
#if defined __CUDA_ARCH__ && __CUDA_ARCH__ < 900
enum { TIERED_RESIDENT = 1, PLANAR_RESIDENT = 2 };
#else
enum { TIERED_RESIDENT = 2, PLANAR_RESIDENT = 2 };
#endif

enum { TIERED_BYTES = 4 * (GPU_TIERED_SHARED + GPU_TIERED_WARPS * GPU_TIERED_SCRATCH) };

__global__ void __launch_bounds__(GPU_TIERED_WARPS *GPU_LANES, TIERED_RESIDENT)
    decode_tiered(const __grid_constant__ gpu_image image, uint16_t *words)
{
    extern __shared__ __align__(GPU_ALIGN) uint32_t shared[];
    const unsigned warp = threadIdx.x / GPU_LANES, unit = blockIdx.x * GPU_TIERED_WARPS + warp;
    gpu_tiered_ahead(&image, unit);
    gpu_tiered_prepare(&image, shared, threadIdx.x, blockDim.x);
    __syncthreads();
    gpu_tiered_decode(&image, unit, shared, 4 * (GPU_TIERED_SHARED + warp * GPU_TIERED_SCRATCH), words);
}

__global__ void __launch_bounds__(GPU_PLANAR_WARPS *GPU_LANES, PLANAR_RESIDENT)
    decode_planar(const __grid_constant__ gpu_image image, uint16_t *words)
{
    __shared__ __align__(16) uint32_t table[GPU_PLANAR_SHARED];
    __shared__ __align__(16) uint32_t scratch[GPU_PLANAR_WARPS * GPU_PLANAR_SCRATCH];
    gpu_planar_prepare(&image, table, threadIdx.x, blockDim.x);
    __syncthreads();
    const unsigned warp = threadIdx.x / GPU_LANES;
    gpu_planar_decode(&image, blockIdx.x * GPU_PLANAR_WARPS + warp, table, (uint8_t *)scratch,
                      4 * warp * GPU_PLANAR_SCRATCH, words);
}

static thread_local cudaError_t last;

ent_status gpu_cuda_status(cudaError_t error)
{
    if (error == cudaSuccess) return ENT_OK;
    (void)cudaGetLastError(); /* else the next launch would answer for it */
    last = error;
    switch (error) {
    case cudaErrorMemoryAllocation: return ENT_ENOMEM;
    case cudaErrorNoDevice:
    case cudaErrorInvalidDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorNoKernelImageForDevice: return ENT_EUNSUPPORTED;
    default: return ENT_ECHECK;
    }
}

const char *gpu_cuda_why(void) { return last == cudaSuccess ? "" : cudaGetErrorString(last); }

static ent_status count(int *devices)
{
    *devices = 0;
    return gpu_cuda_status(cudaGetDeviceCount(devices));
}

static ent_status name(int device, char *text, size_t room)
{
    cudaDeviceProp card;
    ent_status status = gpu_cuda_status(cudaGetDeviceProperties(&card, device));
    if (!status) snprintf(text, room, "%s", card.name);
    return status;
}

static ent_status allocate(int device, void **memory, size_t bytes)
{
    ent_status status = gpu_cuda_status(cudaSetDevice(device));
    return status ? status : gpu_cuda_status(cudaMalloc(memory, bytes));
}

static void release(int device, void *memory)
{
    if (cudaSetDevice(device) || cudaFree(memory)) (void)cudaGetLastError();
}

static ent_status copy(int device, void *to, const void *from, size_t bytes, cudaMemcpyKind kind)
{
    ent_status status = gpu_cuda_status(cudaSetDevice(device));
    if (!status) status = gpu_cuda_status(cudaMemcpy(to, from, bytes, kind));
    /* from pageable memory it may return before the last bytes are there, and other streams do not wait for it */
    if (!status && kind == cudaMemcpyHostToDevice) status = gpu_cuda_status(cudaStreamSynchronize(cudaStreamLegacy));
    return status;
}

static ent_status write_memory(int device, void *memory, const void *from, size_t bytes)
{
    return copy(device, memory, from, bytes, cudaMemcpyHostToDevice);
}

static ent_status read_memory(int device, void *to, const void *memory, size_t bytes)
{
    return copy(device, to, memory, bytes, cudaMemcpyDeviceToHost);
}

cudaError_t gpu_cuda_prepare(const void *kernel, unsigned dynamic, unsigned resident)
{
    enum { MOST = 64, UNASKED = 48 << 10, RESERVED = 1 << 10 }; /* the system's own of each block */
    static std::mutex one;
    static std::pair<const void *, int> done[MOST];
    static unsigned n;
    std::lock_guard<std::mutex> lock(one);
    int device, room;
    cudaFuncAttributes found;
    cudaError_t error = cudaGetDevice(&device);
    for (unsigned i = 0; i < n && !error; i++)
        if (done[i].first == kernel && done[i].second == device) return cudaSuccess;
    if (!error) error = cudaFuncGetAttributes(&found, kernel);
    if (!error) error = cudaDeviceGetAttribute(&room, cudaDevAttrMaxSharedMemoryPerMultiprocessor, device);
    if (!error && dynamic > UNASKED) error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)dynamic);
    if (error) return error;
    const size_t one_takes = found.sharedSizeBytes + dynamic + RESERVED, fit = room / one_takes;
    /* the driver takes the least share that is not less: one percent more may be a step more, which the cache would lack */
    error = cudaFuncSetAttribute(kernel, cudaFuncAttributePreferredSharedMemoryCarveout, (int)(100 * one_takes * (resident < fit ? resident : fit) / room));
    if (!error && n < MOST) done[n++] = { kernel, device };
    return error;
}

static ent_status decode(int device, const gpu_image *image, uint16_t *words, void *stream)
{
    ent_status status = gpu_cuda_status(cudaSetDevice(device));
    if (status || !image->units) return status;
    cudaStream_t on = (cudaStream_t)stream;
    status = gpu_cuda_status(image->coding == GPU_TIERED ? gpu_cuda_prepare((const void *)decode_tiered, TIERED_BYTES, TIERED_RESIDENT)
                                                         : gpu_cuda_prepare((const void *)decode_planar, 0, PLANAR_RESIDENT));
    if (status) return status;
    if (image->coding == GPU_TIERED) {
        const unsigned blocks = (image->units + GPU_TIERED_WARPS - 1) / GPU_TIERED_WARPS;
        decode_tiered<<<blocks, GPU_TIERED_WARPS * GPU_LANES, TIERED_BYTES, on>>>(*image, words);
    } else {
        const unsigned blocks = (image->units + GPU_PLANAR_WARPS - 1) / GPU_PLANAR_WARPS;
        decode_planar<<<blocks, GPU_PLANAR_WARPS * GPU_LANES, 0, on>>>(*image, words);
    }
    return gpu_cuda_status(cudaGetLastError());
}

static ent_status product(int device, const gpu_product *p, void *stream)
{
    ent_status status = gpu_cuda_status(cudaSetDevice(device));
    return status ? status : gpu_cuda_status(gpu_cuda_product(*p, (cudaStream_t)stream));
}

static ent_status wait(int device, void *stream)
{
    ent_status status = gpu_cuda_status(cudaSetDevice(device));
    return status ? status : gpu_cuda_status(cudaStreamSynchronize((cudaStream_t)stream));
}

extern "C" ENT_API const gpu_backend ent_gpu_cuda;
const gpu_backend ent_gpu_cuda = { sizeof(gpu_backend), sizeof(gpu_image), sizeof(gpu_product), count,  name,    allocate, release,
                                   write_memory,        read_memory,       decode,              product, wait,   gpu_cuda_why };
