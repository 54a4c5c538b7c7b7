/* SPDX-License-Identifier: GPL-2.0 */
/* struct nvdio_ctrl: the properties, resources and state of a controller. */
#ifndef NVDIO_CTRL_H
#define NVDIO_CTRL_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/nvme.h>
#include <linux/pci.h>
#include <linux/percpu-refcount.h>
#include <linux/ratelimit_types.h>
#include <linux/rwsem.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "pure/ctrl_state.h"
#include "core/map.h"

struct dma_pool;
struct nvdio_bounce_pool;
struct nvdio_hmb;
struct nvdio_queue;

/**
 * struct nvdio_ctrl - a controller
 *
 * Memory reachable from open files (this structure, the queues, the namespaces)
 * lives until the last reference to @dev is dropped; what belongs to the
 * hardware (registers, interrupts, SQ and CQ memory, bounce buffers) ends at
 * unbind (invariant 10).
 */
struct nvdio_ctrl {
	/** @dev: the node nvdioX */
	struct device dev;
	/** @cdev: character device of the node */
	struct cdev cdev;
	/** @pdev: PCI function */
	struct pci_dev *pdev;
	/** @instance: X in the node's name */
	int instance;

	/** @bar: registers (NVMe Base 2.0, 3.1.3) */
	void __iomem *bar;
	/** @bar_size: size of BAR 0 in bytes */
	size_t bar_size;
	/** @cap: Controller Capabilities */
	u64 cap;
	/** @vs: Version */
	u32 vs;
	/** @db_stride: bytes from one doorbell to the next */
	u32 db_stride;
	/** @quirks: bits of enum nvdio_quirk */
	u32 quirks;

	/** @admin: admin queue */
	struct nvdio_queue *admin;
	/** @io: I/O queues, those with interrupts first; qid is index + 1 */
	struct nvdio_queue **io;
	/** @nr_io: number of I/O queues */
	unsigned int nr_io;
	/** @nr_irq: number of I/O queues with interrupts */
	unsigned int nr_irq;
	/** @nr_alloc: I/O queues allocated so far */
	unsigned int nr_alloc;
	/** @io_depth: entries of an I/O queue */
	u16 io_depth;
	/** @cpu_queue: for each CPU, the I/O queue that it submits to */
	struct nvdio_queue **cpu_queue;
	/** @cpu_poll_queue: the same for polled I/O */
	struct nvdio_queue **cpu_poll_queue;
	/** @nr_vectors: number of interrupt vectors */
	unsigned int nr_vectors;
	/** @irq_cpus: for each queue with an interrupt, its submitting CPUs */
	struct cpumask *irq_cpus;
	/** @nr_irq_cpus: entries of @irq_cpus */
	unsigned int nr_irq_cpus;
	/** @cpuhp: instance of the CPU hotplug state */
	struct hlist_node cpuhp;
	/** @cpuhp_on: @cpuhp was added */
	bool cpuhp_on;
	/** @irq_mode: "msix", "msi" or "intx" */
	const char *irq_mode;
	/** @desc_pages: 4 KiB pages for PRP lists and SGL segments */
	struct dma_pool *desc_pages;
	/** @bounce: bounce buffers (io/bounce.c) */
	struct nvdio_bounce_pool *bounce;

	/** @dbbuf_dbs: shadow doorbells (NVMe Base 2.0, 5.8), may be NULL */
	__le32 *dbbuf_dbs;
	/** @dbbuf_eis: their EventIdx entries, may be NULL */
	__le32 *dbbuf_eis;
	/** @dbbuf_dbs_dma: bus address of @dbbuf_dbs */
	dma_addr_t dbbuf_dbs_dma;
	/** @dbbuf_eis_dma: bus address of @dbbuf_eis */
	dma_addr_t dbbuf_eis_dma;
	/** @dbbuf_on: the controller uses shadow doorbells */
	bool dbbuf_on;

