/* SPDX-License-Identifier: GPL-2.0 */
/* sysfs attributes of the nodes. */
#ifndef NVDIO_SYSFS_H
#define NVDIO_SYSFS_H

struct attribute_group;

extern const struct attribute_group *nvdio_ns_groups[];
extern const struct attribute_group *nvdio_ctrl_groups[];

#endif /* NVDIO_SYSFS_H */
