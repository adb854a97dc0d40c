/* hub.h - models in the local Hugging Face cache; nothing is ever downloaded. */
#ifndef ENT_ANALYSES_HUB_H
#define ENT_ANALYSES_HUB_H

#include <limits.h>

#include <entropy/base.h>

/* The folder of ORG/NAME[@REVISION] (preset main): ENT_EINVAL, with what to do, when it is not there. */
ent_status hub_path(char path[PATH_MAX], const char *id, ent_error *error);

#endif