	/**
	 * @identified: Identify Controller data were read; reread after resets
	 */
	bool identified;
	/** @serial: SN, without padding */
	char serial[21];
	/** @model: MN, without padding */
	char model[41];
	/** @firmware: FR, without padding */
	char firmware[9];
	/** @max_bytes: MDTS in bytes, at most NVDIO_MAX_CMD_BYTES */
	u32 max_bytes;
	/** @max_discard: LBAs per Dataset Management command; 0: unsupported */
	u32 max_discard;
	/** @max_zeroes: bytes per Write Zeroes command; 0: unsupported */
	u64 max_zeroes;
	/** @max_map_bytes: maximum size of a contiguous DMA mapping */
	u32 max_map_bytes;
	/** @linear: see nvdio_dma_is_linear() */
	bool linear;
	/** @bounces: mapping may bounce through swiotlb */
	bool bounces;
	/** @p2pdma: memory of PCI devices can be mapped, see nvdio_p2pdma() */
	bool p2pdma;
	/** @unmaps: counts unmaps that may have made room for other mappings */
	atomic_t unmaps;
	/** @map_wait: waiters for @unmaps to change */
	wait_queue_head_t map_wait;
	/** @dma_offset: bus address minus physical address, if @linear */
	dma_addr_t dma_offset;
	/** @maps: mapped memory (io/map.c) */
	struct nvdio_maps maps;
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
	/** @crdt: Command Retry Delay Times 1 to 3, in units of 100 ms */
	u16 crdt[3];
	/** @shutdown_timeout: jiffies, from RTD3E */
	u32 shutdown_timeout;
	/** @wctemp: Warning Composite Temperature Threshold in kelvins, or 0 */
	u16 wctemp;
	/** @cctemp: Critical Composite Temperature Threshold, or 0 */
	u16 cctemp;
	/** @id: the last Identify Controller data, or NULL; under @lock */
	struct nvme_id_ctrl *id;
	/** @vwc: Volatile Write Cache */
	u8 vwc;
	/** @sgls: SGLs can be used */
	bool sgls;
	/** @had_sgls: they could since it was bound: maps may need them */
	bool had_sgls;
	/** @effects: Commands Supported and Effects log, or NULL */
	struct nvme_effects_log *effects;
	/** @unpriv_read: passthrough Reads need no privilege */
	bool unpriv_read;
	/** @unpriv_write: nor do Writes, if the file is open for writing */
	bool unpriv_write;

	/** @hmb: host memory buffer (ctrl/hmb.c), or NULL; under @lock */
	struct nvdio_hmb *hmb;
	/** @hmb_bytes: its size while the controller uses it, else 0 */
	u64 hmb_bytes;
	/** @smart: the last SMART log, or NULL; under @lock */
	struct nvme_smart_log *smart;
	/** @smart_time: when reading it was last tried, in jiffies */
	unsigned long smart_time;
	/** @smart_ret: with what result: 0, -errno, or a status */
	int smart_ret;
	/** @smart_lost: how many such commands in a row did not end */
	unsigned int smart_lost;
	/** @hwmon: hwmon device, or NULL */
	struct device *hwmon;
	/** @sensors: bit i: temperature sensor i exists; 0: the composite */
	u16 sensors;
	/** @ps_wanted: a power state was set, to be set again after resets */
	bool ps_wanted;
	/** @ps: that power state; under @lock */
	u8 ps;

	/** @state: changed only by nvdio_ctrl_set_state(), under @lock */
	enum nvdio_ctrl_state state;
	/** @frozen: I/O is held back (nvdio_ctrl_set_frozen()); under @lock */
	bool frozen;
	/** @users: references that delay unbinding; see nvdio_ctrl_enter() */
	struct percpu_ref users;
	/** @users_gone: @users has dropped to zero */
	struct completion users_gone;
	/** @state_wait: for completion of an admin command, or for @urgent */
	wait_queue_head_t state_wait;
	/** @lock: serialises scan, reset and removal; may be held for long */
	struct mutex lock;
	/** @urgent: number of tasks that want @lock to stop the controller */
	atomic_t urgent;
	/** @leaving: one of them is unbinding the driver */
	bool leaving;
	/** @core_waits: one of them is the PCI core, or a system suspend */
	bool core_waits;
	/** @link_reported: the port above said that the link worked */
	bool link_reported;
	/** @isolated: the port above is no bus master (nvdio_master_isolate()) */
	bool isolated;
	/** @exposed: it may access memory; see nvdio_master_off() */
	bool exposed;
	/** @held: @suspended or @recovering; under @lock */
	bool held;
	/** @suspended: or being reset by the PCI core; under @lock */
	bool suspended;
	/** @recovering: it is held for PCI error recovery; under @lock */
	bool recovering;
	/** @recovery_work: gives up a recovery that does not end */
	struct delayed_work recovery_work;
	/** @resets: number of times the controller was stopped; under @lock */
	u32 resets;
	/** @reset_wanted: value of @resets at which a reset is due */
	u32 reset_wanted;
	/** @freeze_lock: held while I/O is frozen; taken before @lock */
	struct mutex freeze_lock;
	/**
	 * @frozen_ns: claims to all blocks of the namespaces; under
	 * @freeze_lock
	 */
	struct list_head frozen_ns;
	/** @namespaces: namespaces that have a node; under @lock */
	struct list_head namespaces;
	/** @watchdog: checks for lost commands once a second */
	struct delayed_work watchdog;
	/** @aborting: an Abort is in flight */
	bool aborting;
	/** @abort_deadline: jiffies after which it is considered lost */
	u32 abort_deadline;
	/** @reset_work: resets the controller, or completes a reset */
	struct work_struct reset_work;
	/** @copy_wq: its work waits only for tags (invariant 12) */
	struct workqueue_struct *copy_wq;
	/** @send_wq: its work waits for claims and tags */
	struct workqueue_struct *send_wq;
	/** @map_wq: its work waits for DMA mapping space; NULL if @linear */
	struct workqueue_struct *map_wq;
	/** @finish_wq: its work never waits for requests */
	struct workqueue_struct *finish_wq;
	/** @reset_wq: for @watchdog, @reset_work, @event_work and @resend_work */
	struct workqueue_struct *reset_wq;
	/** @dirty: completed requests whose pages have yet to be dirtied */
	struct llist_head dirty;
	/** @dirty_work: completes the requests in @dirty */
	struct work_struct dirty_work;
	/** @resend_work: sends the requests in state RETRYING again */
	struct delayed_work resend_work;

