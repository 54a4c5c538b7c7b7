// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libaio.h>
#include <liburing.h>
#include <linux/fs.h>
#include <linux/nvme_ioctl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuzz_calls.h"
#include "fuzz_change.h"
#include "fuzz_many.h"
#include "fuzz_maps.h"
#include "t.h"

/*
 * A child's memory, at a fixed address so that calls repeat. Buffers whose length is
 * honest are in the first 8 MiB, and what follows these must never change.
 */
#define BASE 0x100000000000UL
#define HONEST (8 * MiB)
#define CANARY (64 * KiB)
#define READ_ONLY (9 * MiB)	/* 1 MiB */
#define NOTHING (10 * MiB)	/* 1 MiB, no access */
#define FILE_AT (12 * MiB)	/* 2 MiB of a file, the second of which is past its end */
#define ARGS (15 * MiB)		/* 64 KiB for structures and iovecs */
#define PAST (16 * MiB)		/* not mapped */

/* Files. Calls use those up to F_CTRL_WRITE. */
enum {
	F_DIRECT, F_COPY, F_READ, F_WRITE, F_READ_COPY, F_APPEND, F_CTRL, F_CTRL_WRITE,
	F_PIPE_IN, F_PIPE_OUT, F_MEM, F_NR,
};

static struct fuzz_progress *me;
static bool printed;
static uint64_t *state;
static unsigned int nsid;
static int fds[F_NR];
static struct io_uring ring;
static bool ring_up, ring_big;
static io_context_t aio;

static uint64_t any(uint64_t n)
{
	return below(state, n);
}

static bool one_in(unsigned int n)
{
	return !any(n);
}

#define LASTS 48U

/* The last calls. */
static char last[LASTS][sizeof(me->doing)];
static unsigned int lasts;

/* Say what is done next. False: it is not to be done. */
#define doing(...) fuzz_doing(__VA_ARGS__)
bool fuzz_doing(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(me->doing, sizeof(me->doing), fmt, ap);
	va_end(ap);
	if (printed) {
		printf("# %s\n", me->doing);
		return false;
	}
	memcpy(last[lasts++ % LASTS], me->doing, sizeof(me->doing));
	atomic_fetch_add(&me->calls, 1);
	return true;
}

/* What a call has returned. */
#define did(ret) fuzz_did(ret)
void fuzz_did(long long ret)
{
	if (ret >= 0)
		atomic_fetch_add(&me->worked, 1);
}

static int node(void)
{
	static const unsigned char of[] = { F_DIRECT, F_DIRECT, F_DIRECT, F_COPY, F_COPY, F_READ,
		F_WRITE, F_READ_COPY, F_APPEND, F_CTRL, F_CTRL_WRITE };

	return of[any(ARRAY_SIZE(of))];
}

static uint64_t length(void)
{
	switch (any(12)) {
	case 0:
		return dev.lba;
	case 1:
		return dev.lba + any(3) - 1;
	case 2:
		return any(3);
	case 3:
		return 128 * KiB + (any(3) - 1) * dev.lba;
	case 4:
		return MiB + any(3) * dev.lba;
	case 5:
		return any(300 * KiB);
	case 6:
		return dev.lba * any(2 * MiB / dev.lba);
	default:
		return PG * (1 + any(8));
	}
}

static uint64_t offset(void)
{
	switch (any(16)) {
	case 0:
		return dev.size - dev.lba * any(300);
	case 1:
		return dev.size + (any(5) - 2) * dev.lba;
	case 2:
		return any(dev.size);
	case 3:
		return 1ULL << any(64);
	case 4:
		return (1ULL << any(64)) - dev.lba;
	case 5:
	case 6:
	case 7:
		/* Many on the same blocks, for claims. */
		return dev.lba * any(64);
	default:
		return dev.lba * any(dev.size / dev.lba);
	}
}

struct buffer {
	uintptr_t at;
	uint64_t len;
};

static struct buffer dishonest(uint64_t len)
{
	static const uint64_t odd[] = { 0, 1, PG, BASE + PAST, BASE + NOTHING, 1ULL << 47,
		~0ULL << 47, ~0ULL - PG + 1, ~0ULL };

