/* SPDX-License-Identifier: GPL-2.0 */
/* The unit tests' part of ../src/tap.h: a program of cases without a device. */
#ifndef NVDIO_UNIT_H
#define NVDIO_UNIT_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "../src/tap.h"

static inline int unit_run(int argc, char **argv, const struct t_case *cases, unsigned int nr)
{
	return tap_run(argc, argv, &(struct tap_program){ "", NULL, cases, nr });
}

/* For a program without a table of cases. */
static inline uint64_t unit_seed(void)
{
	tap_begin();
	return t_seed;
}

static inline int unit_end(void)
{
	return t_end();
}

#endif
