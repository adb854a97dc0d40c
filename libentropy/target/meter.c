/* meter.c - see meter.h.  Cycles by perf_event_open, which virtual machines seldom have and
 * /proc/sys/kernel/perf_event_paranoid may forbid; energy by Linux's powercap files, which root may read. */
#include <fcntl.h>
#include <linux/perf_event.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target/meter.h"

static double read_number(int fd)
{
    char text[32];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    if (n <= 0) return NAN;
    text[n] = '\0';
    return strtod(text, NULL);
}

static double number_of(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return NAN;
    double value = read_number(fd);
    close(fd);
    return value;
}

void ent_meter_open(ent_meter *meter)
{
    struct perf_event_attr attr = { .type = PERF_TYPE_HARDWARE, .size = sizeof attr,
                                    .config = PERF_COUNT_HW_CPU_CYCLES, .exclude_kernel = 1, .exclude_hv = 1 };
    *meter = (ent_meter){ .cycles = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC) };
    for (int i = 0; i < ENT_METER_DOMAINS; i++) { /* packages are intel-rapl:0, :1, ..., on AMD too */
        char path[120];
        snprintf(path, sizeof path, "/sys/class/powercap/intel-rapl:%d/energy_uj", i);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) continue;
        snprintf(path, sizeof path, "/sys/class/powercap/intel-rapl:%d/max_energy_range_uj", i);
        meter->range[meter->domains] = number_of(path);
        meter->energy[meter->domains++] = fd;
    }
}

void ent_meter_close(ent_meter *meter)
{
    if (meter->cycles >= 0) close(meter->cycles);
    for (int i = 0; i < meter->domains; i++) close(meter->energy[i]);
}

void ent_meter_read(const ent_meter *meter, ent_reading *reading)
{
    unsigned long long count;
    bool has = meter->cycles >= 0 && read(meter->cycles, &count, sizeof count) == sizeof count;
    reading->cycles = has ? (double)count : NAN;
    for (int i = 0; i < meter->domains; i++) reading->joules[i] = 1e-6 * read_number(meter->energy[i]);
}

double ent_meter_cycles(const ent_meter *meter, const ent_reading *from, const ent_reading *to)
{
    double cycles = meter->cycles < 0 ? NAN : to->cycles - from->cycles;
    return cycles > 0 ? cycles : NAN; /* some virtual machines count nothing */
}

double ent_meter_joules(const ent_meter *meter, const ent_reading *from, const ent_reading *to)
{
    double sum = 0;
    for (int i = 0; i < meter->domains; i++) {
        double joules = to->joules[i] - from->joules[i];
        sum += joules < 0 ? joules + 1e-6 * meter->range[i] : joules;
    }
    return sum > 0 ? sum : NAN;
}