	switch (any(6)) {
	case 0:
		return (struct buffer){ BASE + READ_ONLY + any(MiB), any(2) ? len : len % PG };
	case 1:
		return (struct buffer){ BASE + FILE_AT + any(MiB), len };
	case 2:
		return (struct buffer){ BASE + FILE_AT + MiB - PG * any(4), len };
	case 3:
		return (struct buffer){ BASE + FILE_AT, 1ULL << any(64) };
	default:
		return (struct buffer){ odd[any(ARRAY_SIZE(odd))] + any(2) * any(PG), len };
	}
}

static struct buffer buffer_of(uint64_t len)
{
	static const unsigned int align[] = { PG, PG, PG, 512, 512, 4, 4, 1 };
	unsigned int a = align[any(ARRAY_SIZE(align))];

	if (one_in(10) || len > HONEST)
		return dishonest(len);
	if (len <= FUZZ_MAPS_LEN && one_in(4)) {
		uint64_t at = any(FUZZ_MAPS_LEN - len + 1) / a * a;

		return (struct buffer){ BASE + FUZZ_MAPS + at, len };
	}
	/* Often just before what must not change. */
	if (one_in(3))
		return (struct buffer){ BASE + HONEST - len, len };
	return (struct buffer){ BASE + any(HONEST - len + 1) / a * a, len };
}

static struct buffer buffer(void)
{
	return buffer_of(length());
}

/* iovecs in the page after the first of ARGS; as many as *@nr says afterwards. */
static struct iovec *vector(unsigned int *nr)
{
	struct iovec *v = (void *)(BASE + ARGS + PG);
	unsigned int n = one_in(20) ? any(1026) : 1 + any(6);
	bool tiny = one_in(4);

	*nr = n;
	if (n > 64)
		n = 64;
	for (unsigned int i = 0; i < n; i++) {
		struct buffer b = buffer_of(tiny ? any(64) * 4 : length() % (256 * KiB));

		v[i] = (struct iovec){ (void *)b.at, b.len };
	}
	/* The rest is what earlier calls have left there. */
	return one_in(50) ? (void *)(BASE + NOTHING) : v;
}

static int rwf(void)
{
	static const int known[] = { 0, 0, 0, 0, RWF_HIPRI, RWF_DSYNC, RWF_SYNC, RWF_NOWAIT,
		RWF_APPEND, RWF_NOWAIT | RWF_HIPRI, 0x20, 0x40, 0x80 };

	return one_in(30) ? (int)rnd(state) : known[any(ARRAY_SIZE(known))];
}

/* ---- plain calls ---- */

static void call_rw(void)
{
	int f = node(), write = any(2);
	uint64_t off = offset();
	struct buffer b = buffer();

	if (!doing("%s fd %d %#lx %#lx at %#lx", write ? "pwrite" : "pread", f, b.at, b.len, off))
		return;
	did(write ? pwrite(fds[f], (void *)b.at, b.len, off) :
		    pread(fds[f], (void *)b.at, b.len, off));
}

static void call_rwv(void)
{
	int f = node(), write = any(2), flags = rwf();
	uint64_t off = one_in(8) ? -1ULL : offset();
	unsigned int nr;
	struct iovec *v = vector(&nr);

	if (!doing("%s fd %d %u iovecs flags %#x at %#lx", write ? "pwritev2" : "preadv2", f, nr,
		   flags, off))
		return;
	did(write ? pwritev2(fds[f], v, nr, off, flags) : preadv2(fds[f], v, nr, off, flags));
}

static void call_position(void)
{
	int f = node(), what = any(8);
	uint64_t off = offset();
	struct buffer b = buffer();

	if (!doing("position %d fd %d %#lx %#lx at %#lx", what, f, b.at, b.len, off))
		return;
	lseek(fds[f], off, SEEK_SET);
	switch (what) {
	case 0:
		did(lseek(fds[f], off, any(7)));
		break;
	case 1:
	case 2:
		did(read(fds[f], (void *)b.at, b.len));
		break;
	case 3:
	case 4:
		did(write(fds[f], (void *)b.at, b.len));
		break;
	default:
		did(lseek(fds[f], -off, SEEK_END));
	}
}

