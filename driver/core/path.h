/* SPDX-License-Identifier: GPL-2.0 */
/* Paths of commands, as tracepoints have them, and what turns watching on. */
#ifndef NVDIO_PATH_H
#define NVDIO_PATH_H

/**
 * enum nvdio_path - how a command came about
 * @NVDIO_PATH_OTHER: the driver's own: flush, discard, admin commands, ...
 * @NVDIO_PATH_DIRECT: direct path
 * @NVDIO_PATH_MAPPED: direct path, mapped memory
 * @NVDIO_PATH_COPY: copy path
 * @NVDIO_PATH_PASSTHRU: passthrough
 * @NVDIO_PATH_BATCH: batch
 * @NVDIO_PATH_RING: ring without io_uring
 */
enum nvdio_path {
	NVDIO_PATH_OTHER,
	NVDIO_PATH_DIRECT,
	NVDIO_PATH_MAPPED,
	NVDIO_PATH_COPY,
	NVDIO_PATH_PASSTHRU,
	NVDIO_PATH_BATCH,
	NVDIO_PATH_RING,
};

int nvdio_watch_get(void);
void nvdio_watch_put(void);

#endif /* NVDIO_PATH_H */
