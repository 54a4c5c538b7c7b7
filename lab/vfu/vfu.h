/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An NVMe controller as a process, attached to QEMU by vfio-user, that
 * misbehaves on request. What all of its files share.
 *
 * One thread does everything in the order in which it arrives: a register
 * access, a doorbell and the commands behind it, a line of the script. x86 only:
 * structures in guest memory are little endian, as is this program.
 */
#ifndef VFU_H
#define VFU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

/* ---- limits */

#define MAX_QID		64	/* I/O queue pairs */
#define MAX_NSID	8
#define MAX_VECTORS	(MAX_QID + 1)
#define MAX_SEGS	65536	/* pieces of memory of one command */
#define MAX_AERS	4

/* A vendor of nobody's, so that no quirk of a known device is applied. */
#define VENDOR_ID	0x6e76
#define DEVICE_ID	0x0001

/* ---- BAR 0: registers, doorbells, MSI-X table and pending bits */

#define BAR_SIZE	0x8000
#define CMB_SIZE	0x100000	/* BAR 2, with "pci.cmb" */
#define BAR_DOORBELLS	0x1000
#define BAR_MSIX_TABLE	0x4000
#define BAR_MSIX_PBA	0x5000

/*
 * The channel: vendor specific configuration space behind the capabilities. The
 * text of a line is written to the window, 48 bytes at a time, at the offset
 * that was written to CH_OFFSET before. Writing its length to CH_LENGTH carries
 * it out. CH_LENGTH then reads as the length of the answer, with CH_FAILED, and
 * the answer is read through the window in the same way.
 */
#define CH_OFFSET	0xc4
#define CH_LENGTH	0xc8
#define CH_MAGIC	0xcc	/* reads as CH_MAGIC_VALUE */
#define CH_WINDOW	0xd0
#define CH_WINDOW_SIZE	0x30
#define CH_FAILED	0x80000000U
#define CH_MAGIC_VALUE	0x4f494456U
#define CH_MAX		65536

/* ---- proto.c: vfio-user, guest memory, interrupts */

enum irq_kind { IRQ_INTX, IRQ_MSI, IRQ_MSIX, IRQ_KINDS };

/* Serve one connection until the other side closes it. */
void proto_serve(int sock);

/*
 * Memory at a DMA address, without a look at whether the function may be bus
 * master. @len is cut where the mapping ends.
 * Return: NULL if nothing is mapped there, or not for @write.
 */
void *proto_dma(uint64_t addr, size_t *len, bool write);

/* A number that the mapping of an address has and no other ever had; 0: there is none. */
uint64_t proto_map_serial(uint64_t addr);

/* Number of DMA mappings. */
size_t proto_nr_maps(void);

/* Is this kind of interrupt in use, and how many vectors does it have? */
unsigned int proto_irqs(enum irq_kind kind);
void proto_irq_raise(enum irq_kind kind, unsigned int vector);

/* ---- config.c: PCI configuration space */

struct pci_options {
	bool msix, msi, intx, flr, pm, cmb;
	unsigned int vectors;
	uint32_t vendor, device, msix_table;
};

extern struct pci_options pci_options;

void config_init(void);
void config_read(uint32_t at, void *buf, uint32_t len);
void config_write(uint32_t at, const void *buf, uint32_t len);
bool config_is_master(void);
bool config_is_intx_disabled(void);
/* The registers that a function level reset changes. */
void config_reset(void);

/* ---- nvme.c: registers, queues, the life of a command */

enum { ADMIN = 0 };

struct sqe {
	uint8_t opcode;
	uint8_t flags;		/* FUSE, PSDT */
	uint16_t cid;
	uint32_t nsid;
	uint32_t cdw2, cdw3;
	uint64_t mptr;
	uint64_t prp1, prp2;
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};

struct cqe {
	uint32_t dw0, dw1;
	uint16_t sqhd, sqid;
	uint16_t cid, status;	/* status with the phase in bit 0 */
};

struct seg {
	uint64_t addr;
	uint32_t len;
	uint64_t map;		/* proto_map_serial() when it was resolved */
};

