/* SPDX-License-Identifier: GPL-2.0 */
/* Character device nodes of class nvdio. */
#ifndef NVDIO_NODE_H
#define NVDIO_NODE_H

#include <linux/cdev.h>
#include <linux/device.h>

/**
 * enum nvdio_node_kind - kinds of nodes
 * @NVDIO_NODE_CTRL: nvdioX
 * @NVDIO_NODE_NS: nvdioXnY
 * @NVDIO_NODE_NR: number of kinds
 */
enum nvdio_node_kind {
	NVDIO_NODE_CTRL,
	NVDIO_NODE_NS,
	NVDIO_NODE_NR,
};

void nvdio_node_init(struct device *dev, struct device *parent,
		     void (*release)(struct device *dev));
int nvdio_node_add(struct device *dev, struct cdev *cdev,
		   enum nvdio_node_kind kind);
void nvdio_node_remove(struct device *dev, struct cdev *cdev);
int nvdio_node_class_init(const struct file_operations *ctrl_fops,
			  const struct file_operations *ns_fops);
void nvdio_node_class_exit(void);

#endif /* NVDIO_NODE_H */
