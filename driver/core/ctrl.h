/* SPDX-License-Identifier: GPL-2.0 */
/* A controller: what it is, what it can do, and what it owns. */
#ifndef NVDIO_CTRL_H
#define NVDIO_CTRL_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/nvme.h>
#include <linux/pci.h>
#include <linux/percpu-refcount.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "pure/ctrl_state.h"

struct dma_pool;
struct nvdio_bounce_pool;
struct nvdio_queue;

/**
 * struct nvdio_ctrl - a controller
 *
 * Memory that open files reach (this struct, the queues, the namespaces) lives
 * until the last reference to @dev is gone; the hardware's part (registers,
 * interrupts, SQ and CQ memory, bounce buffers) ends at unbind (invariant 10).
 */
struct nvdio_ctrl {
	/** @dev: the node nvdioX */
	struct device dev;
	/** @cdev: its character device */
	struct cdev cdev;
	/** @pdev: PCI function */
	struct pci_dev *pdev;
	/** @instance: X */
	int instance;

	/** @bar: registers (NVMe Base 2.0, 3.1.3) */
	void __iomem *bar;
	/** @bar_size: bytes of them */
	size_t bar_size;
	/** @cap: Controller Capabilities */
	u64 cap;
	/** @vs: Version */
	u32 vs;
	/** @db_stride: bytes from a doorbell to the next */
	u32 db_stride;

	/** @admin: admin queue */
	struct nvdio_queue *admin;
	/** @io: I/O queues, those with interrupts first; qid is index + 1 */
	struct nvdio_queue **io;
	/** @nr_io: number of them */
	unsigned int nr_io;
	/** @nr_irq: number of those with interrupts */
	unsigned int nr_irq;
	/** @nr_alloc: I/O queues allocated so far */
	unsigned int nr_alloc;
	/** @io_depth: entries of an I/O queue */
	u16 io_depth;
	/** @cpu_queue: for each CPU, the queue that it submits to */
	struct nvdio_queue **cpu_queue;
	/** @cpu_poll_queue: the same for polled I/O */
	struct nvdio_queue **cpu_poll_queue;
	/** @nr_vectors: interrupt vectors */
	unsigned int nr_vectors;
	/** @irq_cpus: for each queue with an interrupt, the CPUs that use it */
	struct cpumask *irq_cpus;
	/** @nr_irq_cpus: entries of @irq_cpus */
	unsigned int nr_irq_cpus;
	/** @cpuhp: in the list of the CPU hotplug state */
	struct hlist_node cpuhp;
	/** @cpuhp_on: @cpuhp is in it */
	bool cpuhp_on;
	/** @irq_mode: "msix", "msi" or "intx" */
	const char *irq_mode;
	/** @desc_pages: 4 KiB pages for PRP lists and SGL segments */
	struct dma_pool *desc_pages;
	/** @bounce: bounce buffers (io/bounce.c) */
	struct nvdio_bounce_pool *bounce;

	/** @dbbuf_dbs: shadow doorbells (NVMe Base 2.0, 5.8), or NULL */
	__le32 *dbbuf_dbs;
	/** @dbbuf_eis: EventIdx of each, or NULL */
	__le32 *dbbuf_eis;
	/** @dbbuf_dbs_dma: bus address of @dbbuf_dbs */
	dma_addr_t dbbuf_dbs_dma;
	/** @dbbuf_eis_dma: bus address of @dbbuf_eis */
	dma_addr_t dbbuf_eis_dma;
	/** @dbbuf_on: the controller uses them */
	bool dbbuf_on;

	/** @identified: what follows was read; again after each reset */
	bool identified;
	/** @serial: SN, without padding */
	char serial[21];
	/** @model: MN, without padding */
	char model[41];
	/** @firmware: FR, without padding */
	char firmware[9];
	/** @max_bytes: MDTS in bytes, capped */
	u32 max_bytes;
	/** @max_discard: LBAs of one Dataset Management command, 0: none */
	u32 max_discard;
	/** @max_zeroes: bytes of one Write Zeroes command, 0: none */
	u64 max_zeroes;
	/** @max_map_bytes: most contiguous bytes of one DMA mapping */
	u32 max_map_bytes;
	/** @linear: see nvdio_dma_is_linear() */
	bool linear;
	/** @bounces: mapping may copy, through swiotlb */
	bool bounces;
	/** @unmaps: counts unmappings that gave others room to map */
	atomic_t unmaps;
	/** @map_wait: for @unmaps to change */
	wait_queue_head_t map_wait;
	/** @dma_offset: bus address minus physical address, if @linear */
	dma_addr_t dma_offset;
	/** @nn: Number of Namespaces */
	u32 nn;
	/** @oaes: Optional Asynchronous Events Supported */
	u32 oaes;
	/** @oacs: Optional Admin Command Support */
	u16 oacs;
	/** @oncs: Optional NVM Command Support */
	u16 oncs;
	/** @cntlid: Controller ID */
	u16 cntlid;
	/** @shutdown_timeout: jiffies, from RTD3E */
	u32 shutdown_timeout;
	/** @vwc: Volatile Write Cache */
	u8 vwc;
	/** @sgls: SGLs can be used */
	bool sgls;
	/** @effects: Commands Supported and Effects log, or NULL */
	struct nvme_effects_log *effects;
	/** @unpriv_read: Read as passthrough needs no privilege */
	bool unpriv_read;
	/** @unpriv_write: nor Write, if the file is open for writing */
	bool unpriv_write;

