/* SPDX-License-Identifier: GPL-2.0 */
/* A controller: its registers, states and what it can do. */
#ifndef NVDIO_CTRL_H
#define NVDIO_CTRL_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/percpu-refcount.h>
#include <linux/pci.h>
#include <linux/workqueue.h>

#include "pure/ctrl_state.h"
#include "pure/dptr.h"
#include "hw/queue.h"

struct dma_pool;
struct nvdio_bounce_pool;

/* Longer timeouts, in jiffies, would look like past ones. */
#define NVDIO_TIMEOUT_MAX	(U32_MAX / 4)

/* Seconds for a shutdown, whatever RTD3E says: as nvme has it. */
#define NVDIO_SHUTDOWN_MIN	5U
#define NVDIO_SHUTDOWN_MAX	60U

/**
 * struct nvdio_ctrl - a controller
 *
 * Memory that open files reach (this struct, the queues, the namespaces) lives
 * until the last reference to @dev is gone; the hardware's part (registers,
 * interrupts, SQ and CQ memory, bounce buffers) ends at unbind (invariant 10).
 */
struct nvdio_ctrl {
	struct device dev;		/* the node nvdioX */
	struct cdev cdev;
	struct pci_dev *pdev;
	int instance;

	/* registers (NVMe Base 2.0, 3.1.3) */
	void __iomem *bar;
	size_t bar_size;
	u64 cap;
	u32 vs;
	u32 db_stride;			/* bytes */

	/* queues */
	struct nvdio_queue *admin;
	struct nvdio_queue **io;	/* [nr_io], irq queues first */
	unsigned int nr_io;
	unsigned int nr_irq;
	unsigned int nr_alloc;		/* I/O queues allocated */
	u16 io_depth;
	struct nvdio_queue **cpu_queue;	/* [nr_cpu_ids] */
	struct nvdio_queue **cpu_poll_queue;
	unsigned int nr_vectors;
	struct cpumask *irq_cpus;	/* [nr_irq_cpus]: who uses which irq queue */
	unsigned int nr_irq_cpus;
	struct hlist_node cpuhp;
	bool cpuhp_on;
	const char *irq_mode;
	struct dma_pool *lists;		/* 4 KiB pieces for PRP and SGL lists */
	struct nvdio_bounce_pool *bounce;

	/* shadow doorbells (NVMe Base 2.0, 5.8 Doorbell Buffer Config) */
	__le32 *dbbuf_dbs;
	__le32 *dbbuf_eis;
	dma_addr_t dbbuf_dbs_dma;
	dma_addr_t dbbuf_eis_dma;
	bool dbbuf_on;

	/* Identify Controller, again after each reset */
	bool identified;
	char serial[21];
	char model[41];
	char firmware[9];
	u32 max_bytes;			/* MDTS, capped */
	u32 max_discard;		/* LBAs of one DSM command, 0: none */
	u64 max_zeroes;			/* bytes of one Write Zeroes, 0: none */
	u32 max_map_bytes;			/* most contiguous bytes of one mapping */
	bool linear;			/* see nvdio_dma_is_linear() */
	bool bounces;			/* mapping may copy, through swiotlb */
	atomic_t unmaps;		/* of buf memory: there is room */
	wait_queue_head_t map_wait;	/* for that */
	dma_addr_t dma_offset;
	u32 nn;
	u32 oaes;
	u16 oacs;
	u16 oncs;
	u16 cntlid;
	u32 shutdown_timeout;		/* jiffies */
	u8 vwc;
	bool sgls;
	struct nvme_effects_log *effects;	/* or NULL */
	bool unpriv_read;		/* everyone may send a Read */
	bool unpriv_write;

