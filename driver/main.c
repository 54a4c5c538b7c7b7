// SPDX-License-Identifier: GPL-2.0
/*
 * nvdio: direct I/O on NVMe controllers through character devices. Module init
 * and exit.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/rcupdate.h>

#include "core/params.h"
#include "core/watch.h"
#include "hw/mmio.h"
#include "io/copy_send.h"
#include "io/direct_end.h"
#include "io/map.h"
#include "io/ring_end.h"
#include "io/xfer.h"
#include "ctrl/node.h"
#include "ctrl/pci.h"
#include "ctrl/queues.h"
#include "user/file.h"
#include "user/passthru.h"
#include "user/range.h"
#include "user/uring_cmd.h"

/* For the tracepoints: which end functions are of which path. */
static void __init nvdio_init_paths(void)
{
	nvdio_watch_path(nvdio_direct_two_end, NVDIO_PATH_DIRECT);
	nvdio_watch_path(nvdio_xfer_end, NVDIO_PATH_DIRECT);
	nvdio_watch_path(nvdio_copy_end, NVDIO_PATH_COPY);
	nvdio_passthru_watch();
	nvdio_uring_cmd_watch();
}

static int __init nvdio_init(void)
{
	int ret;

	nvdio_params_init();
	nvdio_init_paths();
	nvdio_range_init(&nvdio_range_fops);
	ret = nvdio_node_class_init(&nvdio_ctrl_fops, &nvdio_ns_fops);
	if (ret)
		return ret;
	ret = nvdio_ctrl_cpuhp_init();
	if (ret)
		goto class;
	ret = nvdio_maps_wq_init();
	if (ret)
		goto cpuhp;
	ret = nvdio_ring_wq_init();
	if (ret)
		goto maps;
	ret = nvdio_mmio_init();
	if (ret)
		goto rings;
	ret = pci_register_driver(&nvdio_pci_driver);
	if (ret)
		goto mmio;
	return 0;

mmio:
	nvdio_mmio_exit();
rings:
	nvdio_ring_wq_exit();
maps:
	nvdio_maps_wq_exit();
cpuhp:
	nvdio_ctrl_cpuhp_exit();
class:
	nvdio_node_class_exit();
	return ret;
}

static void __exit nvdio_exit(void)
{
	pci_unregister_driver(&nvdio_pci_driver);
	nvdio_ring_wq_exit();
	nvdio_maps_wq_exit();
	nvdio_mmio_exit();
	/*
	 * A task may still be executing the last instructions of
	 * queue_unplug(), which holds no reference to the module.
	 */
	synchronize_rcu_tasks();
	nvdio_ctrl_cpuhp_exit();
	nvdio_node_class_exit();
}

module_init(nvdio_init);
module_exit(nvdio_exit);
MODULE_AUTHOR("nvdio developers");
MODULE_DESCRIPTION("Direct I/O on NVMe controllers through character devices");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
