// SPDX-License-Identifier: GPL-2.0
/*
 * mapstorm.c with memory that exists already: the program's (NVDIO_MAP_USER), found by its
 * address and by its identifier, dma-bufs, and registered buffers of io_uring. Around each
 * there is a page whose contents must stay.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mapstorm.h"

#define LEN (NR * PG)
#define ALL (LEN + 2 * PG)	/* with the pages around it */

/* ---- memory ---- */

struct area {
	char *all, *p;		/* the first page before it, and the memory */
	uint64_t guard;		/* what the pages around it hold */
	uint32_t id;		/* of its map, 0: none */
	int mem;		/* its file, or -1 */
	int buf;		/* its dma-buf, or -1 */
};

static void area_new(struct area *a, bool with_file)
{
	*a = (struct area){ .guard = rnd(&state), .mem = -1, .buf = -1 };
	if (with_file) {
		a->mem = memfd_create("mapstorm", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		must(a->mem < 0 ? -errno : 0, 0, "memfd_create");
		must(reterr(ftruncate(a->mem, ALL)), 0, "ftruncate");
		a->all = mmap(NULL, ALL, PROT_READ | PROT_WRITE, MAP_SHARED, a->mem, 0);
		must(a->all == MAP_FAILED ? -errno : 0, 0, "mmap of a file");
	} else {
		a->all = ordinary(NULL, ALL);
	}
	a->p = a->all + PG;
	fill(a->all, PG, a->guard, 0);
	fill(a->p + LEN, PG, a->guard, PG);
}

static void area_add(struct area *a)
{
	struct nvdio_map_add add = {
		.addr = (uintptr_t)a->p, .len = LEN, .flags = NVDIO_MAP_USER
	};

	if (a->buf >= 0) {
		add.flags = NVDIO_MAP_DMABUF;
		add.addr = 0;
		add.dmabuf_fd = a->buf;
	}
	must(reterr(ioctl(fd, NVDIO_IOC_MAP_ADD, &add)), 0, "MAP_ADD");
	a->id = add.id;
}

static void area_del(struct area *a)
{
	if (a->id)
		must(reterr(ioctl(fd, NVDIO_IOC_MAP_DEL, &a->id)), 0, "MAP_DEL");
	a->id = 0;
}

static void area_close(int *file)
{
	if (*file >= 0)
		close(*file);
	*file = -1;
}

static void area_end(struct area *a)
{
	pattern(a->all, PG, a->guard, 0, "the page before");
	pattern(a->all + PG + LEN, PG, a->guard, PG, "the page behind");
	area_del(a);
	munmap(a->all, ALL);
	area_close(&a->buf);
	area_close(&a->mem);
}

/* ---- by its address, which the program changes ---- */

/* Moved away and back, with reads in flight, and reads there and here. */
static void move(char *p)
{
	char *q = ordinary(NULL, LEN);

	if (mremap(p, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, q) != q)
		must(-errno, 0, "mremap");
	must(reterr(pread(fd, p, STEP, 0)), -EFAULT, "read to where memory was");
	arrive("read in flight, registered memory moved");
	pattern(q, LEN, t_seed, 0, "registered memory that was moved");
	read_known(q, LEN, "read into registered memory that was moved");
	if (mremap(q, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, p) != p)
		must(-errno, 0, "mremap");
	read_known(p, LEN, "read into registered memory that came back");
}

static void protect(char *p)
{
	char *back = ordinary(NULL, STEP);

	mprotect(p, LEN, PROT_READ);
	must(reterr(pread(fd, p, STEP, 0)), -EFAULT, "read into memory for reading");
	must(reterr(pwrite(fd, p, STEP, OWN_AT(me))), STEP, "write from memory for reading");
	arrive("read in flight, registered memory protected");
	pattern(p, LEN, t_seed, 0, "registered memory that was protected");
	mprotect(p, LEN, PROT_READ | PROT_WRITE);
	read_known(p, LEN, "read into registered memory, writable again");
	must(reterr(pread(fd, back, STEP, OWN_AT(me))), STEP, "read");
	must(reterr(pwrite(fd, p, STEP, OWN_AT(me))), STEP, "write");
	munmap(back, STEP);
}

/* New pages at the address; the reads in flight have the old ones. */
static void renew(const struct area *a)
{
	const uint64_t seed = rnd(&state);

	if (a->mem >= 0)
		must(reterr(fallocate(a->mem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PG, LEN)),
		     0, "fallocate");
	else
		must(reterr(madvise(a->p, LEN, MADV_DONTNEED)), 0, "madvise");
	fill(a->p, LEN, seed, 0);
	arrive("read in flight, its pages replaced");
	pattern(a->p, LEN, seed, 0, "new pages in the place of registered memory");
	read_known(a->p, LEN, "read into new pages");
}

/* Pages are unmapped, and are the same when they are accessed again. */
static void drop(const struct area *a)
{
	const int advice = a->mem >= 0 ? MADV_DONTNEED : MADV_COLD;
	int f = open("/proc/sys/vm/compact_memory", O_WRONLY | O_CLOEXEC);

	madvise(a->p, LEN, advice);
	if (f >= 0) {
		(void)!write(f, "1", 1);
		close(f);
	}
	arrive("read in flight, its pages looked for");
	pattern(a->p, LEN, t_seed, 0, "registered memory, looked for again");
	read_known(a->p, LEN, "read into registered memory, looked for again");
}

/* A child has copies, or shares the memory. */
static void copy(const struct area *a)
{
	pid_t pid = fork();

	if (!pid) {
		if (a->mem < 0) {
			fill(a->p, LEN, t_seed + 1, 0);
			read_known(a->p, STEP, "read into a copy of registered memory");
			pattern(a->p + STEP, LEN - STEP, t_seed + 1, STEP,
				"a copy of registered memory");
		}
		munmap(a->all, ALL);
		_exit(0);
	}
	arrive("read in flight, its memory copied");
	pattern(a->p, LEN, t_seed, 0, "registered memory that was copied");
	read_known(a->p, LEN, "read into registered memory, there is a copy");
	waitpid(pid, NULL, 0);
	read_known(a->p, LEN, "read into registered memory, there was a copy");
}

void registered(void)
{
	struct area a;

	area_new(&a, below(&state, 2));
	area_add(&a);
	read_known(a.p, LEN, "read into registered memory");
	depart(a.p);
	switch (below(&state, 7)) {
	case 0:
		replace(a.p, true);
		/* Not with the page behind it. */
		ordinary(a.p, LEN);
		break;
	case 1:
		replace(a.p, false);
		ordinary(a.p, LEN);
		break;
	case 2:
		move(a.p);
		break;
	case 3:
		protect(a.p);
		break;
	case 4:
		renew(&a);
		break;
	case 5:
		drop(&a);
		break;
	default:
		copy(&a);
	}
	area_end(&a);
}

/* ---- by its identifier ---- */

struct reader {
	pthread_t thread;
	uint32_t id;
	uint64_t random;
	long ret;
	atomic_uint reads;
	atomic_bool ended;
};

static long rw(uint32_t id, uint32_t flags, uint64_t map_offset, uint64_t offset, uint64_t len)
{
	struct nvdio_rw r = {
		.id = id, .flags = flags, .map_offset = map_offset, .offset = offset, .len = len
	};

	return reterr(ioctl(fd, NVDIO_IOC_RW, &r));
}

/* Known data, to anywhere in the map, until it is no longer there. */
static void *reader(void *arg)
{
	struct reader *r = arg;
	long len;

	do {
		len = (1 + below(&r->random, NR)) * PG;
		r->ret = rw(r->id, 0, below(&r->random, (LEN - len) / 4 + 1) * 4,
			    known(&r->random, len), len);
		atomic_fetch_add(&r->reads, 1);
	} while (r->ret == len);
	atomic_store(&r->ended, true);
	return NULL;
}

static void reader_start(struct reader *r, uint32_t id)
{
	*r = (struct reader){ .id = id, .random = rnd(&state) };
	if (pthread_create(&r->thread, NULL, reader, r))
		must(-1, 0, "pthread_create");
}

static void reader_reads(struct reader *r)
{
	while (!atomic_load(&r->reads))
		usleep(100);
}

static void reader_end(struct reader *r)
{
	pthread_join(r->thread, NULL);
	must(r->ret, -ENOENT, "RW until MAP_DEL");
}

/* By its identifier, contents go there and back. */
static void there_and_back(const struct area *a)
{
	const uint64_t off = known(&state, LEN / 2);

	must(rw(a->id, 0, 0, off, LEN / 2), LEN / 2, "RW, a read");
	must(rw(a->id, NVDIO_RW_WRITE, 0, OWN_AT(me), LEN / 2), LEN / 2, "RW, a write");
	must(rw(a->id, 0, LEN / 2, OWN_AT(me), LEN / 2), LEN / 2, "RW, a read of what was written");
	pattern(a->p, LEN / 2, t_seed, off, "memory read into by its identifier");
	pattern(a->p + LEN / 2, LEN / 2, t_seed, off, "memory written and read by its identifier");
}

/* Once its identifier is deleted the memory is the program's alone. */
static void deleted(struct area *a)
{
	const uint64_t seed = rnd(&state);
	struct reader r;

	reader_start(&r, a->id);
	reader_reads(&r);
	area_del(a);
	fill(a->p, LEN, seed, 0);
	reader_end(&r);
	pattern(a->p, LEN, seed, 0, "memory after MAP_DEL");
}

/* What is at its address is nothing to commands by its identifier. */
static void moved_away(struct area *a)
{
	const uint64_t seed = rnd(&state);
	struct reader r;

	reader_start(&r, a->id);
	reader_reads(&r);
	ordinary(a->p, LEN);
	fill(a->p, LEN, seed, 0);
	usleep(1000);
	area_del(a);
	reader_end(&r);
	pattern(a->p, LEN, seed, 0, "memory at the address of a map");
}

void by_id(void)
{
	struct area a;

	area_new(&a, below(&state, 2));
	area_add(&a);
	there_and_back(&a);
	if (below(&state, 2))
		deleted(&a);
	else
		moved_away(&a);
	area_end(&a);
}

/* Memory of the driver's without an address, read into by another process. */
void shared_id(void)
{
	struct nvdio_map_add add = {
		.len = LEN, .flags = NVDIO_MAP_ALLOC | NVDIO_MAP_SHARED
	};
	struct reader r;
	pid_t pid;

	must(reterr(ioctl(fd, NVDIO_IOC_MAP_ADD, &add)), 0, "MAP_ADD");
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		reader_start(&r, add.id);
		reader_end(&r);
		_exit(0);
	}
	must(rw(add.id, 0, 0, 0, LEN), LEN, "RW by the one that has added it");
	usleep(below(&state, 20000));
	must(reterr(ioctl(fd, NVDIO_IOC_MAP_DEL, &add.id)), 0, "MAP_DEL");
	waitpid(pid, NULL, 0);
}

