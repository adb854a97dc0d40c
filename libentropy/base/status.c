/* status.c - statuses as text, errors for people. */
#include <stdarg.h>
#include <stdio.h>

#include <entropy/base.h>

const char *ent_status_text(ent_status status)
{
    static const char *const text[] = {
        [ENT_OK] = "done",
        [ENT_EINVAL] = "invalid request",
        [ENT_EUNSUPPORTED] = "unsupported",
        [ENT_ESPACE] = "output buffer too small",
        [ENT_ERANGE] = "symbol outside the trained table",
        [ENT_ECORRUPT] = "damaged data",
        [ENT_ECHECK] = "check failed",
        [ENT_EIO] = "read or write failed",
        [ENT_ENOMEM] = "out of memory",
    };
    return (size_t)status < sizeof text / sizeof *text ? text[status] : "unknown status";
}

ent_status ent_fail(ent_error *error, ent_status status, const char *format, ...)
{
    if (error) {
        va_list args;
        va_start(args, format);
        error->status = status;
        vsnprintf(error->text, sizeof error->text, format, args);
        va_end(args);
    }
    return status;
}
