/* SPDX-License-Identifier: GPL-2.0 */
/* Passthrough commands of io_uring by the slow path, and what both paths keep in a command. */
#ifndef NVDIO_URING_PASSTHRU_H
#define NVDIO_URING_PASSTHRU_H

#include <linux/types.h>

#include "core/compat.h"

struct nvdio_ns;
struct nvdio_passthru;
struct nvdio_queue;
struct page;

/* A ring with 128-byte SQEs and 32-byte CQEs. */
#define NVDIO_URING_BIG	(IO_URING_F_SQE128 | IO_URING_F_CQE32)

/* In place of @queue of struct nvdio_uring_pdu: what polls has to complete a command. */
#define NVDIO_URING_RW_ENDED	((struct nvdio_queue *)0)	/* of the fast path */
#define NVDIO_URING_PT_ENDED	((struct nvdio_queue *)1)	/* of the slow path */

/**
 * struct nvdio_uring_pdu - private data of a command in struct io_uring_cmd
 * @queue: queue to poll, or NVDIO_URING_*_ENDED. As the next in the same place for batches
 * @next: next command that its own ring found by polling
 * @result: CQE Dwords 0 and 1
 * @pt: the command, on the slow path
 * @page: first pinned page, on the fast path
 * @status: the controller's, or NVDIO_SC_*
 * @nr_pinned: number of pinned pages
 * @write: the controller only read the pages
 */
struct nvdio_uring_pdu {
	union {
		struct nvdio_queue *queue;
		struct io_uring_cmd *next;
	};
	u64 result;
	union {
		struct nvdio_passthru *pt;
		struct page *page;
	};
	u16 status;
	u8 nr_pinned;
	bool write;
};

static inline struct nvdio_uring_pdu *
nvdio_uring_pdu(struct io_uring_cmd *ioucmd)
{
	return io_uring_cmd_to_pdu(ioucmd, struct nvdio_uring_pdu);
}

int nvdio_ns_uring_passthru(struct nvdio_ns *ns, struct io_uring_cmd *ioucmd,
			    unsigned int issue_flags);
void nvdio_uring_passthru_polled(struct io_uring_cmd *ioucmd);
int nvdio_ctrl_uring_cmd(struct io_uring_cmd *ioucmd, unsigned int issue_flags);

#endif /* NVDIO_URING_PASSTHRU_H */