/* ---- dma-bufs ---- */

bool have_dmabufs(void)
{
	return !access("/dev/udmabuf", R_OK | W_OK) &&
	       !access("/dev/dma_heap/system", R_OK | W_OK);
}

/* All of an area but the pages around it. */
static void udmabuf(struct area *a)
{
	struct udmabuf_create c = { .flags = UDMABUF_FLAGS_CLOEXEC, .offset = PG, .size = LEN };
	int dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);

	area_new(a, true);
	must(reterr(fcntl(a->mem, F_ADD_SEALS, F_SEAL_SHRINK)), 0, "F_SEAL_SHRINK");
	c.memfd = a->mem;
	a->buf = ioctl(dev, UDMABUF_CREATE, &c);
	must(a->buf < 0 ? -errno : 0, 0, "UDMABUF_CREATE");
	close(dev);
}

/* Memory of a heap; the pages around it are ordinary ones. */
static void heap(struct area *a)
{
	struct dma_heap_allocation_data h = { .len = LEN, .fd_flags = O_RDWR | O_CLOEXEC };
	int dev = open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC);

	area_new(a, false);
	must(reterr(ioctl(dev, DMA_HEAP_IOCTL_ALLOC, &h)), 0, "DMA_HEAP_IOCTL_ALLOC");
	close(dev);
	a->buf = h.fd;
	if (mmap(a->p, LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, a->buf, 0) != a->p)
		must(-errno, 0, "mmap of a dma-buf");
}

