/* memory.c - the only file of the library that asks the system for memory. */
#include <stdlib.h>
#include <string.h>

#include <entropy/base.h>

void *ent_alloc(size_t size)
{
    if (size > SIZE_MAX - 64) return NULL;
    return aligned_alloc(64, size ? (size + 63) / 64 * 64 : 64);
}

void *ent_calloc(size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) return NULL;
    void *memory = ent_alloc(total);
    if (memory) memset(memory, 0, total);
    return memory;
}

void ent_free(void *memory) { free(memory); }

char *ent_copy_text(const char *text)
{
    size_t size = text ? strlen(text) + 1 : 1;
    char *copy = ent_alloc(size);
    return copy ? memcpy(copy, text ? text : "", size) : NULL;
}

void *ent_grow(void *array, size_t *capacity, size_t n, size_t size)
{
    if (n < *capacity) return array;
    size_t wanted = *capacity ? 2 * *capacity : 16;
    void *larger = ent_calloc(wanted, size);
    if (!larger) return NULL;
    if (n) memcpy(larger, array, n * size);
    ent_free(array);
    *capacity = wanted;
    return larger;
}

ent_status ent_buffer_reserve(ent_buffer *buffer, size_t capacity)
{
    if (capacity <= buffer->capacity) return ENT_OK;
    if (capacity < buffer->capacity + buffer->capacity / 2)
        capacity = buffer->capacity + buffer->capacity / 2; /* geometric: appends cost O(1) each */
    uint8_t *data = ent_alloc(capacity);
    if (!data) return ENT_ENOMEM;
    if (buffer->size) memcpy(data, buffer->data, buffer->size);
    ent_free(buffer->data);
    buffer->data = data;
    buffer->capacity = capacity;
    return ENT_OK;
}