/* Faults of one completion (struct cmd.faults). */
#define F_DROP		(1U << 0)	/* no CQE */
#define F_DUP		(1U << 1)	/* the CQE twice */
#define F_BADID		(1U << 2)	/* a command identifier that nobody used */
#define F_BADSQ		(1U << 3)	/* another queue's identifier */
#define F_BADPHASE	(1U << 4)	/* the phase of the last round */
#define F_NOIRQ		(1U << 5)
#define F_SHORT		(1U << 6)	/* only the first half of the data */
#define F_GARBAGE	(1U << 7)	/* random data to the host */
#define F_GHOST		(1U << 8)	/* its memory is remembered for "poke" */
#define F_ZERO		(1U << 9)	/* zeros to the host */
#define F_AGAIN		(1U << 10)	/* the CQE once more, behind AGAIN_AFTER others */
#define F_BADSQHD	(1U << 11)	/* an SQ head outside of the queue */
#define F_BADIRQ	(1U << 12)	/* vector 0 instead of the queue's */
#define F_AFTER		(1U << 13)	/* it fails when its data have been moved */

/* Less than the tags' generations, so that the CQE is stale whatever the host does. */
#define AGAIN_AFTER	8

struct cmd {
	struct cmd *next;
	struct sqe sqe;
	uint16_t sqid;
	uint16_t sqhd;
	uint32_t dw0;
	uint16_t status;	/* SCT and SC, DNR; without the phase */
	bool forced;		/* the status is the script's: do not execute */
	uint16_t status_after;	/* F_AFTER */
	bool executed;
	uint32_t faults;
	uint64_t due;		/* ms, while it is late */
	uint64_t len;		/* bytes that it moves */
	bool to_host;
	unsigned int nr_segs;
	struct seg *segs;
	uint16_t dptr_status;	/* of resolving them */
};

struct queue {
	bool exists;
	uint64_t addr;
	uint32_t size;
	uint32_t head, tail;
	uint16_t cqid;		/* SQ: where completions go */
	/* CQ only */
	bool phase, ien, irq;	/* irq: to be raised */
	uint16_t vector;
	struct cmd *backlog;	/* completions that found the CQ full */
	struct cmd *again;	/* F_AGAIN: to be posted after so many others */
	unsigned int again_in;
};

struct regs {
	uint64_t cap;
	uint32_t vs, intms, cc, csts, aqa, cmbloc, cmbsz, crto;
	uint64_t asq, acq;
};

enum csts_fault { CSTS_TRUE, CSTS_ONES, CSTS_ONCE };
enum rdy_fault { RDY_TRUE, RDY_STUCK_0, RDY_STUCK_1 };

struct nvme {
	struct regs regs;
	struct queue sq[MAX_QID + 1], cq[MAX_QID + 1];
	unsigned int nr_queues;		/* granted by Set Features */
	struct cmd *held, *late, *ghosts;
	struct cmd *aers;
	unsigned int nr_aers;
	uint32_t events[16];		/* that wait for an AER */
	unsigned int nr_events;
	uint32_t event_config;
	bool dbbuf;
	uint64_t db_shadow, db_event;
	uint64_t rdy_at, shst_at, mute_until, pause_until; /* ms; 0: no change is due */
	/* what the script has set */
	enum csts_fault csts_fault;
	enum rdy_fault rdy_fault;
	bool cfs, cfs_once, link_off, mmio_ones;
	uint32_t rdy_ms, shutdown_ms, mute_ms;
	uint32_t pp;			/* CSTS.PP */
	bool shutdown_hold, haunt;
};

extern struct nvme nvme;

void nvme_init(void);
void nvme_read(uint64_t at, void *buf, uint32_t len);
void nvme_write(uint64_t at, const void *buf, uint32_t len);
/* Function level reset, or the machine's. */
void nvme_reset(void);
/* NVM subsystem reset, by somebody else. */
void nvme_subsystem_reset(void);
/* Fetch no command for so long. */
void nvme_pause(uint32_t ms);
/* Handle what is due; return the ms until the next look, -1 if there is none. */
int nvme_timers(void);
/* Raise what has been completed, level-triggered lines once more. */
void nvme_raise(void);
void nvme_unmasked(void);
void nvme_execute(struct cmd *cmd);
void nvme_complete(struct cmd *cmd);
void nvme_event(unsigned int type, unsigned int info, unsigned int lid);
void nvme_fatal(const char *why);
void nvme_process(void);
void nvme_storm(unsigned int vector, unsigned int n);
void cmd_free(struct cmd *cmd);
void cmd_append(struct cmd **list, struct cmd *cmd);
uint64_t now_ms(void);

