/* SPDX-License-Identifier: GPL-2.0 */
/* Passthrough commands: what the ioctls and io_uring have in common. */
#ifndef NVDIO_PASSTHRU_H
#define NVDIO_PASSTHRU_H

#include <linux/capability.h>
#include <linux/nvme.h>
#include <linux/nvme_ioctl.h>
#include <linux/uio.h>
#include <linux/workqueue.h>

#include "pure/filter.h"
#include "core/request.h"
#include "hw/queue.h"

struct nvdio_passthru_buf;
struct nvdio_ctrl;
struct nvdio_xfer;
struct nvdio_ns;

/**
 * struct nvdio_user_mem - the user memory of a command
 * @iter: the memory
 * @iov: array behind @iter, if it was allocated; otherwise NULL
 *
 * Filled in by nvdio_passthru_import(). Its owner passes it to
 * nvdio_passthru_prepare(), or frees it with nvdio_user_mem_free().
 */
struct nvdio_user_mem {
	struct iov_iter iter;
	struct iovec *iov;
};

/**
 * struct nvdio_passthru - a passthrough command
 * @ctrl: controller
 * @ns: namespace of an I/O command, NULL for an admin command
 * @cmd: SQE
 * @filter: what the command will do
 * @timeout: jiffies; 0: the default of the queue
 * @mem: user memory
 * @xfer: @mem, pinned and mapped; or NULL
 * @buf: bounce buffer for @mem; or NULL
 * @look: @mem may be mapped memory; nvdio_passthru_send() finds out
 * @entered: nvdio_ctrl_enter() is in effect
 * @end: called when the command has ended and its memory is unmapped; possibly
 *	in an interrupt
 * @owner: private data of @end
 * @work: unmaps the memory if that cannot be done in an interrupt
 * @status: the controller's, or NVDIO_SC_*
 * @result: CQE Dwords 0 and 1
 */
struct nvdio_passthru {
	struct nvdio_ctrl *ctrl;
	struct nvdio_ns *ns;
	struct nvme_command cmd;
	struct nvdio_filter filter;
	u32 timeout;
	struct nvdio_user_mem mem;
	struct nvdio_xfer *xfer;
	struct nvdio_passthru_buf *buf;
	bool look;
	bool entered;
	void (*end)(struct nvdio_passthru *pt);
	void *owner;
	struct work_struct work;
	u16 status;
	u64 result;
};

int nvdio_passthru_import(u8 opcode, void __user *addr, u32 len, bool vec,
			  struct nvdio_user_mem *mem);
void nvdio_user_mem_free(struct nvdio_user_mem *mem);
int nvdio_passthru_check(struct nvdio_ctrl *ctrl, struct nvdio_ns *ns,
			 const struct nvme_uring_cmd *ucmd, u64 data_len,
			 bool writable, struct nvdio_filter *filter);
struct nvdio_passthru *
nvdio_passthru_prepare(struct nvdio_ctrl *ctrl, struct nvdio_ns *ns,
		       const struct nvme_uring_cmd *ucmd,
		       const struct nvdio_filter *filter,
		       struct nvdio_user_mem *mem, bool nowait);
int nvdio_passthru_send(struct nvdio_passthru *pt, struct nvdio_queue *q,
			bool nowait);
void nvdio_passthru_abandon(struct nvdio_passthru *pt);
int nvdio_passthru_finish(struct nvdio_passthru *pt, bool mine);
int nvdio_passthru_wait(struct nvdio_passthru *pt, u64 *result);

void nvdio_passthru_watch(void);
void nvdio_passthru_fill(struct nvme_command *cmd,
			 const struct nvme_uring_cmd *ucmd);
u32 nvdio_passthru_timeout(u32 timeout_ms);
int nvdio_passthru_result(u16 status);

/**
 * nvdio_passthru_extend() - extend the timeout of a command
 * @q: queue, sq_lock held since the command was submitted
 * @req: its request; it may have ended, but cannot have been reused
 * @timeout: jiffies; ignored if less than the default
 *
 * A command that never times out ties up resources that others need: its
 * blocks, its tag, a reset. So a longer timeout requires CAP_SYS_ADMIN.
 *
 * Context: sq_lock held.
 */
static inline void nvdio_passthru_extend(struct nvdio_queue *q,
					 struct nvdio_request *req, u32 timeout)
{
	if (timeout > q->timeout &&
	    ns_capable_noaudit(&init_user_ns, CAP_SYS_ADMIN))
		WRITE_ONCE(req->deadline, (u32)jiffies + timeout);
}

#endif /* NVDIO_PASSTHRU_H */