void dmabufs(void)
{
	const unsigned int how = below(&state, 4);
	struct area a;

	if (!have_dmabufs()) {
		usleep(10000);
		return;
	}
	if (how & 1)
		udmabuf(&a);
	else
		heap(&a);
	area_add(&a);
	/* The map and the mapping have references of their own. */
	if (how & 2) {
		area_close(&a.buf);
		area_close(&a.mem);
	}
	there_and_back(&a);
	deleted(&a);
	area_end(&a);
}

/* ---- registered buffers of io_uring ---- */

static void ring_io(struct io_uring *ring, bool write, char *p, uint64_t off)
{
	for (unsigned int i = 0; i < DEEP; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

		if (write)
			io_uring_prep_write_fixed(sqe, fd, p + i * STEP, STEP, off + i * STEP, 0);
		else
			io_uring_prep_read_fixed(sqe, fd, p + i * STEP, STEP, off + i * STEP, 0);
	}
	must(io_uring_submit(ring), DEEP, "io_uring_submit");
}

static void ring_wait(struct io_uring *ring, const char *what)
{
	struct io_uring_cqe *cqe;

	for (unsigned int i = 0; i < DEEP; i++) {
		must(io_uring_wait_cqe(ring, &cqe), 0, "io_uring_wait_cqe");
		must(cqe->res, STEP, what);
		io_uring_cqe_seen(ring, cqe);
	}
}

