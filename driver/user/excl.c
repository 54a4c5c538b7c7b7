// SPDX-License-Identifier: GPL-2.0
/*
 * O_EXCL on the node of a namespace means what it does on that of a block device: at
 * most one open file has it, and files without it are not affected. The holder is the
 * open file, whatever descriptors refer to it, so that it ends with the last of them.
 */
#include <linux/atomic.h>
#include <linux/fcntl.h>
#include <linux/fs.h>

#include "core/ns.h"
#include "user/excl.h"

/**
 * nvdio_excl_open() - a node is being opened
 * @ns: namespace
 * @file: new file; only here its flags have O_EXCL
 *
 * If the opening fails later, nvdio_excl_release() undoes it.
 *
 * Context: task.
 * Return: 0; -EBUSY if O_EXCL is wanted, and another file has it.
 */
int nvdio_excl_open(struct nvdio_ns *ns, const struct file *file)
{
	if (!(file->f_flags & O_EXCL))
		return 0;
	return cmpxchg(&ns->excl, NULL, file) ? -EBUSY : 0;
}

/**
 * nvdio_excl_release() - the last descriptor of a file is being closed
 * @ns: namespace
 * @file: file
 *
 * Context: any.
 */
void nvdio_excl_release(struct nvdio_ns *ns, const struct file *file)
{
	cmpxchg(&ns->excl, file, NULL);
}
