// SPDX-License-Identifier: GPL-2.0
/*
 * The controller's registers and queues (NVMe Base 2.0, 3): enabling, doorbells,
 * fetching commands, completing them, interrupts.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vfu.h"

#define REG_CAP		0x00
#define REG_VS		0x08
#define REG_INTMS	0x0c
#define REG_INTMC	0x10
#define REG_CC		0x14
#define REG_CSTS	0x1c
#define REG_NSSR	0x20
#define REG_AQA		0x24
#define REG_ASQ		0x28
#define REG_ACQ		0x30
#define REG_CMBLOC	0x38
#define REG_CMBSZ	0x3c
#define REG_CRTO	0x68

#define CC_EN		0x1
#define CC_SHN		0xc000
#define CSTS_RDY	0x1
#define CSTS_CFS	0x2
#define CSTS_SHST	0xc
#define CSTS_SHST_BUSY	0x4
#define CSTS_SHST_DONE	0x8
#define CSTS_NSSRO	0x10
#define CSTS_PP		0x20

struct nvme nvme;

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

void cmd_free(struct cmd *cmd)
{
	free(cmd->segs);
	free(cmd);
}

void cmd_append(struct cmd **list, struct cmd *cmd)
{
	while (*list)
		list = &(*list)->next;
	cmd->next = NULL;
	*list = cmd;
}

static void free_list(struct cmd **list)
{
	while (*list) {
		struct cmd *cmd = *list;

		*list = cmd->next;
		cmd_free(cmd);
	}
}

/* Commands whose data a broken controller may still want to move: "poke". */
static void make_ghosts(struct cmd **list)
{
	while (*list) {
		struct cmd *cmd = *list;

		*list = cmd->next;
		if (cmd->nr_segs)
			cmd_append(&nvme.ghosts, cmd);
		else
			cmd_free(cmd);
	}
}

void nvme_init(void)
{
	/* 4096 entries, contiguous, TO 10 s, NVM command set, pages of 4 KiB. */
	nvme.regs.cap = 4095ULL | 1ULL << 16 | 20ULL << 24 | 1ULL << 37;
	nvme.regs.vs = 0x10400;
}

/* CC.EN = 0 or a reset: all queues and commands are gone. */
static void forget(void)
{
	unsigned int i;

	make_ghosts(&nvme.held);
	make_ghosts(&nvme.late);
	free_list(&nvme.aers);
	nvme.nr_aers = 0;
	nvme.nr_events = 0;
	nvme.event_config = 0;
	nvme.dbbuf = false;
	for (i = 0; i <= MAX_QID; i++) {
		free_list(&nvme.cq[i].backlog);
		free_list(&nvme.cq[i].again);
		memset(&nvme.sq[i], 0, sizeof(nvme.sq[i]));
		memset(&nvme.cq[i], 0, sizeof(nvme.cq[i]));
	}
	admin_reset();
	nvme.rdy_at = 0;
	nvme.shst_at = 0;
	nvme.regs.intms = 0;
}

void nvme_reset(void)
{
	forget();
	nvme.regs.cc = 0;
	nvme.regs.csts = 0;
	nvme.regs.aqa = 0;
	nvme.regs.asq = 0;
	nvme.regs.acq = 0;
}

void nvme_subsystem_reset(void)
{
	nvme_reset();
	nvme.regs.csts |= CSTS_NSSRO;
	log_event("NVM subsystem reset");
}

void nvme_pause(uint32_t ms)
{
	nvme.pause_until = now_ms() + ms;
}

void nvme_fatal(const char *why)
{
	log_event("fatal: %s", why);
	count(C_FATAL);
	nvme.regs.csts |= CSTS_CFS;
}

/* ---- interrupts */

static void raise_vector(unsigned int vector)
{
	if (proto_irqs(IRQ_MSIX)) {
		proto_irq_raise(IRQ_MSIX, vector);
	} else if (proto_irqs(IRQ_MSI)) {
		/* The host gave fewer messages than there are vectors. */
		proto_irq_raise(IRQ_MSI, vector % proto_irqs(IRQ_MSI));
	} else if (!config_is_intx_disabled() && !(nvme.regs.intms & 1)) {
		proto_irq_raise(IRQ_INTX, 0);
	}
}

