/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of libnvdio share. */
#ifndef QUEUE_H
#define QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "libnvdio.h"

#define PUBLIC __attribute__((visibility("default")))

struct nvdio_queue;

/**
 * struct backend - a way to get I/Os to the driver
 * @type: NVDIO_QUEUE_*
 * @feature: bit of nvdio_info.features
 * @open: make @queue, whose @info and @depth are given; 0 or -errno
 * @close: all I/O has ended; free it
 * @prep: the descriptor and the place for the data of one more I/O, for which there is
 *	room; NULL: there is no place for it until something has been sent
 * @submit: send all; 0 or -errno
 * @take: take up to @max results that are there; how many
 * @sleep: send all, and wait until there are more results, @min if possible; 0 or -errno
 * @fd: for poll()
 * @arena: register memory; 0 or -errno
 */
struct backend {
	unsigned int type;
	uint64_t feature;
	int (*open)(struct nvdio_queue **queue, int fd,
		    const struct nvdio_info *info, unsigned int depth);
	void (*close)(struct nvdio_queue *queue);
	struct nvdio_io *(*prep)(struct nvdio_queue *queue, uint64_t data);
	int (*submit)(struct nvdio_queue *queue);
	unsigned int (*take)(struct nvdio_queue *queue, struct nvdio_done *done,
			     unsigned int max);
	int (*sleep)(struct nvdio_queue *queue, unsigned int min,
		     const struct timespec *timeout);
	int (*fd)(const struct nvdio_queue *queue);
	int (*arena)(struct nvdio_queue *queue, void *addr, size_t len);
};

/**
 * struct nvdio_queue - what all backends have at the start of theirs
 * @backend: how it works
 * @info: what the node can do
 * @depth: most I/Os
 * @used: I/Os that are prepared or sent, and whose results were not taken
 * @unsent: those that are prepared
 */
struct nvdio_queue {
	const struct backend *backend;
	struct nvdio_info info;
	unsigned int depth;
	unsigned int used;
	unsigned int unsent;
};

extern const struct backend backend_batch;
extern const struct backend backend_ring;

/* ioctl(), whose error is its result; again if a signal came. */
int queue_ioctl(int fd, unsigned long number, void *arg);

#endif /* QUEUE_H */
