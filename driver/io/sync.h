/* SPDX-License-Identifier: GPL-2.0 */
/* Synchronous callers: waiting for the completion of a read or write. */
#ifndef NVDIO_SYNC_H
#define NVDIO_SYNC_H

#include <linux/fs.h>

/**
 * struct nvdio_sync - a synchronous read or write
 * @iocb: replaces the caller's kiocb
 * @task: the caller
 * @woken: set when @res is valid
 * @res: bytes or -errno
 */
struct nvdio_sync {
	struct kiocb iocb;
	struct task_struct *task;
	bool woken;
	long res;
};

void nvdio_sync_init(struct nvdio_sync *sync, const struct kiocb *caller);
ssize_t nvdio_sync_wait(struct nvdio_sync *sync);

#endif /* NVDIO_SYNC_H */