void nvme_storm(unsigned int vector, unsigned int n)
{
	while (n--)
		raise_vector(vector);
}

void nvme_raise(void)
{
	unsigned int i;

	if (nvme.link_off || !config_is_master())
		return;
	for (i = 0; i <= MAX_QID; i++) {
		if (!nvme.cq[i].irq)
			continue;
		nvme.cq[i].irq = false;
		if (nvme.cq[i].ien)
			raise_vector(nvme.cq[i].vector);
	}
}

/* INTx is level triggered: QEMU asks whether it still is asserted. */
void nvme_unmasked(void)
{
	unsigned int i;

	for (i = 0; i <= MAX_QID; i++)
		if (nvme.cq[i].exists && nvme.cq[i].ien && nvme.cq[i].head != nvme.cq[i].tail)
			nvme.cq[i].irq = true;
}

/* ---- doorbells in memory (Doorbell Buffer Config) */

static uint32_t db_offset(unsigned int qid, bool cq)
{
	return (2 * qid + cq) * (4U << (nvme.regs.cap >> 32 & 0xf));
}

/* The value that the host has stored last, for a queue that has such a doorbell. */
static uint32_t db_shadow(unsigned int qid, bool cq, uint32_t value)
{
	uint32_t at = db_offset(qid, cq);

	if (nvme.dbbuf && qid && at + 4 <= 4096)
		dma_copy(nvme.db_shadow + at, &value, 4, false);
	return value;
}

/* Ask the host to ring the register for each entry behind @value. */
static void db_event(unsigned int qid, bool cq, uint32_t value)
{
	uint32_t at = db_offset(qid, cq);

	if (nvme.dbbuf && qid && at + 4 <= 4096)
		dma_copy(nvme.db_event + at, &value, 4, true);
}

/* ---- completions */

static bool cq_full(const struct queue *cq)
{
	return (cq->tail + 1) % cq->size == cq->head;
}

static void post(struct queue *cq, const struct cmd *cmd)
{
	struct cqe cqe = {
		.dw0 = cmd->dw0, .sqhd = nvme.sq[cmd->sqid].head, .sqid = cmd->sqid,
		.cid = cmd->sqe.cid, .status = cmd->status << 1,
	};
	bool phase = cq->phase;

	if (cmd->faults & F_BADSQHD)
		cqe.sqhd = 0xfff0;
	if (cmd->faults & F_BADID)
		cqe.cid = 0xfffe;
	if (cmd->faults & F_BADSQ)
		cqe.sqid = cqe.sqid ^ 1;
	if (cmd->faults & F_BADPHASE)
		phase = !phase;
	cqe.status |= phase;
	/* The phase becomes visible last. */
	if (!dma_copy(cq->addr + cq->tail * sizeof(cqe), &cqe, sizeof(cqe), true)) {
		nvme_fatal("a completion cannot be written");
		return;
	}
	if (++cq->tail == cq->size) {
		cq->tail = 0;
		cq->phase = !cq->phase;
	}
	if (cmd->faults & F_BADIRQ)
		raise_vector(0);
	else if (!(cmd->faults & F_NOIRQ))
		cq->irq = true;
}

/* The CQE of a command that ended a while ago comes once more. */
static void post_again(struct queue *cq)
{
	if (!cq->again || --cq->again_in || cq_full(cq))
		return;
	post(cq, cq->again);
	free_list(&cq->again);
}

void nvme_complete(struct cmd *cmd)
{
	struct queue *cq = &nvme.cq[nvme.sq[cmd->sqid].cqid];

	if (!nvme.sq[cmd->sqid].exists || !cq->exists || cmd->faults & F_DROP) {
		cmd_free(cmd);
		return;
	}
	if (cq_full(cq) || cq->backlog) {
		cmd_append(&cq->backlog, cmd);
		return;
	}
	post(cq, cmd);
	if (cmd->faults & F_DUP && !cq_full(cq))
		post(cq, cmd);
	post_again(cq);
	if (cmd->faults & F_AGAIN && !cq->again) {
		cmd->next = NULL;
		cmd->faults = 0;
		cq->again = cmd;
		cq->again_in = AGAIN_AFTER;
	} else if (cmd->faults & F_GHOST && cmd->nr_segs) {
		cmd_append(&nvme.ghosts, cmd);
	} else {
		cmd_free(cmd);
	}
}

