/* SPDX-License-Identifier: GPL-2.0 */
/* Ranges: descriptors that reach some blocks of a namespace. */
#ifndef NVDIO_USER_RANGE_H
#define NVDIO_USER_RANGE_H

#include <linux/fs.h>

#include "pure/range.h"

struct io_uring_cmd;
struct nvdio_ns;
struct seq_file;

/**
 * struct nvdio_range_file - private_data of a range's file; constant
 * @ns: namespace; the file holds a reference to its device
 * @span: what the file reaches
 */
struct nvdio_range_file {
	struct nvdio_ns *ns;
	struct nvdio_span span;
};

void nvdio_range_init(const struct file_operations *fops);
int nvdio_range_new(struct nvdio_ns *ns, const struct nvdio_span *of,
		    const struct file *file, unsigned int cmd,
		    void __user *argp);
int nvdio_range_release(struct inode *inode, struct file *file);
long nvdio_range_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
long nvdio_range_compat_ioctl(struct file *file, unsigned int cmd,
			      unsigned long arg);
int nvdio_range_uring_cmd(struct io_uring_cmd *ioucmd,
			  unsigned int issue_flags);
void nvdio_range_show_fdinfo(struct seq_file *seq, struct file *file);

#endif /* NVDIO_USER_RANGE_H */
