/* SPDX-License-Identifier: GPL-2.0 */
/* Exclusive use of a namespace: O_EXCL. */
#ifndef NVDIO_EXCL_H
#define NVDIO_EXCL_H

struct file;
struct nvdio_ns;

int nvdio_excl_open(struct nvdio_ns *ns, const struct file *file);
void nvdio_excl_release(struct nvdio_ns *ns, const struct file *file);

#endif /* NVDIO_EXCL_H */