/* ---- status codes: SCT << 8 | SC, as "status" takes them */

#define SC_OK			0x000
#define SC_INVALID_OPCODE	0x001
#define SC_INVALID_FIELD	0x002
#define SC_DATA_XFER		0x004
#define SC_INTERNAL		0x006
#define SC_ABORTED		0x007
#define SC_INVALID_NS		0x00b
#define SC_SGL_INVALID_TYPE	0x011
#define SC_LBA_RANGE		0x080
#define SC_WRITE_PROTECTED	0x020
#define SC_INVALID_QID		0x101
#define SC_INVALID_QSIZE	0x102
#define SC_AER_LIMIT		0x105
#define SC_INVALID_LOG		0x109
#define SC_INVALID_FORMAT	0x10a
#define SC_COMPARE		0x285
#define SC_DNR			0x4000

/* ---- admin.c, io.c: what commands do; they set status and dw0 */

void admin_execute(struct cmd *cmd);
void io_execute(struct cmd *cmd);
/* What CC.EN = 0 does to features. */
void admin_reset(void);
/* The value of a feature; the table of autonomous power state transitions. */
uint32_t admin_feature(uint8_t fid);
void admin_show_apst(FILE *out);
/* How many bytes a command moves, as far as "hold" needs to know. */
uint64_t admin_length(const struct cmd *cmd, bool *to_host);
uint64_t io_length(const struct cmd *cmd, bool *to_host);
/* CRC-32 of blocks; how often at least, at most, each of them was written. */
bool io_crc(uint32_t nsid, uint64_t slba, uint64_t nlb, uint32_t *crc);
bool io_written(uint32_t nsid, uint64_t slba, uint64_t nlb, unsigned int *min, unsigned int *max);

/* ---- hmb.c: host memory buffer */

/* Set Features 0Dh: 0 or a status. */
uint16_t hmb_set(struct cmd *cmd);
/* CC.EN = 0: it is not used any more. */
void hmb_reset(void);
/* Use it, with an I/O command. */
void hmb_use(void);
/* Write to it, enabled or not; bytes that were moved, or not. */
void hmb_poke(uint64_t *done, uint64_t *refused);
void hmb_haunt(void);
void hmb_show(FILE *out);

/* ---- dptr.c: data pointers and DMA */

/* Read or write guest memory. */
enum dma { DMA_DONE, DMA_NO_MASTER, DMA_UNMAPPED };
enum dma dma_try(uint64_t addr, void *buf, size_t len, bool to_host);
/* The same for what must succeed: a failure is counted. */
bool dma_copy(uint64_t addr, void *buf, size_t len, bool to_host);
/* Resolve PRPs or SGLs for @len bytes into cmd->segs: 0 or a status. */
uint16_t dptr_resolve(struct cmd *cmd, uint64_t len, bool to_host);
/* Move @len bytes at @skip bytes of what was resolved: 0 or a status. */
uint16_t dptr_copy(struct cmd *cmd, void *buf, uint64_t skip, uint64_t len);
/* Data of a command that are in one piece here. */
uint16_t dptr_transfer(struct cmd *cmd, void *buf, uint64_t len, bool to_host);

/* ---- identify.c: what the controller says of itself */

struct ns {
	bool exists;		/* in this controller */
	uint64_t bytes;
	uint8_t lbads;		/* block size as a power of two */
	uint16_t ms;		/* metadata bytes */
	uint8_t dps;		/* protection information */
	bool readonly;
	uint64_t nsze;		/* what Identify says; 0: the truth */
	uint64_t nguid;
	/* Atomic writes: blocks minus 1, with and without power; boundaries, and the first. */
	uint16_t nawun, nawupf, nabsn, nabspf, nabo;
	uint8_t *data;
	uint16_t *writes;	/* for each 512 bytes, how often written */
	uint64_t max_bytes;	/* size of data */
};