/* There is room in a CQ again. */
static void complete_backlog(struct queue *cq)
{
	while (cq->backlog && !cq_full(cq)) {
		struct cmd *cmd = cq->backlog;

		cq->backlog = cmd->next;
		post(cq, cmd);
		cmd_free(cmd);
	}
}

/* ---- events */

static void deliver_events(void)
{
	while (nvme.nr_events && nvme.aers) {
		struct cmd *cmd = nvme.aers;

		nvme.aers = cmd->next;
		nvme.nr_aers--;
		cmd->dw0 = nvme.events[0];
		memmove(nvme.events, nvme.events + 1, --nvme.nr_events * sizeof(nvme.events[0]));
		nvme_complete(cmd);
	}
}

void nvme_event(unsigned int type, unsigned int info, unsigned int lid)
{
	if (nvme.nr_events < ARRAY_SIZE(nvme.events))
		nvme.events[nvme.nr_events++] = type | info << 8 | lid << 16;
	deliver_events();
}

/* ---- commands */

void nvme_execute(struct cmd *cmd)
{
	if (!cmd->executed && !cmd->forced) {
		cmd->executed = true;
		if (cmd->sqid == ADMIN) {
			admin_execute(cmd);
		} else {
			io_execute(cmd);
			hmb_use();
		}
		if (cmd->faults & F_AFTER)
			cmd->status = cmd->status_after;
	}
	if (cmd->sqid == ADMIN && cmd->sqe.opcode == 0x0c && !cmd->status) {
		/* Asynchronous Event Request: ends with an event. */
		nvme.nr_aers++;
		cmd_append(&nvme.aers, cmd);
		deliver_events();
		return;
	}
	if (cmd->sqid == ADMIN)
		log_event("%s nsid %u cdw10 %#x cdw11 %#x: status %#x",
			  opcode_name(false, cmd->sqe.opcode), cmd->sqe.nsid, cmd->sqe.cdw10,
			  cmd->sqe.cdw11, cmd->status);
	else
		log_event("%s nsid %u slba %lu nlb %u fua %u: status %#x",
			  opcode_name(true, cmd->sqe.opcode), cmd->sqe.nsid,
			  cmd->sqe.cdw10 | (uint64_t)cmd->sqe.cdw11 << 32,
			  (cmd->sqe.cdw12 & 0xffff) + 1, cmd->sqe.cdw12 >> 30 & 1, cmd->status);
	nvme_complete(cmd);
}

/* Fetch one command. Return: there was one. */
static bool fetch(unsigned int qid)
{
	struct queue *sq = &nvme.sq[qid];
	struct cmd *cmd;

	if (!sq->exists || sq->head == sq->tail || nvme.regs.csts & CSTS_CFS || nvme.pause_until)
		return false;
	/* A controller may fetch no more than it can complete. */
	if (nvme.cq[sq->cqid].backlog)
		return false;
	cmd = calloc(1, sizeof(*cmd));
	if (!cmd)
		err(1, "memory");
	if (!dma_copy(sq->addr + sq->head * sizeof(cmd->sqe), &cmd->sqe, sizeof(cmd->sqe), false)) {
		free(cmd);
		nvme_fatal("a command cannot be fetched");
		return false;
	}
	sq->head = (sq->head + 1) % sq->size;
	cmd->sqid = qid;
	count_command(qid != ADMIN, cmd->sqe.opcode);
	if (qid != ADMIN && nvme.pp)
		count(C_PAUSED_IO);
	if (faults_match(cmd))
		return true;
	if (cmd->due)
		cmd_append(&nvme.late, cmd);
	else
		nvme_execute(cmd);
	return true;
}

void nvme_process(void)
{
	bool more = true;
	unsigned int i;

	while (more && nvme.regs.csts & CSTS_RDY && !nvme.link_off) {
		more = false;
		for (i = 0; i <= MAX_QID; i++) {
			if (!nvme.sq[i].exists)
				continue;
			while (fetch(i))
				more = true;
			if (nvme.dbbuf && i && nvme.sq[i].exists) {
				uint32_t tail;

				/* What came while the event index was being set. */
				db_event(i, false, nvme.sq[i].tail);
				tail = db_shadow(i, false, nvme.sq[i].tail);
				if (tail < nvme.sq[i].size && tail != nvme.sq[i].tail) {
					nvme.sq[i].tail = tail;
					more = true;
				}
			}
		}
	}
}