static void ring_of(struct io_uring *ring, char *p)
{
	const struct iovec v = { p, LEN };

	must(io_uring_queue_init(DEEP, ring, 0), 0, "io_uring_queue_init");
	must(io_uring_register_buffers(ring, &v, 1), 0, "io_uring_register_buffers");
}

/*
 * Pages that have no address any longer, and of which the map may be gone: only the
 * ring has them, and they hold what was read into them.
 */
void rings(void)
{
	const bool of_node = below(&state, 3) == 0;
	const unsigned int how = below(&state, 4);
	const uint64_t off = known(&state, LEN);
	struct area a = { .id = 0 };
	struct io_uring ring;
	char *p, *back = ordinary(NULL, LEN);

	if (of_node) {
		p = map_new();
	} else {
		area_new(&a, below(&state, 2));
		area_add(&a);
		p = a.p;
	}
	ring_of(&ring, p);
	ring_io(&ring, false, p, off);
	if (!of_node && how & 1)
		area_del(&a);
	if (how & 2)
		ordinary(p, LEN);
	ring_wait(&ring, "read_fixed");
	ring_io(&ring, true, p, OWN_AT(me));
	ring_wait(&ring, "write_fixed");
	must(reterr(pread(fd, back, LEN, OWN_AT(me))), LEN, "read of what a ring has written");
	pattern(back, LEN, t_seed, off, "memory that only a ring has");
	munmap(back, LEN);
	/* With reads in flight that nobody waits for. */
	if (below(&state, 2))
		ring_io(&ring, false, p, off);
	io_uring_queue_exit(&ring);
	if (of_node)
		munmap(p, LEN);
	else
		area_end(&a);
}

/* ---- processes that end ---- */

/* With everything in flight. */
static void all_of_it(int up)
{
	static struct area a, b;
	static struct reader r[2];
	struct io_uring ring;

	/* A file that ends with the process. */
	fd = open(dev.path, O_RDWR | O_DIRECT | O_CLOEXEC);
	must(fd < 0 ? -errno : 0, 0, "open");
	area_new(&a, below(&state, 2));
	area_add(&a);
	reader_start(&r[0], a.id);
	if (have_dmabufs()) {
		udmabuf(&b);
		area_add(&b);
		reader_start(&r[1], b.id);
	}
	ring_of(&ring, a.p);
	ring_io(&ring, false, a.p, 0);
	depart(a.p);
	(void)!write(up, "x", 1);
}

void user_ends(void)
{
	const unsigned int how = below(&state, 4);
	int up[2];
	pid_t pid;
	char c;

	if (pipe2(up, O_CLOEXEC))
		must(-errno, 0, "pipe");
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		all_of_it(up[1]);
		if (!how)
			execl("/bin/true", "true", NULL);
		if (how == 1)
			pause();
		if (how == 2)
			close(fd);
		_exit(0);
	}
	close(up[1]);
	(void)!read(up[0], &c, 1);
	close(up[0]);
	if (how == 1)
		kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
