/* hdf5.c - see hdf5.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>

#include "filter/hdf5.h"

static hid_t number(void *library, const char *name)
{
    const hid_t *id = dlsym(library, name);
    return id ? *id : -1;
}

bool ent_hdf5_find(ent_hdf5 *h5, const void *caller)
{
    Dl_info info;
    bool all = true;
    void *own = dladdr(caller, &info) ? dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD) : NULL;
    void *library = own ? own : RTLD_DEFAULT; /* HDF5 may be a part of the program itself */
#define X(name) all &= (*(void **)(void *)&h5->name = dlsym(library, #name)) != NULL;
    ENT_HDF5_FUNCTIONS(X)
#undef X
    h5->error_class = number(library, "H5E_ERR_CLS_g");
    h5->pipeline = number(library, "H5E_PLINE_g");
    h5->cannot_filter = number(library, "H5E_CANTFILTER_g");
    if (own) dlclose(own);
    return all;
}

void ent_hdf5_say(const ent_hdf5 *h5, const ent_error *error)
{
    h5->H5Epush2(H5E_DEFAULT, "libentropy", "filter 58481", 0, h5->error_class, h5->pipeline, h5->cannot_filter, "%s",
                 error->text);
}