static void doorbell(unsigned int index, uint32_t value)
{
	unsigned int qid = index / 2;
	bool is_cq = index & 1;
	struct queue *q = qid > MAX_QID ? NULL : is_cq ? &nvme.cq[qid] : &nvme.sq[qid];

	count(C_DOORBELLS);
	if (q && q->exists)
		value = db_shadow(qid, is_cq, value);
	if (!q || !q->exists || value >= q->size) {
		count(C_BAD_DOORBELLS);
		log_event("doorbell %u: %u is wrong", index, value);
		return;
	}
	if (is_cq) {
		q->head = value;
		db_event(qid, true, value);
		complete_backlog(q);
	} else {
		q->tail = value;
	}
	nvme_process();
}

/* ---- registers */

static void enable(void)
{
	struct regs *r = &nvme.regs;
	struct queue *sq = &nvme.sq[ADMIN], *cq = &nvme.cq[ADMIN];

	count(C_ENABLES);
	log_event("CC.EN = 1");
	forget();
	*sq = (struct queue){ .exists = true, .addr = r->asq, .size = (r->aqa & 0xfff) + 1 };
	*cq = (struct queue){ .exists = true, .addr = r->acq, .size = (r->aqa >> 16 & 0xfff) + 1,
			      .phase = true, .ien = true };
	nvme.rdy_at = now_ms() + nvme.rdy_ms;
	if (nvme.rdy_fault == RDY_STUCK_0)
		nvme.rdy_at = 0;
	else if (!nvme.rdy_ms)
		nvme_timers();
}

static void disable(void)
{
	count(C_DISABLES);
	log_event("CC.EN = 0");
	if ((nvme.regs.csts & CSTS_SHST) == CSTS_SHST_BUSY)
		count(C_EN_CLEARED_IN_SHUTDOWN);
	forget();
	nvme.regs.csts = 0;
	if (nvme.cfs_once)
		nvme.cfs = false;
	nvme.cfs_once = false;
}

static void write_cc(uint32_t value)
{
	uint32_t was = nvme.regs.cc;

	if (value == ~0U)
		count(C_CC_ONES);
	nvme.regs.cc = value;
	if (value & CC_EN && !(was & CC_EN))
		enable();
	else if (!(value & CC_EN) && was & CC_EN)
		disable();
	if (value & CC_SHN && !(was & CC_SHN)) {
		count(C_SHUTDOWNS);
		log_event("shutdown");
		nvme.regs.csts = (nvme.regs.csts & ~CSTS_SHST) | CSTS_SHST_BUSY;
		nvme.shst_at = nvme.shutdown_hold ? 0 : now_ms() + nvme.shutdown_ms;
		if (!nvme.shutdown_ms)
			nvme_timers();
	}
}

static uint32_t read_csts(void)
{
	if (nvme.csts_fault != CSTS_TRUE) {
		if (nvme.csts_fault == CSTS_ONCE)
			nvme.csts_fault = CSTS_TRUE;
		return ~0U;
	}
	return nvme.regs.csts | (nvme.cfs ? CSTS_CFS : 0) | (nvme.pp ? CSTS_PP : 0) |
	       (nvme.rdy_fault == RDY_STUCK_1 ? CSTS_RDY : 0);
}

static uint32_t read_reg(uint32_t at)
{
	const struct regs *r = &nvme.regs;

	switch (at) {
	case REG_CAP:		return r->cap;
	case REG_CAP + 4:	return r->cap >> 32;
	case REG_VS:		return r->vs;
	case REG_INTMS:
	case REG_INTMC:		return r->intms;
	case REG_CC:		return r->cc;
	case REG_CSTS:		return read_csts();
	case REG_AQA:		return r->aqa;
	case REG_ASQ:		return r->asq;
	case REG_ASQ + 4:	return r->asq >> 32;
	case REG_ACQ:		return r->acq;
	case REG_ACQ + 4:	return r->acq >> 32;
	case REG_CMBLOC:	return r->cmbloc;
	case REG_CMBSZ:		return r->cmbsz;
	case REG_CRTO:		return r->crto;
	default:		return 0;
	}
}

