// bench.cu - recordings, time, the state of a card and what it is compared with; see bench.h.
#include <cmath>
#include <cstdio>

#include <dlfcn.h>

#include "gpu/bench.h"
#include "gpu/blas.h"
#include "gpu/cuda.h"

static thread_local const char *reason = ""; // why something failed that CUDA does not know of

static const char *why() { return *reason ? reason : gpu_cuda_why(); }

static ent_status on(int device)
{
    reason = "";
    return gpu_cuda_status(cudaSetDevice(device));
}

// ---- the card ------------------------------------------------------------------------------------------

// NVIDIA's management library comes with the driver.  What is asked of it, by its documented names and numbers.
struct nvml {
    enum { CLOCK_SM = 1, CLOCK_MEMORY = 2, TEMPERATURE_GPU = 0 };
    int (*start)();
    int (*driver)(char *version, unsigned room);
    int (*find)(const char *bus, void **device);
    int (*clock)(void *device, int which, unsigned *mhz);
    int (*power)(void *device, unsigned *milliwatts);
    int (*limit)(void *device, unsigned *milliwatts);
    int (*temperature)(void *device, int which, unsigned *celsius);
    int (*ecc)(void *device, int *now, int *after_reboot);
    void *device;
};

template <typename function> static function *find(void *library, const char *name, function *&found)
{
    return found = reinterpret_cast<function *>(dlsym(library, name));
}

static const nvml *find_nvml(int device)
{
    static nvml n;
    static bool tried;
    char bus[32];
    if (tried) return n.device ? &n : nullptr;
    tried = true;
    void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library || cudaDeviceGetPCIBusId(bus, sizeof bus, device) || !find(library, "nvmlInit_v2", n.start) ||
        !find(library, "nvmlSystemGetDriverVersion", n.driver) ||
        !find(library, "nvmlDeviceGetHandleByPciBusId_v2", n.find) || !find(library, "nvmlDeviceGetClockInfo", n.clock) ||
        !find(library, "nvmlDeviceGetPowerUsage", n.power) || !find(library, "nvmlDeviceGetEnforcedPowerLimit", n.limit) ||
        !find(library, "nvmlDeviceGetTemperature", n.temperature) || !find(library, "nvmlDeviceGetEccMode", n.ecc) || n.start() ||
        n.find(bus, &n.device))
        n.device = nullptr;
    return n.device ? &n : nullptr;
}

// By reference, since what is asked is an argument beside it.
static double told(int failure, const unsigned &value, double unit) { return failure ? (double)NAN : value * unit; }

static ent_status facts(int device, gpu_facts *out)
{
    cudaDeviceProp p;
    int cuda = 0, runtime = 0;
    char version[80] = "?"; // NVML's own limit
    const nvml *n;
    ent_status status = gpu_cuda_status(cudaGetDeviceProperties(&p, device));
    if (!status) status = gpu_cuda_status(cudaDriverGetVersion(&cuda));
    if (!status) status = gpu_cuda_status(cudaRuntimeGetVersion(&runtime));
    if (status) return status;
    if ((n = find_nvml(device)) && n->driver(version, sizeof version)) snprintf(version, sizeof version, "?");
    *out = {};
    snprintf(out->driver, sizeof out->driver, "driver %s for CUDA %d.%d, built with %d.%d", version, cuda / 1000, cuda % 1000 / 10,
             runtime / 1000, runtime % 1000 / 10);
    out->processors = (unsigned)p.multiProcessorCount;
    out->memory_bytes = p.totalGlobalMem;
    out->l2_bytes = (uint64_t)p.l2CacheSize;
    out->limit_watts = NAN;
    out->ecc = -1;
    if (n) {
        unsigned milliwatts = 0;
        int now = 0, after_reboot = 0;
        out->limit_watts = told(n->limit(n->device, &milliwatts), milliwatts, 1e-3);
        if (!n->ecc(n->device, &now, &after_reboot)) out->ecc = now;
    }
    return ENT_OK;
}

// ---- work and time -----------------------------------------------------------------------------------------

static cudaStream_t stream;            // of recordings and marks: one that can be recorded, which the default one cannot
static cudaEvent_t marks[GPU_MARKS];   // made when first used, of one card, kept to the end
static long long *counted;             // cycles and nanoseconds, in the host's memory

// Cycles and nanoseconds that pass while one thread waits for a millisecond.
__global__ static void count_cycles(volatile long long *to)
{
    long long ns, start_ns, start = clock64();
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(start_ns));
    do asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(ns));
    while (ns - start_ns < 1000000);
    to[0] = clock64() - start;
    to[1] = ns - start_ns;
}

