/* meter.h - cycles and energy, where the machine lets them be read. */
#ifndef ENT_TARGET_METER_H
#define ENT_TARGET_METER_H

#include <stdbool.h>

enum { ENT_METER_DOMAINS = 16 };

typedef struct ent_meter {
    int cycles;                     /* of perf_event_open; -1: not to be had */
    int energy[ENT_METER_DOMAINS];  /* files of RAPL, one a package */
    double range[ENT_METER_DOMAINS]; /* micro-joules after which a counter starts anew */
    int domains;
} ent_meter;

typedef struct ent_reading {
    double cycles, joules[ENT_METER_DOMAINS];
} ent_reading;

/* Never fails: what cannot be read is NaN in differences. */
void ent_meter_open(ent_meter *meter);
void ent_meter_close(ent_meter *meter);
void ent_meter_read(const ent_meter *meter, ent_reading *reading);
/* Cycles of the calling thread in user mode; joules of all packages, by whoever. */
double ent_meter_cycles(const ent_meter *meter, const ent_reading *from, const ent_reading *to);
double ent_meter_joules(const ent_meter *meter, const ent_reading *from, const ent_reading *to);

#endif
