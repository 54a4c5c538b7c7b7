/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What happens to the controller while fuzz.c runs: NVDIO_PCI is its address. It has
 * other names after it was unbound, so its nodes are looked up each time.
 */
#ifndef NVDIO_FUZZ_CHANGE_H
#define NVDIO_FUZZ_CHANGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Paths of the first namespace and of the controller; of nothing when there is none. */
const char *fuzz_node(void);
const char *fuzz_ctrl(void);

/* Whether it is one of lab/vfu. */
bool fuzz_is_vfu(void);

/* Until there is a namespace, *@stop is set, or 10 s have passed. */
void fuzz_wait_for_node(const atomic_bool *stop);

/* A process that changes things, chosen by @seed, until *@stop is set. */
void fuzz_change_start(uint64_t seed, const atomic_bool *stop);

/*
 * Wait until it has ended, having put everything right again, unless !@wait. Returns
 * whether it has, and has changed something.
 */
bool fuzz_change_end(bool wait);

#endif
