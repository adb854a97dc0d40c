/* entropy.h - all of libentropy. */
#ifndef ENTROPY_ENTROPY_H
#define ENTROPY_ENTROPY_H

#include <entropy/base.h>
#include <entropy/bitstack.h>
#include <entropy/cam.h>
#include <entropy/codec.h>
#include <entropy/coder.h>
#include <entropy/container.h>
#include <entropy/count.h>
#include <entropy/dependence.h>
#include <entropy/field.h>
#include <entropy/filter.h>
#include <entropy/fit.h>
#include <entropy/gpu.h>
#include <entropy/pack.h>
#include <entropy/quality.h>
#include <entropy/stats.h>
#include <entropy/target.h>
#include <entropy/transform.h>
#include <entropy/weights.h>

#endif
