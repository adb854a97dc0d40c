/* weights_files.h - model files made on the spot, right and wrong ones. */
#ifndef ENT_TEST_WEIGHTS_FILES_H
#define ENT_TEST_WEIGHTS_FILES_H

#include "test.h"

/* Writes a safetensors file of `header` and `data` zero bytes into the scratch folder; its path. */
const char *make_safetensors(const char *name, const char *header, size_t data);

/* Opens and closes; fails the test unless the status is as expected and, for an error, its text
 * holds the file's name and `text` (NULL: anything). */
void expect_open(const char *path, ent_status expected, const char *text);

#endif
