// SPDX-License-Identifier: GPL-2.0
/* Character device nodes of class nvdio. */
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
 * nvdio_node_init() - initialise the device of a node
 * @dev: zeroed device; its memory is reference counted from now on
 * @parent: parent
 * @release: frees the memory that contains @dev, after the last reference,
 *	including those of open files, is dropped
 *
 * Context: may sleep.
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
 * @cdev: embedded in the same memory
 * @kind: selects the file operations
 *
 * Context: may sleep.
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
 * nvdio_node_remove() - remove a node
 * @dev: device, which stays as long as there are references
 * @cdev: its cdev; open files stay open
 *
 * Does nothing if the node was never added.
 *
 * Context: may sleep.
 */
void nvdio_node_remove(struct device *dev, struct cdev *cdev)
{
	if (!dev->devt)
		return;
	cdev_device_del(cdev, dev);
	ida_free(&nvdio_minors, MINOR(dev->devt));
}

/**
 * nvdio_node_class_init() - create the class, at module load
 * @ctrl_fops: file operations of controller nodes
 * @ns_fops: file operations of namespace nodes
 *
 * Context: may sleep.
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

/**
 * nvdio_node_class_exit() - remove the class, at module unload
 *
 * Context: may sleep.
 */
void nvdio_node_class_exit(void)
{
	class_destroy(nvdio_class);
	unregister_chrdev_region(nvdio_devt, MINORMASK + 1);
}