	/** @state: under @lock; changed by nvdio_ctrl_set_state() alone */
	enum nvdio_ctrl_state state;
	/** @frozen: I/O is held (nvdio_ctrl_set_frozen()); under @lock */
	bool frozen;
	/** @users: of what unbinding must not take away; nvdio_ctrl_enter() */
	struct percpu_ref users;
	/** @users_gone: there are none any more */
	struct completion users_gone;
	/** @state_wait: for an admin command's end, or for @urgent */
	wait_queue_head_t state_wait;
	/** @lock: scan, reset, removal: one at a time; may be held for long */
	struct mutex lock;
	/** @urgent: number of tasks that want @lock to stop the controller */
	atomic_t urgent;
	/** @leaving: among them is one that unbinds */
	bool leaving;
	/** @held: asleep, or reset from outside; under @lock */
	bool held;
	/** @resets: how often it was stopped; under @lock */
	u32 resets;
	/** @reset_wanted: value of @resets at which a reset is due */
	u32 reset_wanted;
	/** @freeze_lock: held by what has frozen; taken before @lock */
	struct mutex freeze_lock;
	/** @frozen_ns: claims to all blocks; under @freeze_lock */
	struct list_head frozen_ns;
	/** @namespaces: those with a node; under @lock */
	struct list_head namespaces;
	/** @watchdog: looks for lost commands, once a second */
	struct delayed_work watchdog;
	/** @reset_work: resets it, or ends a reset */
	struct work_struct reset_work;
	/** @copy_wq: waits for tags, and for nothing else (invariant 12) */
	struct workqueue_struct *copy_wq;
	/** @send_wq: waits for claims and tags */
	struct workqueue_struct *send_wq;
	/** @map_wq: waits for room to map memory; NULL if @linear */
	struct workqueue_struct *map_wq;
	/** @finish_wq: never waits for requests */
	struct workqueue_struct *finish_wq;
	/** @reset_wq: for @watchdog, @reset_work and @event_work */
	struct workqueue_struct *reset_wq;
	/** @dirty: requests with pages to be dirtied */
	struct llist_head dirty;
	/** @dirty_work: does that */
	struct work_struct dirty_work;

	/** @event_armed: an Asynchronous Event Request is in flight */
	bool event_armed;
	/** @event_pending: to be handled after the freeze; under @lock */
	bool event_pending;
	/** @event_last: Dword 0 of the last one's CQE */
	u32 event_last;
	/** @event_work: handles it */
	struct work_struct event_work;
};

/* Has unbinding begun, or was the controller given up? */
static inline bool nvdio_ctrl_gone(const struct nvdio_ctrl *ctrl)
{
	return READ_ONCE(ctrl->state) >= NVDIO_CTRL_DELETING;
}

/**
 * nvdio_ctrl_wanted() - is the lock wanted by a task that cannot wait?
 * @ctrl: controller, its lock held
 *
 * By one that is going to stop the controller anyway. A reset that is under way
 * is only given up for unbinding.
 */
static inline bool nvdio_ctrl_wanted(struct nvdio_ctrl *ctrl)
{
	return atomic_read(&ctrl->urgent) &&
	       (READ_ONCE(ctrl->leaving) || ctrl->state == NVDIO_CTRL_LIVE);
}

/**
 * nvdio_ctrl_enter() - keep the controller from being taken away
 * @ctrl: the controller
 *
 * Needed to map memory or take bounce buffers outside of a queue's sq_lock.
 * Teardown waits for nvdio_ctrl_exit().
 *
 * Context: any.
 * Return: false once the controller is DELETING or DEAD; the caller returns
 * -ENODEV.
 */
static inline bool nvdio_ctrl_enter(struct nvdio_ctrl *ctrl)
{
	return percpu_ref_tryget_live(&ctrl->users);
}

/* Undo nvdio_ctrl_enter(). Context: any. */
static inline void nvdio_ctrl_exit(struct nvdio_ctrl *ctrl)
{
	percpu_ref_put(&ctrl->users);
}

#endif /* NVDIO_CTRL_H */
