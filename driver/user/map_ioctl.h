/* SPDX-License-Identifier: GPL-2.0 */
/* NVDIO_IOC_*: what a node can do, and memory with identifiers. */
#ifndef NVDIO_MAP_IOCTL_H
#define NVDIO_MAP_IOCTL_H

struct file;
struct nvdio_ctrl;
struct nvdio_ns;
struct nvdio_span;

int nvdio_map_ioctl(struct nvdio_ctrl *ctrl, struct nvdio_ns *ns,
		    const struct nvdio_span *span, struct file *file,
		    unsigned int cmd, void __user *argp);

#endif /* NVDIO_MAP_IOCTL_H */
