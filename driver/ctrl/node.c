// SPDX-License-Identifier: GPL-2.0
/* Character device nodes of the class nvdio. */
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/kdev_t.h>
#include <linux/module.h>

#include "ctrl/node.h"

static const struct file_operations *nvdio_fops[NVDIO_NODE_NR];
static struct class *nvdio_class;
static dev_t nvdio_devt;
static DEFINE_IDA(nvdio_minors);

/**
 * nvdio_node_init() - prepare a node's device
 * @dev: zeroed device; its memory belongs to the device from now on
 * @parent: parent
 * @release: frees the memory that @dev is in, when the last reference, open
 *	files' among them, is gone
 */
void nvdio_node_init(struct device *dev, struct device *parent,
		     void (*release)(struct device *dev))
{
	device_initialize(dev);
	dev->class = nvdio_class;
	dev->parent = parent;
	dev->release = release;
}

/**
 * nvdio_node_add() - publish a node
 * @dev: device with a name
 * @cdev: in the same memory
 * @kind: which file operations it has
 *
 * Return: 0 or -errno.
 */
int nvdio_node_add(struct device *dev, struct cdev *cdev,
		   enum nvdio_node_kind kind)
{
	int minor, ret;

	minor = ida_alloc_max(&nvdio_minors, MINORMASK, GFP_KERNEL);
	if (minor < 0)
		return minor;
	dev->devt = MKDEV(MAJOR(nvdio_devt), minor);
	cdev_init(cdev, nvdio_fops[kind]);
	cdev->owner = THIS_MODULE;
	ret = cdev_device_add(cdev, dev);
	if (ret) {
		dev->devt = 0;
		ida_free(&nvdio_minors, minor);
	}
	return ret;
}

/**
 * nvdio_node_remove() - take a node away
 * @dev: device, which stays as long as there are references
 * @cdev: its cdev; files that are open stay open
 *
 * Nothing is done if the node was never added.
 */
void nvdio_node_remove(struct device *dev, struct cdev *cdev)
{
	if (!dev->devt)
		return;
	cdev_device_del(cdev, dev);
	ida_free(&nvdio_minors, MINOR(dev->devt));
}

/**
 * nvdio_node_class_init() - once, at module load
 * @ctrl_fops: file operations of controllers' nodes
 * @ns_fops: file operations of namespaces' nodes
 *
 * Return: 0 or -errno.
 */
int nvdio_node_class_init(const struct file_operations *ctrl_fops,
			  const struct file_operations *ns_fops)
{
	int ret;

	nvdio_fops[NVDIO_NODE_CTRL] = ctrl_fops;
	nvdio_fops[NVDIO_NODE_NS] = ns_fops;

	ret = alloc_chrdev_region(&nvdio_devt, 0, MINORMASK + 1, "nvdio");
	if (ret)
		return ret;
	nvdio_class = class_create("nvdio");
	if (IS_ERR(nvdio_class)) {
		unregister_chrdev_region(nvdio_devt, MINORMASK + 1);
		return PTR_ERR(nvdio_class);
	}
	return 0;
}

/* Once, at module unload. */
void nvdio_node_class_exit(void)
{
	class_destroy(nvdio_class);
	unregister_chrdev_region(nvdio_devt, MINORMASK + 1);
}