	/** @event_armed: an Asynchronous Event Request is in flight */
	bool event_armed;
	/** @event_pending: an event waits for the freeze to end; under @lock */
	bool event_pending;
	/** @event_last: CQE Dword 0 of the last event */
	u32 event_last;
	/** @event_work: handles @event_last */
	struct delayed_work event_work;
	/** @event_limit: how many are handled in a time */
	struct ratelimit_state event_limit;
	/** @error_reset: when an event last asked for a reset, in jiffies, or 0 */
	unsigned long error_reset;
	/** @paused: a firmware is being activated, nothing is processed */
	bool paused;

	/** @mmio_inode: all files have its address_space (hw/mmio.c) */
	struct inode *mmio_inode;
	/** @mmio_lock: of what page faults put into it, see @mmio_ended */
	struct rw_semaphore mmio_lock;
	/** @mmio_ended: nothing of the device, any more; under @mmio_lock */
	bool mmio_ended;
	/** @cmb_known: it is known whether there is a memory buffer */
	bool cmb_known;
	/** @cmb_start: address of the memory buffer; under @mmio_lock */
	phys_addr_t cmb_start;
	/** @cmb_bytes: its size, or 0; the same */
	u64 cmb_bytes;
	/** @cmb_wc_start: what is reserved for write combining */
	phys_addr_t cmb_wc_start;
	/** @cmb_wc_bytes: its size, or 0 */
	u64 cmb_wc_bytes;
	/** @cmb_pages: pages of the memory buffer (hw/cmb_p2p.c), or NULL */
	struct page *cmb_pages;
	/** @cmb_nr_pages: their number */
	unsigned long cmb_nr_pages;
	/** @cmb_group: devres group of what has to be undone for them */
	void *cmb_group;
};

/**
 * nvdio_ctrl_gone() - is the controller DELETING or DEAD?
 * @ctrl: controller
 *
 * Context: any.
 * Return: true if it is; calls then get -ENODEV.
 */
static inline bool nvdio_ctrl_gone(const struct nvdio_ctrl *ctrl)
{
	return READ_ONCE(ctrl->state) >= NVDIO_CTRL_DELETING;
}

/**
 * nvdio_ctrl_frozen() - does error recovery have the PCI channel frozen?
 * @ctrl: controller
 *
 * Registers must not be accessed then, and what becomes of the controller is
 * decided in ctrl/recovery.c.
 *
 * Context: any.
 * Return: true if it does.
 */
static inline bool nvdio_ctrl_frozen(const struct nvdio_ctrl *ctrl)
{
	return READ_ONCE(ctrl->pdev->error_state) == pci_channel_io_frozen;
}

/**
 * nvdio_ctrl_wanted() - does a task want the lock to stop the controller?
 * @ctrl: controller, its lock held
 *
 * The holder of the lock should then give up waiting for admin commands. A
 * reset in progress is abandoned only for unbinding.
 *
 * Context: any task.
 * Return: true if one does.
 */
static inline bool nvdio_ctrl_wanted(struct nvdio_ctrl *ctrl)
{
	return atomic_read(&ctrl->urgent) &&
	       (READ_ONCE(ctrl->leaving) || ctrl->state == NVDIO_CTRL_LIVE);
}

/**
 * nvdio_ctrl_enter() - delay teardown of the controller
 * @ctrl: controller
 *
 * Required for mapping memory and taking bounce buffers outside a queue's
 * sq_lock. Teardown waits for nvdio_ctrl_exit().
 *
 * Context: any.
 * Return: false once the controller is DELETING or DEAD; the caller then
 * returns -ENODEV.
 */
static inline bool nvdio_ctrl_enter(struct nvdio_ctrl *ctrl)
{
	return percpu_ref_tryget_live(&ctrl->users);
}

/**
 * nvdio_ctrl_exit() - undo nvdio_ctrl_enter()
 * @ctrl: controller
 *
 * Context: any.
 */
static inline void nvdio_ctrl_exit(struct nvdio_ctrl *ctrl)
{
	percpu_ref_put(&ctrl->users);
}

#endif /* NVDIO_CTRL_H */