static void call_splice(void)
{
	int f = node(), g = node(), what = any(5), flags = any(16) | SPLICE_F_NONBLOCK;
	uint64_t off = offset();
	size_t len = length();
	off_t pos = off, other = offset();
	bool drain = any(2);

	if (!doing("splice %d fd %d fd %d %#zx at %#lx flags %#x", what, f, g, len, off, flags))
		return;
	switch (what) {
	case 0:
		did(splice(fds[f], &pos, fds[F_PIPE_IN], NULL, len, flags));
		break;
	case 1:
		did(splice(fds[F_PIPE_OUT], NULL, fds[f], &pos, len, flags));
		break;
	case 2:
		did(sendfile(fds[g], fds[f], &pos, len));
		break;
	case 3:
		did(copy_file_range(fds[f], &pos, fds[g], &other, len, 0));
		break;
	default:
		/* Makes room in the pipe, or fills it. */
		if (drain)
			did(read(fds[F_PIPE_OUT], (void *)(BASE + FILE_AT), 64 * KiB));
		else
			did(vmsplice(fds[F_PIPE_IN], &(struct iovec){ (void *)BASE, 16 * KiB }, 1,
				     SPLICE_F_NONBLOCK));
	}
}

static void call_other(void)
{
	int f = node(), what = any(12), how = any(64);
	uint64_t off = offset(), len = length();
	struct pollfd p = { fds[f], how, 0 };
	void *m;

	if (!doing("other %d fd %d %d %#lx at %#lx", what, f, how, len, off))
		return;
	switch (what) {
	case 0:
		did(fsync(fds[f]));
		break;
	case 1:
		did(fdatasync(fds[f]));
		break;
	case 2:
		did(fallocate(fds[f], how, off, len));
		break;
	case 3:
		did(ftruncate(fds[f], off));
		break;
	case 4:
		did(poll(&p, 1, 0));
		break;
	case 5:
		m = mmap(NULL, len, how & 7, how & 8 ? MAP_SHARED : MAP_PRIVATE, fds[f], off);
		did(m == MAP_FAILED ? -1 : munmap(m, len));
		break;
	case 6:
	case 7:
		did(fcntl(fds[f], F_SETFL, (how & 1 ? O_DIRECT : 0) | (how & 2 ? O_APPEND : 0) |
			  (how & 4 ? O_NONBLOCK : 0) | (how & 8 ? O_NOATIME : 0)));
		break;
	case 8:
		did(posix_fadvise(fds[f], off, len, how % 7) ? -1 : 0);
		break;
	case 9:
		did(readahead(fds[f], off, len));
		break;
	case 10:
		did(sync_file_range(fds[f], off, len, how & 7));
		break;
	default:
		did(syncfs(fds[f]));
	}
}

