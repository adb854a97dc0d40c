/* bench_container.c - see bench_container.h. */
#include <math.h>
#include <stdio.h>

#include "bench_container.h"
#include "choice.h"
#include "model.h"
#include "output.h"

/* Decoding over copying, which a machine that is slower for a while changes less than either. */
static double latency(const ent_container_speed *speed) { return speed->decode_ns / speed->copy_ns; }

static void print_json(const struct bench_container *bench, const ent_container *container,
                       const ent_container_speed *speed, const struct choice_prediction *p)
{
    double bytes = (double)speed->bytes;
    json_t *object = json_object();
    json_text(object, "file", bench->path);
    json_text(object, "codec", ent_container_codec_name(container));
    json_count(object, "threads", ent_threads(bench->common->threads));
    json_count(object, "runs", bench->runs);
    json_count(object, "bytes", speed->bytes);
    json_count(object, "coded_bytes", speed->coded_bytes);
    json_real_or_null(object, "decode_ns", speed->decode_ns);
    json_real_or_null(object, "decode_median_ns", speed->decode_median_ns);
    json_real_or_null(object, "decode_gbps", bytes / speed->decode_ns);
    json_real_or_null(object, "memcpy_ns", speed->copy_ns);
    json_real_or_null(object, "memcpy_median_ns", speed->copy_median_ns);
    json_real_or_null(object, "memcpy_gbps", bytes / speed->copy_ns);
    if (p) {
        json_real_or_null(object, "predicted_ns", p->ns);
        json_real_or_null(object, "predicted_raw_ns", p->raw_ns);
        json_real_or_null(object, "error_percent", 100 * (p->ns / speed->decode_ns - 1));
        json_real_or_null(object, "latency", latency(speed));
        json_real_or_null(object, "predicted_latency", p->ns / p->raw_ns);
        json_real_or_null(object, "latency_error_percent", 100 * (p->ns / p->raw_ns / latency(speed) - 1));
    }
    json_object_set_new(object, "verified", json_true());
    json_line(object);
}

static void row(struct table *table, const char *what, double ns, double median, double bytes, double predicted)
{
    table_cell(table, "%s", what);
    table_number(table, 1e-6 * ns, 3);
    table_number(table, 1e-6 * median, 3);
    table_number(table, bytes / ns, 2);
    table_number(table, 1e-6 * predicted, 3);
    table_number(table, 100 * (predicted / ns - 1), 1);
}

static void print(const struct bench_container *bench, const ent_container *container,
                  const ent_container_speed *speed, const struct choice_prediction *p)
{
    struct table table;
    double bytes = (double)speed->bytes;
    printf("%s: codec %s, %s in %s\n%s, %u thread%s, best of %u runs\n\n", bench->path,
           ent_container_codec_name(container), show_bytes(speed->bytes).text, show_bytes(speed->coded_bytes).text,
           ent_cpu_text(), ent_threads(bench->common->threads), ent_threads(bench->common->threads) == 1 ? "" : "s",
           bench->runs);
    table_begin(&table, p ? "<|ms|median ms|GB/s|predicted ms|error %" : "<|ms|median ms|GB/s||");
    row(&table, "decode", speed->decode_ns, speed->decode_median_ns, bytes, p ? p->ns : NAN);
    row(&table, "memcpy", speed->copy_ns, speed->copy_median_ns, bytes, p ? p->raw_ns : NAN);
    table_end(&table);
    printf("decoding takes %.3f of the time of a memcpy of the same blocks", latency(speed));
    if (p) printf("; predicted: %.3f, error %.1f %%", p->ns / p->raw_ns, 100 * (p->ns / p->raw_ns / latency(speed) - 1));
    putchar('\n');
}

ent_status bench_container(const struct bench_container *bench, ent_error *error)
{
    ent_container *container;
    ent_container_speed speed;
    struct choice choice = { 0 };
    const ent_run run = { bench->common->threads, NULL, NULL };
    ent_status status = container_open(&container, bench->path, error);
    if (status) return status;
    if (bench->plan) status = choice_read(&choice, NULL, bench->plan, error);
    if (!status && bench->plan && choice.predicted.threads != ent_threads(bench->common->threads))
        complain("the plan was made for %u threads", choice.predicted.threads);
    if (!status) status = ent_container_time(container, bench->runs, &run, &speed, error);
    const struct choice_prediction *predicted = bench->plan ? &choice.predicted : NULL;
    if (!status) (bench->common->json ? print_json : print)(bench, container, &speed, predicted);
    choice_free(&choice);
    ent_container_close(container);
    return status;
}