static void write_reg(uint32_t at, uint32_t value)
{
	struct regs *r = &nvme.regs;

	switch (at) {
	case REG_INTMS:
		r->intms |= value;
		break;
	case REG_INTMC:
		r->intms &= ~value;
		nvme_unmasked();
		break;
	case REG_CC:
		write_cc(value);
		break;
	case REG_NSSR:
		if (value == 0x4e564d65 && r->cap >> 36 & 1)
			nvme_reset();
		break;
	case REG_AQA:
		r->aqa = value;
		break;
	case REG_ASQ:
		r->asq = (r->asq & ~0xffffffffULL) | (value & ~0xfffU);
		break;
	case REG_ASQ + 4:
		r->asq = (r->asq & 0xffffffff) | (uint64_t)value << 32;
		break;
	case REG_ACQ:
		r->acq = (r->acq & ~0xffffffffULL) | (value & ~0xfffU);
		break;
	case REG_ACQ + 4:
		r->acq = (r->acq & 0xffffffff) | (uint64_t)value << 32;
		break;
	}
}

void nvme_read(uint64_t at, void *buf, uint32_t len)
{
	uint32_t i, value;

	count(C_MMIO_READS);
	if (nvme.mute_ms) {
		nvme.mute_until = now_ms() + nvme.mute_ms;
		nvme.mute_ms = 0;
		nvme.link_off = true;
	}
	if (nvme.link_off || nvme.mmio_ones || at + len > BAR_SIZE) {
		memset(buf, 0xff, len);
		return;
	}
	if (at % 4)
		return;
	for (i = 0; i < len; i += 4) {
		value = at + i < BAR_DOORBELLS ? read_reg(at + i) : 0;
		memcpy((char *)buf + i, &value, len - i < 4 ? len - i : 4);
	}
}

void nvme_write(uint64_t at, const void *buf, uint32_t len)
{
	uint32_t stride = 4U << (nvme.regs.cap >> 32 & 0xf);
	uint32_t i, value;

	count(C_MMIO_WRITES);
	if (nvme.link_off || at % 4 || at + len > BAR_SIZE)
		return;
	for (i = 0; i + 4 <= len; i += 4) {
		memcpy(&value, (const char *)buf + i, 4);
		if (at + i < BAR_DOORBELLS)
			write_reg(at + i, value);
		else if (at + i < BAR_MSIX_TABLE && (at + i - BAR_DOORBELLS) % stride == 0)
			doorbell((at + i - BAR_DOORBELLS) / stride, value);
	}
}

/* ---- time */

int nvme_timers(void)
{
	uint64_t now = now_ms(), next = ~0ULL;
	struct cmd **p;

	if (nvme.rdy_at && nvme.rdy_at <= now) {
		nvme.rdy_at = 0;
		nvme.regs.csts |= CSTS_RDY;
	}
	if (nvme.shst_at && nvme.shst_at <= now) {
		nvme.shst_at = 0;
		nvme.regs.csts = (nvme.regs.csts & ~CSTS_SHST) | CSTS_SHST_DONE;
		log_event("shutdown complete");
	}
	if (nvme.mute_until && nvme.mute_until <= now) {
		nvme.mute_until = 0;
		nvme.link_off = false;
	}
	if (nvme.pause_until && nvme.pause_until <= now) {
		nvme.pause_until = 0;
		nvme_process();
	}
	for (p = &nvme.late; *p;) {
		struct cmd *cmd = *p;

		if (cmd->due > now) {
			if (cmd->due < next)
				next = cmd->due;
			p = &cmd->next;
			continue;
		}
		*p = cmd->next;
		nvme_execute(cmd);
		/* The list may have changed. */
		p = &nvme.late;
		next = ~0ULL;
	}
	if (nvme.rdy_at && nvme.rdy_at < next)
		next = nvme.rdy_at;
	if (nvme.shst_at && nvme.shst_at < next)
		next = nvme.shst_at;
	if (nvme.mute_until && nvme.mute_until < next)
		next = nvme.mute_until;
	if (nvme.pause_until && nvme.pause_until < next)
		next = nvme.pause_until;
	return next == ~0ULL ? -1 : (int)(next - now);
}
