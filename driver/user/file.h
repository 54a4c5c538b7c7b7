/* SPDX-License-Identifier: GPL-2.0 */
/* File operations of the nodes and of ranges. */
#ifndef NVDIO_FILE_H
#define NVDIO_FILE_H

#include <linux/fs.h>

extern const struct file_operations nvdio_ns_fops;
extern const struct file_operations nvdio_ctrl_fops;
extern const struct file_operations nvdio_range_fops;

#endif /* NVDIO_FILE_H */
