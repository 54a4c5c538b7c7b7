/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the pure logic needs from its environment: kernel headers in the module,
 * tests/unit/shim.h in the unit tests. Nothing in this directory touches
 * devices, locks, or memory other than its arguments.
 */
#ifndef NVDIO_PURE_H
#define NVDIO_PURE_H

#ifdef __KERNEL__
#include <linux/align.h>
#include <linux/array_size.h>
#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/cache.h>
#include <linux/errno.h>
#include <linux/math.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/nvme.h>
#include <linux/scatterlist.h>
#include <linux/string.h>
#include <linux/types.h>
#else
#include "shim.h"
#endif

#endif /* NVDIO_PURE_H */
