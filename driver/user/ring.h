/* SPDX-License-Identifier: GPL-2.0 */
/* NVDIO_IOC_RING_CREATE, and the descriptors that it makes. */
#ifndef NVDIO_USER_RING_H
#define NVDIO_USER_RING_H

#include <linux/compiler_types.h>

struct file;
struct nvdio_ns;
struct nvdio_span;

int nvdio_ring_ioctl(struct nvdio_ns *ns, const struct nvdio_span *span,
		     struct file *file, unsigned int cmd, void __user *argp);

#endif /* NVDIO_USER_RING_H */
