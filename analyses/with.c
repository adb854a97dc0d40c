/* with.c - see with.h. */
#include <string.h>

#include "with.h"

ent_status with_parse(struct with *with, const char *text, const char *codec, ent_error *error)
{
    const char *arrow = strstr(text, "=>");
    *with = (struct with){ .codec = codec };
    if (arrow && codec) return ent_fail(error, ENT_EINVAL, "the codec is named twice: after => and by an option");
    text += strspn(text, " \t");
    size_t n = arrow > text ? (size_t)(arrow - text) : arrow ? 0 : strlen(text);
    while (n && strchr(" \t", text[n - 1])) n--;
    if (n >= sizeof with->pipelines) return ent_fail(error, ENT_EINVAL, "the pipeline is too long");
    memcpy(with->pipelines, text, n);
    if (arrow) with->codec = arrow + 2 + strspn(arrow + 2, " \t");
    with->system = ent_system_find(with->pipelines);
    if (!with->system) return ENT_OK;
    strcpy(with->pipelines, with->system->pipeline ? with->system->pipeline : ""); /* rows are short: tests/test_systems.c */
    if (!with->codec) with->codec = with->system->codec;
    return ENT_OK;
}