// Makes what is needed before there is work, since taking memory and loading kernels may wait for that.
static ent_status ready(int device)
{
    cudaFuncAttributes loaded;
    ent_status status = on(device);
    if (status || stream) return status;
    status = gpu_cuda_status(cudaHostAlloc(&counted, 2 * sizeof *counted, cudaHostAllocMapped));
    if (!status) status = gpu_cuda_status(cudaFuncGetAttributes(&loaded, count_cycles));
    return status ? status : gpu_cuda_status(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
}

static ent_status capture(gpu_work *work, void *context, cudaGraphExec_t *recorded)
{
    cudaGraph_t graph = nullptr;
    // relaxed: what is asked for may load kernels and ask the device for attributes
    ent_status status = gpu_cuda_status(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
    if (status) return status;
    status = work(context, stream);
    ent_status ended = gpu_cuda_status(cudaStreamEndCapture(stream, &graph));
    if (!status) status = ended;
    if (!status) status = gpu_cuda_status(cudaGraphInstantiate(recorded, graph, 0));
    if (!status) status = gpu_cuda_status(cudaGraphUpload(*recorded, stream));
    if (graph && cudaGraphDestroy(graph)) (void)cudaGetLastError();
    return status;
}

static ent_status record(int device, gpu_work *work, void *context, void **recording)
{
    cudaGraphExec_t recorded = nullptr;
    *recording = nullptr;
    ent_status status = ready(device);
    if (!status) status = work(context, stream);
    if (!status) status = gpu_cuda_status(cudaStreamSynchronize(stream));
    if (!status) status = capture(work, context, &recorded);
    *recording = recorded;
    return status;
}

static ent_status replay(int device, void *recording)
{
    ent_status status = ready(device);
    return status ? status : gpu_cuda_status(cudaGraphLaunch((cudaGraphExec_t)recording, stream));
}

static void forget(int device, void *recording)
{
    if (recording && !on(device) && cudaGraphExecDestroy((cudaGraphExec_t)recording)) (void)cudaGetLastError();
}

static ent_status mark(int device, unsigned i)
{
    ent_status status = ready(device);
    if (!status && !marks[i]) status = gpu_cuda_status(cudaEventCreate(&marks[i]));
    return status ? status : gpu_cuda_status(cudaEventRecord(marks[i], stream));
}

static ent_status seconds(int, unsigned i, double *seconds)
{
    float milliseconds = 0;
    ent_status status = gpu_cuda_status(cudaEventSynchronize(marks[i + 1]));
    if (!status) status = gpu_cuda_status(cudaEventElapsedTime(&milliseconds, marks[i], marks[i + 1]));
    *seconds = 1e-3 * (double)milliseconds;
    return status;
}

// ---- its state at work ------------------------------------------------------------------------------------

static ent_status load(int device, gpu_load *out)
{
    unsigned value = 0;
    ent_status status = ready(device);
    *out = { NAN, NAN, NAN, NAN, NAN };
    if (status) return status;
    count_cycles<<<1, 1, 0, stream>>>(counted);
    status = gpu_cuda_status(cudaGetLastError());
    if (const nvml *n = find_nvml(device)) {
        out->driver_clock_ghz = told(n->clock(n->device, nvml::CLOCK_SM, &value), value, 1e-3);
        out->memory_ghz = told(n->clock(n->device, nvml::CLOCK_MEMORY, &value), value, 1e-3);
        out->watts = told(n->power(n->device, &value), value, 1e-3);
        out->celsius = told(n->temperature(n->device, nvml::TEMPERATURE_GPU, &value), value, 1);
    }
    if (!status) status = gpu_cuda_status(cudaStreamSynchronize(stream));
    if (!status) out->clock_ghz = (double)counted[0] / (double)counted[1];
    return status;
}

// ---- what is compared with --------------------------------------------------------------------------------

static ent_status copy(int device, void *to, const void *from, size_t bytes, void *stream)
{
    ent_status status = on(device);
    return status ? status : gpu_cuda_status(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, (cudaStream_t)stream));
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

static ent_status read(int device, const void *from, size_t bytes, void *stream)
{
    ent_status status = on(device);
    if (status) return status;
    const size_t n = bytes / sizeof(uint4), each = READ_THREADS * READ_AT_ONCE, blocks = (n + each - 1) / each;
    read_all<<<(unsigned)(blocks < 4096 ? blocks : 4096), READ_THREADS, 0, (cudaStream_t)stream>>>(static_cast<const uint4 *>(from), n);
    return gpu_cuda_status(cudaGetLastError());
}

static ent_status cublas(int device, unsigned way, const void *w, size_t rows, size_t cols, const void *x, unsigned batch, void *y,
                         void *stream)
{
    ent_status status = on(device);
    return status ? status : gpu_blas_multiply(way, w, rows, cols, x, batch, y, stream, &reason);
}

extern "C" ENT_API const gpu_bench ent_gpu_cuda_bench;
const gpu_bench ent_gpu_cuda_bench = { sizeof(gpu_bench), facts, record, replay, forget, mark,  seconds,
                                       load,              copy,  read,   cublas, gpu_blas_way, why };