	enum nvdio_ctrl_state state;	/* under state_lock */
	spinlock_t state_lock;
	/* for the end of an admin command, or for somebody to want the lock */
	wait_queue_head_t state_wait;
	struct mutex lock;		/* scan, reset, removal: one at a time */
	atomic_t urgent;		/* who wants @lock in order to stop it */
	bool leaving;			/* among them is who unbinds */
	bool held;			/* asleep, or reset by others; under lock */
	u32 resets;			/* how often it was stopped; under lock */
	u32 reset_wanted;		/* value of @resets at which it is due */
	struct mutex freeze_lock;	/* who has frozen, outside of @lock */
	bool frozen;			/* under lock */
	struct list_head frozen_ns;	/* under freeze_lock */
	struct percpu_ref users;	/* held by what submits and sleeps */
	struct completion users_gone;
	struct list_head namespaces;	/* under lock */
	struct delayed_work watchdog;
	struct work_struct reset_work;
	struct workqueue_struct *copy_wq; /* waits for tags, for nothing else */
	struct workqueue_struct *send_wq; /* waits for claims and tags */
	struct workqueue_struct *map_wq; /* waits for room to map memory */
	struct workqueue_struct *finish_wq; /* never waits for requests */
	struct workqueue_struct *reset_wq;
	struct llist_head dirty;	/* requests with pages to dirty */
	struct work_struct dirty_work;

	/* asynchronous events */
	bool event_armed;		/* set under lock */
	bool event_pending;		/* comes after the freeze; under lock */
	u32 event_last;
	struct work_struct event_work;
};

extern unsigned int nvdio_io_timeout;
extern unsigned int nvdio_admin_timeout;
extern unsigned int nvdio_sgl_threshold;
extern unsigned int nvdio_io_queue_depth;
extern unsigned int nvdio_poll_queues;
extern unsigned int nvdio_bounce_buffers;
extern bool nvdio_shadow_doorbells;

struct nvdio_ctrl *nvdio_ctrl_alloc(struct pci_dev *pdev);
int nvdio_ctrl_start(struct nvdio_ctrl *ctrl);
void nvdio_ctrl_remove(struct nvdio_ctrl *ctrl);
void nvdio_ctrl_shutdown(struct nvdio_ctrl *ctrl);
int nvdio_ctrl_reset(struct nvdio_ctrl *ctrl);
int nvdio_ctrl_freeze(struct nvdio_ctrl *ctrl);
void nvdio_ctrl_unfreeze(struct nvdio_ctrl *ctrl);
int nvdio_ctrl_suspend(struct nvdio_ctrl *ctrl, bool shutdown);
int nvdio_ctrl_resume(struct nvdio_ctrl *ctrl);
void nvdio_ctrl_want_reset(struct nvdio_ctrl *ctrl, u32 resets);
void nvdio_ctrl_lost(struct nvdio_ctrl *ctrl, bool drain);

/* Has unbinding begun, or was the controller given up? */
static inline bool nvdio_ctrl_gone(const struct nvdio_ctrl *ctrl)
{
	return READ_ONCE(ctrl->state) >= NVDIO_CTRL_DELETING;
}

/**
 * nvdio_ctrl_wanted() - is somebody waiting for the lock who cannot wait?
 * @ctrl: controller, its lock held
 *
 * Whoever wants to stop the controller anyway. A reset that is under way is
 * only given up for one who unbinds.
 */
static inline bool nvdio_ctrl_wanted(struct nvdio_ctrl *ctrl)
{
	return atomic_read(&ctrl->urgent) &&
	       (READ_ONCE(ctrl->leaving) || ctrl->state == NVDIO_CTRL_LIVE);
}

/* Seconds, as in a module parameter, to jiffies: at least one second. */
static inline u32 nvdio_timeout(unsigned int seconds)
{
	return clamp_t(u64, (u64)seconds * HZ, HZ, NVDIO_TIMEOUT_MAX);
}

/**
 * nvdio_ctrl_enter() - keep the controller from being taken away
 * @ctrl: the controller
 *
 * Needed by whoever maps memory or takes bounce buffers outside of a queue's
 * sq_lock. Teardown waits for nvdio_ctrl_exit().
 *
 * Context: any.
 * Return: false once teardown has begun; the caller returns -ENODEV.
 */
static inline bool nvdio_ctrl_enter(struct nvdio_ctrl *ctrl)
{
	return percpu_ref_tryget_live(&ctrl->users);
}

static inline void nvdio_ctrl_exit(struct nvdio_ctrl *ctrl)
{
	percpu_ref_put(&ctrl->users);
}

#endif /* NVDIO_CTRL_H */