struct ident {
	uint32_t mdts, vwc, oncs, oacs, nn, rtd3e, lpa, sgls, oaes, aerl;
	uint32_t hmpre, hmmin, hmminds, hmmaxd, npss, apsta, wctemp, cctemp, mtfa;
	uint32_t crdt[3];
	uint32_t revision;	/* FR */
	uint32_t awun, awupf;	/* as of namespaces */
	uint32_t wzsl, dmrsl, cns6;
	uint32_t effects;	/* 0 none, 1 as it is, 2 all bits, 3 all but CSER */
	uint32_t queues;	/* I/O queue pairs */
	uint32_t serial;
	uint32_t active_list;	/* 0: CNS 02h fails */
};

/* The SMART log, and the first entry of the error log. */
struct health {
	uint32_t warning, kelvin, sensor1, sensor3, spare, used, media_errors, errors;
};

extern struct health health;

extern struct ident ident;
extern struct ns namespaces[MAX_NSID + 1];

void identify_init(void);
bool ns_make(unsigned int nsid, uint64_t bytes, unsigned int lbads);
struct ns *ns_find(uint32_t nsid);
uint64_t ns_blocks(const struct ns *ns);
uint16_t identify(struct cmd *cmd);
uint16_t get_log(struct cmd *cmd);
/* For the log of changed namespaces. */
void ns_changed(unsigned int nsid);

/* ---- faults.c: rules for commands */

/* Apply the rules to a command that was just fetched. Return: it is held. */
bool faults_match(struct cmd *cmd);
/* A rule from the words of a line. Return: an error's text or NULL. */
const char *faults_add(int argc, char **argv);
void faults_clear(void);
void faults_show(FILE *out);
/* DMA for commands that are held or have ended; bytes that were moved, or not. */
void faults_poke(uint64_t *done, uint64_t *refused);
uint32_t faults_random(void);
/* @honest: no command succeeds with data that are not the right ones. */
void faults_fuzz(uint32_t seed, uint32_t permille, bool honest);
/* "read", "admin:0x06", "any": sets the queue (0, 1, -1) and opcode (-1: all). */
bool opcode_parse(const char *word, int *io, int *opcode);
const char *opcode_name(bool io, uint8_t opcode);

/* ---- log.c: what the controller saw */

enum counter {
	C_DMA_NO_MASTER, C_DMA_UNMAPPED, C_FUA, C_DOORBELLS, C_BAD_DOORBELLS, C_IRQS,
	C_ENABLES, C_DISABLES, C_SHUTDOWNS, C_EN_CLEARED_IN_SHUTDOWN, C_FLRS, C_RESETS,
	C_FATAL, C_MMIO_READS, C_MMIO_WRITES, C_CC_ONES, C_GHOST_DONE, C_GHOST_REFUSED,
	C_HMB_GIVEN, C_HMB_RETURNED, C_HMB_BAD, C_HMB_USED, C_HMB_LOST, C_HMB_STRAY,
	C_HMB_REFUSED, C_PAUSED_IO,
	C_INJECTED, C_STAMPS_GOOD, C_STAMPS_BAD, C_STAMPS_AGAIN, C_STAMPS_BACK,
	NR_COUNTERS
};

void count(enum counter c);
void count_command(bool io, uint8_t opcode);
uint64_t counted(enum counter c);
void log_event(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_show(FILE *out, unsigned int lines);
void counters_show(FILE *out);
/* Return: false if there is no such counter. */
bool counter_find(const char *name, uint64_t *value);
void counters_clear(void);

/* ---- stamps.c: what stamped blocks (stamp.h) say of the order and contents of Writes */

/* Expect stamps in these blocks. Return: they exist. */
bool stamps_on(uint32_t nsid, uint64_t slba, uint64_t nlb);
void stamps_off(void);
/* Blocks were written; @torn: and the command will fail, so that they need not be whole. */
void stamps_written(uint32_t nsid, const struct ns *ns, uint64_t slba, uint64_t nlb, bool torn);

/* ---- script.c, channel.c */

/* Carry a line out; the answer is printed to @out. Return: it was understood. */
/* From now on the configuration space stays as it is. */
void script_start(void);
bool script_line(const char *line, FILE *out);
void channel_read(uint32_t at, void *buf, uint32_t len);
void channel_write(uint32_t at, const void *buf, uint32_t len);

#endif /* VFU_H */
