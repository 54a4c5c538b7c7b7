/* SPDX-License-Identifier: GPL-2.0 */
/* Character device nodes of the class nvdio. */
#ifndef NVDIO_NODE_H
#define NVDIO_NODE_H

#include <linux/cdev.h>
#include <linux/device.h>

void nvdio_node_init(struct device *dev, struct device *parent,
		     void (*release)(struct device *dev));
int nvdio_node_add(struct device *dev, struct cdev *cdev,
		   const struct file_operations *fops);
void nvdio_node_remove(struct device *dev, struct cdev *cdev);
int nvdio_node_class_init(void);
void nvdio_node_class_exit(void);

#endif /* NVDIO_NODE_H */
