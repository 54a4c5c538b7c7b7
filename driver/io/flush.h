/* SPDX-License-Identifier: GPL-2.0 */
/* The Flush command. */
#ifndef NVDIO_FLUSH_H
#define NVDIO_FLUSH_H

struct nvdio_ns;

int nvdio_flush(struct nvdio_ns *ns);

#endif /* NVDIO_FLUSH_H */