/* A mapping that I/O in flight may still use goes, and comes back. */
static void call_memory(void)
{
	size_t at = any(HONEST / PG) * PG, len = PG * (1 + any(64));
	int how = any(4);

	if (at + len > HONEST)
		len = HONEST - at;
	if (!doing("memory %d %#zx %#zx", how, at, len))
		return;
	switch (how) {
	case 0:
		did(madvise((void *)(BASE + at), len, MADV_DONTNEED));
		break;
	case 1:
		did(madvise((void *)(BASE + at), len, MADV_PAGEOUT));
		break;
	case 2:
		did(mprotect((void *)(BASE + at), len, PROT_READ | PROT_WRITE));
		break;
	default:
		did(mmap((void *)(BASE + at), len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED ? -1 : 0);
	}
}

static void call_reopen(void)
{
	static const int flags[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_DIRECT, O_PATH,
		O_RDWR | O_TRUNC, O_RDWR | O_EXCL, O_RDWR | O_SYNC | O_DIRECT };
	int f = any(F_CTRL), how = flags[any(ARRAY_SIZE(flags))], fd;

	if (!doing("open fd %d %#x", f, how))
		return;
	fd = open(fuzz_node(), how | O_CLOEXEC, 0600);
	did(fd);
	if (fd < 0)
		return;
	if (fds[f] >= 0)
		close(fds[f]);
	fds[f] = fd;
}

/* ---- commands ---- */

static uint32_t dword(void)
{
	switch (any(4)) {
	case 0:
		return 0;
	case 1:
		return any(256);
	case 2:
		return 1U << any(32);
	default:
		return rnd(state);
	}
}

static void io_command(struct nvme_uring_cmd *c, struct buffer *b)
{
	static const unsigned char known[] = { 0, 1, 1, 1, 2, 2, 2, 2, 4, 5, 8, 9, 0xc, 0xd, 0xe,
		0x11, 0x12, 0x15, 0x18, 0x19, 0x1d, 0x79, 0x7a, 0x7d, 0x80, 0xc1, 0xc2 };
	uint64_t slba = offset() / dev.lba;

	c->opcode = one_in(12) ? any(256) : known[any(ARRAY_SIZE(known))];
	/*
	 * QEMU 10.0 ends with an assertion (block_account_one_io) after a Copy to blocks that
	 * do not exist; lab/vfu does not.
	 */
	if (c->opcode == 0x19 && !fuzz_is_vfu())
		c->opcode = 8;
	*b = buffer_of(one_in(4) ? length() : dev.lba * (1 + any(64)));
	c->cdw10 = slba;
	c->cdw11 = slba >> 32;
	c->cdw12 = (b->len / dev.lba - 1) & 0xffff;
	if (one_in(4))
		c->cdw12 += any(3) - 1;
	if (one_in(8))
		c->cdw12 |= dword();
	/* Dataset Management, reservations, Copy: a small number, or flags. */
	if (one_in(4)) {
		c->cdw10 = any(8);
		c->cdw11 = any(8);
	}
}

static void admin_command(struct nvme_uring_cmd *c, struct buffer *b)
{
	static const unsigned char known[] = { 2, 2, 2, 6, 6, 6, 6, 9, 0xa, 0xa, 0, 1, 4, 5, 8, 0xc,
		0x14, 0x18, 0x19, 0x1a, 0x1c, 0x1d, 0x1e, 0x45, 0x7c, 0x7f, 0x81, 0x82, 0x86, 0xc0,
		0xc1, 0xc2, 0xc3, 0x0d, 0x10, 0x11, 0x15, 0x80, 0x84 };

	c->opcode = one_in(20) ? any(256) : known[any(ARRAY_SIZE(known))];
	/* Those that change namespaces or firmware for good are rare. */
	if ((c->opcode == 0xd || c->opcode == 0x15 || c->opcode == 0x80) && !one_in(4))
		c->opcode = 6;
	*b = buffer_of(one_in(3) ? length() : 4096);
	c->cdw10 = one_in(3) ? dword() : any(32);
	if (c->opcode == 2)
		c->cdw10 = any(32) | ((b->len / 4 - 1 + (one_in(4) ? any(3) - 1 : 0)) << 16);
	c->cdw11 = dword();
	c->cdw12 = dword();
}

/* A command at the start of ARGS; *@admin: of which kind it is. Returns its data. */
static struct nvme_uring_cmd *command(bool *admin)
{
	struct nvme_passthru_cmd64 *whole = (void *)(BASE + ARGS);
	struct nvme_uring_cmd *c = (void *)whole;
	struct buffer b;

	memset(whole, 0, sizeof(*whole));
	*admin = one_in(3);
	if (*admin)
		admin_command(c, &b);
	else
		io_command(c, &b);
	c->nsid = one_in(8) ? dword() : nsid;
	c->addr = b.at;
	c->data_len = b.len;
	if (one_in(16))
		c->flags = any(256);
	if (one_in(16)) {
		c->metadata = BASE + any(HONEST);
		c->metadata_len = any(PG);
	}
	if (one_in(8))
		c->cdw13 = dword();
	if (one_in(8))
		c->cdw14 = dword();
	/* Not for longer: root's commands may take as long as they say. */
	c->timeout_ms = one_in(4) ? any(5000) : 0;
	return c;
}

/* As text, for doing(). */
static const char *shown(const struct nvme_uring_cmd *c)
{
	static char text[192];

	snprintf(text, sizeof(text),
		 "opcode %#x nsid %#x flags %#x addr %#" PRIx64 " len %#x cdw %#x %#x %#x %#x %#x",
		 c->opcode, c->nsid, c->flags, (uint64_t)c->addr, c->data_len, c->cdw10, c->cdw11,
		 c->cdw12, c->cdw13, c->cdw14);
	return text;
}

/* The data of @c are described by iovecs instead. */
static void make_vector(struct nvme_uring_cmd *c)
{
	unsigned int nr;

	c->addr = (uintptr_t)vector(&nr);
	c->data_len = nr;
}

static void call_command(void)
{
	static const unsigned long io[] = { NVME_IOCTL_IO_CMD, NVME_IOCTL_IO64_CMD,
		NVME_IOCTL_IO64_CMD_VEC };
	static const unsigned long adm[] = { NVME_IOCTL_ADMIN_CMD, NVME_IOCTL_ADMIN64_CMD };
	int f = node();
	bool admin;
	struct nvme_uring_cmd *c = command(&admin);
	unsigned long op = admin ? adm[any(2)] : io[any(3)];
	uintptr_t arg = one_in(40) ? dishonest(64).at : BASE + ARGS;

	if (admin && !one_in(4))
		f = F_CTRL + any(2);
	if (op == NVME_IOCTL_IO64_CMD_VEC)
		make_vector(c);
	if (!doing("ioctl %#lx fd %d %#lx: %s", op, f, arg, shown(c)))
		return;
	did(ioctl(fds[f], op, arg));
}

static void call_submit_io(void)
{
	struct nvme_user_io *io = (void *)(BASE + ARGS);
	uint64_t slba = offset() / dev.lba;
	struct buffer b = buffer();
	int f = node();

	memset(io, 0, sizeof(*io));
	io->opcode = one_in(8) ? any(256) : 1 + any(2);
	io->nblocks = one_in(8) ? any(65536) : b.len / dev.lba - 1;
	/* What it transfers must be honest, too. */
	if (b.at <= BASE + HONEST && b.at + (io->nblocks + 1UL) * dev.lba > BASE + HONEST)
		b.at = BASE + FILE_AT;
	io->addr = b.at;
	io->slba = slba;
	io->control = one_in(4) ? any(65536) : 0;
	io->metadata = one_in(16) ? BASE : 0;
	if (!doing("NVME_IOCTL_SUBMIT_IO fd %d opcode %#x %#lx nblocks %#x slba %#lx", f,
		   io->opcode, b.at, io->nblocks, slba))
		return;
	did(ioctl(fds[f], NVME_IOCTL_SUBMIT_IO, io));
}

static void call_ioctl(void)
{
	static const unsigned long known[] = { BLKGETSIZE64, BLKGETSIZE, BLKSSZGET, BLKPBSZGET,
		BLKIOMIN, BLKIOOPT, BLKALIGNOFF, BLKROGET, BLKROSET, BLKBSZGET, BLKSECTGET,
		BLKRAGET, BLKDISCARD, BLKDISCARD, BLKZEROOUT, BLKZEROOUT, BLKSECDISCARD, BLKFLSBUF,
		BLKRRPART,
		BLKROTATIONAL, NVME_IOCTL_ID, NVME_IOCTL_RESCAN, NVME_IOCTL_SUBSYS_RESET,
		_IOW('p', 200, char[24]), _IOW('p', 201, char[16]), _IOW('p', 202, char[16]),
		_IOW('p', 203, char[24]), _IOW('p', 204, char[24]), _IOW('p', 205, char[16]),
		0x301, 0x5421 };
	unsigned long op = one_in(12) ? rnd(state) & 0xffffffff : known[any(ARRAY_SIZE(known))];
	uint64_t *args = (void *)(BASE + ARGS), off = offset();
	uintptr_t arg = one_in(20) ? dishonest(64).at : BASE + ARGS;
	int f = node();

	for (unsigned int i = 0; i < 8; i++)
		args[i] = one_in(3) ? rnd(state) : any(8);
	if (any(3)) {
		args[0] = off;
		args[1] = length();
	}
	/* Read-only for as long as it takes to write this. */
	if (op == BLKROSET)
		args[0] = one_in(16);
	if (!doing("ioctl %#lx fd %d %#lx: %#lx %#lx %#lx", op, f, arg, args[0], args[1], args[2]))
		return;
	did(ioctl(fds[f], op, arg));
}

/* ---- libaio ---- */

static void call_aio(void)
{
	static struct iocb cbs[8];
	struct iocb *list[8];
	unsigned int n = 1 + any(8), what = any(24);
	struct io_event ev[8];
	struct timespec t = { 0, 1000 * any(3000) };

	for (unsigned int i = 0; i < n; i++) {
		struct buffer b = buffer();
		unsigned int nr;

		memset(&cbs[i], 0, sizeof(cbs[i]));
		list[i] = &cbs[i];
		cbs[i].aio_fildes = node();
		cbs[i].aio_lio_opcode = one_in(16) ? any(10) : any(2);
		if (one_in(3)) {
			cbs[i].aio_lio_opcode = 7 + any(2);
			b.at = (uintptr_t)vector(&nr);
			b.len = nr;
		}
		cbs[i].aio_rw_flags = rwf();
		cbs[i].u.c.buf = (void *)b.at;
		cbs[i].u.c.nbytes = b.len;
		cbs[i].u.c.offset = offset();
	}
	if (!doing("aio %u: %u, opcode %u fd %u %p %#lx at %#llx flags %#x", what, n,
		   cbs[0].aio_lio_opcode, cbs[0].aio_fildes, cbs[0].u.c.buf, cbs[0].u.c.nbytes,
		   cbs[0].u.c.offset, cbs[0].aio_rw_flags))
		return;
	for (unsigned int i = 0; i < n; i++)
		cbs[i].aio_fildes = fds[cbs[i].aio_fildes];
	if (!aio)
		(void)!io_setup(128, &aio);
	if (what < 2) {
		did(io_cancel(aio, list[0], ev));
	} else if (what < 4) {
		did(io_getevents(aio, 1, 8, ev, &t));
	} else if (what == 4) {
		did(io_destroy(aio));
		aio = NULL;
	} else {
		did(io_submit(aio, n, list));
	}
	(void)!io_getevents(aio, 0, 8, ev, &(struct timespec){ 0, 0 });
}

/* ---- io_uring ---- */

static void call_ring(void)
{
	static const unsigned int modes[] = { 0, 0, IORING_SETUP_IOPOLL, IORING_SETUP_IOPOLL,
		IORING_SETUP_SQPOLL, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_COOP_TASKRUN };
	unsigned int mode = modes[any(ARRAY_SIZE(modes))];
	bool big = any(2), fixed = any(2);
	struct io_uring_params p = { .sq_thread_idle = 5 };
	struct iovec v[4];

	p.flags = mode | (big ? IORING_SETUP_SQE128 | IORING_SETUP_CQE32 : 0);
	for (unsigned int i = 0; i < 4; i++)
		v[i] = (struct iovec){ (void *)(BASE + i * MiB + any(PG)), PG * (1 + any(64)) };
	if (one_in(2))
		v[3].iov_base = (void *)(BASE + FUZZ_MAPS);
	if (!doing("ring %#x, %s", p.flags, fixed ? "fixed" : "plain"))
		return;
	if (ring_up)
		io_uring_queue_exit(&ring);
	ring_up = !io_uring_queue_init_params(32, &ring, &p);
	ring_big = big;
	did(ring_up ? 0 : -1);
	if (ring_up && fixed) {
		fuzz_maps_fill(MiB);
		did(io_uring_register_buffers(&ring, v, 4));
		did(io_uring_register_files(&ring, fds, F_CTRL_WRITE + 1));
	}
}

static void prep_any_command(struct io_uring_sqe *sqe)
{
	bool admin;
	struct nvme_uring_cmd *c = command(&admin);
	bool vec = one_in(4);

	if (vec)
		make_vector(c);
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->cmd_op = admin ? (vec ? NVME_URING_CMD_ADMIN_VEC : NVME_URING_CMD_ADMIN) :
			      (vec ? NVME_URING_CMD_IO_VEC : NVME_URING_CMD_IO);
	if (admin && !one_in(4))
		sqe->fd = F_CTRL + any(2);
	/* BLOCK_URING_CMD_DISCARD. */
	if (one_in(8)) {
		sqe->cmd_op = _IO(0x12, 0);
		sqe->addr = offset();
		sqe->addr3 = length();
	}
	if (one_in(3)) {
		sqe->uring_cmd_flags = 1;
		sqe->buf_index = any(5);
	}
	memcpy(sqe->cmd, c, sizeof(*c));
}

static void prep_rw(struct io_uring_sqe *sqe)
{
	static const unsigned char ops[] = { IORING_OP_READ, IORING_OP_READ, IORING_OP_WRITE,
		IORING_OP_WRITE, IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_READ_FIXED,
		IORING_OP_WRITE_FIXED,
		IORING_OP_FSYNC, IORING_OP_POLL_ADD, IORING_OP_FALLOCATE, IORING_OP_FADVISE,
		IORING_OP_SYNC_FILE_RANGE, IORING_OP_NOP, IORING_OP_ASYNC_CANCEL };
	struct buffer b = buffer();
	unsigned int nr;

	sqe->opcode = ops[any(ARRAY_SIZE(ops))];
	if (sqe->opcode == IORING_OP_READV || sqe->opcode == IORING_OP_WRITEV) {
		b.at = (uintptr_t)vector(&nr);
		b.len = nr;
	} else if (sqe->opcode == IORING_OP_READ_FIXED || sqe->opcode == IORING_OP_WRITE_FIXED) {
		sqe->buf_index = any(5);
		b.at = BASE + sqe->buf_index * MiB + any(8) * PG;
		if (sqe->buf_index == 3 && any(2))
			b.at = BASE + FUZZ_MAPS + any(8) * PG;
	}
	sqe->addr = b.at;
	sqe->len = b.len;
	sqe->off = one_in(10) ? -1ULL : offset();
	sqe->rw_flags = sqe->opcode == IORING_OP_ASYNC_CANCEL ? (int)any(16) : rwf();
}

static void add_sqe(bool batch)
{
	struct io_uring_sqe room[2], *sqe;
	unsigned int flags = one_in(3) ? any(128) : 0, cmd = any(2), data = any(64);
	const char *text = "";

	memset(room, 0, sizeof(room));
	room->fd = node();
	if (batch) {
		room->fd = any(F_CTRL);
		text = fuzz_batch(room);
	} else if (cmd) {
		prep_any_command(room);
		text = shown((void *)room->cmd);
	} else {
		prep_rw(room);
	}
	if (!doing("sqe opcode %u fd %d flags %#x addr %#llx len %#x off %#llx rw %#x%s%s",
		   room->opcode, room->fd, flags, room->addr, room->len, room->off, room->rw_flags,
		   *text ? ": " : "", text) || !ring_up)
		return;
	sqe = io_uring_get_sqe(&ring);
	if (!sqe)
		return;
	memcpy(sqe, room, ring_big ? 128 : 64);
	/* No buffer is provided, but the request may say so. */
	sqe->flags = flags;
	if (!(flags & IOSQE_FIXED_FILE))
		sqe->fd = fds[room->fd];
	sqe->user_data = data;
}

static void call_enter(void)
{
	unsigned int how = any(4);
	struct io_uring_cqe *cqe;
	struct __kernel_timespec t = { 0, 1000 * any(5000) };

	if (!doing("enter %u, %lld ns", how, t.tv_nsec) || !ring_up)
		return;
	did(how ? io_uring_submit(&ring) : io_uring_submit_and_get_events(&ring));
	/* Waiting polls; without a limit it would wait for what never comes. */
	if (how == 1)
		did(io_uring_wait_cqe_timeout(&ring, &cqe, &t));
	while (!io_uring_peek_cqe(&ring, &cqe))
		io_uring_cqe_seen(&ring, cqe);
}

static void call_sqe(void)
{
	add_sqe(false);
}

static void call_batches(void)
{
	for (unsigned int i = 1 + any(3); i--;)
		add_sqe(true);
	call_enter();
}

static const struct {
	void (*call)(void);
	unsigned int weight;
} kinds[] = {
	{ call_rw, 16 }, { call_rwv, 16 }, { call_position, 3 }, { call_splice, 5 },
	{ call_other, 5 }, { call_memory, 3 }, { call_reopen, 1 }, { call_command, 16 },
	{ call_submit_io, 3 }, { call_ioctl, 8 }, { call_aio, 12 }, { call_ring, 3 },
	{ call_sqe, 30 }, { call_enter, 12 }, { fuzz_maps_memory, 12 }, { fuzz_maps_ioctl, 12 },
	{ call_batches, 12 }, { fuzz_ring, 24 }, { fuzz_range, 1 },
};

/* ---- for fuzz_maps.c and fuzz_many.c ---- */

char *const fuzz_base = (char *)BASE;

uint64_t fuzz_any(uint64_t n)
{
	return any(n);
}

uint64_t fuzz_offset(void)
{
	return offset();
}

uint64_t fuzz_length(void)
{
	return length();
}

int fuzz_fd(int f)
{
	return fds[f];
}

int fuzz_file(void)
{
	return node();
}

uintptr_t fuzz_buffer(uint64_t len)
{
	return buffer_of(len).at;
}

void fuzz_set_fd(int f, int fd)
{
	close(fds[f]);
	fds[f] = fd;
}

/* ---- for fuzz.c ---- */

static void map(unsigned long at, size_t len, int prot, int fd)
{
	if (mmap((void *)(BASE + at), len, prot, MAP_FIXED | (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS :
		 MAP_SHARED), fd, 0) == MAP_FAILED)
		bail("mmap at %#lx", at);
}

static void make_memory(void)
{
	fds[F_MEM] = memfd_create("fuzz", MFD_CLOEXEC);
	if (fds[F_MEM] < 0 || ftruncate(fds[F_MEM], MiB))
		bail("memfd_create");
	map(0, HONEST, PROT_READ | PROT_WRITE, -1);
	madvise((void *)(BASE + HONEST / 2), HONEST / 2, MADV_HUGEPAGE);
	map(HONEST, CANARY, PROT_READ | PROT_WRITE, -1);
	memset((void *)(BASE + HONEST), 0x5a, CANARY);
	map(READ_ONLY, MiB, PROT_READ, -1);
	map(NOTHING, MiB, PROT_NONE, -1);
	map(FILE_AT, 2 * MiB, PROT_READ | PROT_WRITE, fds[F_MEM]);
	map(ARGS, 64 * KiB, PROT_READ | PROT_WRITE, -1);
}

void fuzz_open(void)
{
	static const int how[] = { O_RDWR | O_DIRECT, O_RDWR, O_RDONLY | O_DIRECT,
		O_WRONLY | O_DIRECT, O_RDONLY, O_RDWR | O_APPEND | O_NONBLOCK };

	for (unsigned int f = 0; f < F_CTRL; f++)
		fds[f] = open(fuzz_node(), how[f] | O_CLOEXEC);
	fds[F_CTRL] = open(fuzz_ctrl(), O_RDONLY | O_CLOEXEC);
	fds[F_CTRL_WRITE] = open(fuzz_ctrl(), O_RDWR | O_CLOEXEC);
	if (pipe2(fds + F_PIPE_IN, O_NONBLOCK | O_CLOEXEC))
		bail("pipe");
	/* In the order of their names. */
	fds[F_PIPE_IN] ^= fds[F_PIPE_OUT];
	fds[F_PIPE_OUT] ^= fds[F_PIPE_IN];
	fds[F_PIPE_IN] ^= fds[F_PIPE_OUT];
	fuzz_maps_fill(FUZZ_MAPS_LEN);
}

void fuzz_call(void)
{
	unsigned int sum = 0, n;

	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++)
		sum += kinds[i].weight;
	n = any(sum);
	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (n < kinds[i].weight) {
			kinds[i].call();
			return;
		}
		n -= kinds[i].weight;
	}
}

void fuzz_begin(struct fuzz_progress *progress, uint64_t *seed, unsigned int ns, bool only_printed)
{
	nsid = ns;
	me = progress;
	state = seed;
	printed = only_printed;
	make_memory();
}

bool fuzz_overrun(void)
{
	unsigned char *p = (void *)(BASE + HONEST);
	size_t first = 0, end = CANARY;

	while (first < CANARY && p[first] == 0x5a)
		first++;
	if (first == CANARY)
		return false;
	while (p[end - 1] == 0x5a)
		end--;
	note("changed from %#zx to %#zx behind honest memory, by one of:", first, end);
	for (unsigned int i = lasts < LASTS ? 0 : lasts - LASTS; i < lasts; i++)
		note("  %s", last[i % LASTS]);
	fflush(stdout);
	memset(p, 0x5a, CANARY);
	return true;
}

void fuzz_end(void)
{
	if (ring_up)
		io_uring_queue_exit(&ring);
}
