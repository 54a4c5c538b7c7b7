// SPDX-License-Identifier: GPL-2.0
/*
 * The controller memory buffer as memory for O_DIRECT (PCI_P2PDMA, docs/mapped.md):
 * reads into it, writes from it, so that blocks are copied without host memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/nvme_ioctl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../driver/uapi/nvdio.h"
#include "t.h"

#define RW (PROT_READ | PROT_WRITE)
#define FROM (8 * MiB)		/* on the disk: what is copied, and where to */
#define TO (32 * MiB)
#define THREADS 4

static int fd, ctrl;		/* the namespace, O_DIRECT; its controller */
static size_t cmb;		/* bytes of the memory buffer */

static unsigned char *map(int node, size_t len, int prot, uint64_t from)
{
	void *p = mmap(NULL, len, prot, MAP_SHARED, node, (off_t)(NVDIO_MMAP_CMB + from));

	if (p == MAP_FAILED)
		bail("mmap of %zu bytes", len);
	return p;
}

static uint64_t features(int node)
{
	struct nvdio_info info;

	if (ioctl(node, NVDIO_IOC_INFO, &info))
		bail("NVDIO_IOC_INFO");
	return info.features;
}

/* Copy @len bytes on the disk through @p, and compare. */
static void copied(unsigned char *p, size_t len, uint64_t seed, const char *what)
{
	unsigned char *data = pages(len);
	struct paths paths;

	fill(data, len, seed, 0);
	put(fd, data, len, FROM);
	memset(data, 0, len);
	put(fd, data, len, TO);
	paths = path_start();
	is_ret(pread(fd, p, len, FROM), (ssize_t)len, "%s: read %zu bytes", what, len);
	is_ret(pwrite(fd, p, len, TO), (ssize_t)len, "%s: write them elsewhere", what);
	went(paths, 2, 0, "%s: neither was copied by the CPU", what);
	get(fd, data, len, TO);
	holds(data, len, seed, 0, "%s: the contents", what);
	munmap(data, len);
}

static void offered(void)
{
	ok(features(fd) & NVDIO_FEATURE_CMB_IO, "NVDIO_FEATURE_CMB_IO, namespace");
	ok(features(ctrl) & NVDIO_FEATURE_CMB_IO, "NVDIO_FEATURE_CMB_IO, controller");
}

static void not_offered(void)
{
	is(features(fd) & NVDIO_FEATURE_CMB_IO, 0, "no NVDIO_FEATURE_CMB_IO, namespace");
	is(features(ctrl) & NVDIO_FEATURE_CMB_IO, 0, "no NVDIO_FEATURE_CMB_IO, controller");
}

static void copies(void)
{
	static const size_t sizes[] = { 512, PG, 2 * PG, 3 * PG + 512, 64 * KiB, 132 * KiB,
					MiB, 3 * MiB };
	unsigned char *p = map(fd, cmb, RW, 0);
	uint64_t seed = 10;

	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		copied(p, sizes[i], seed++, "at the start");
		copied(p + 5 * PG, sizes[i], seed++, "inside");
		copied(p + 7 * PG + 516, sizes[i], seed++, "inside of a page");
	}
	copied(p + cmb - MiB, MiB, seed++, "at the end");
	munmap(p, cmb);
}

/* What the CPU sees there, and that nothing else has changed. */
static void contents(void)
{
	unsigned char *p = map(ctrl, 8 * PG, RW, MiB), *q, *data = pages(8 * PG);

	fill(data, 8 * PG, 3, 0);
	put(fd, data, 8 * PG, FROM);
	fill(p, 8 * PG, 4, 0);
	is_ret(pread(fd, p + 2 * PG, 3 * PG, FROM + 2 * PG), 3 * PG, "read into the middle");
	holds(p, 2 * PG, 4, 0, "what is before has stayed");
	holds(p + 2 * PG, 3 * PG, 3, 2 * PG, "the CPU sees what was read");
	holds(p + 5 * PG, 3 * PG, 4, 5 * PG, "what is behind has stayed");
	q = map(fd, 8 * PG, PROT_READ, MiB);
	holds(q + 2 * PG, 3 * PG, 3, 2 * PG, "so does another mapping");
	is_ret(pread(fd, q, PG, FROM), -EFAULT, "no read into one that cannot be written to");
	is_ret(pwrite(fd, q, 8 * PG, TO), 8 * PG, "but a write from it");
	get(fd, data, 8 * PG, TO);
	holds(data, 2 * PG, 4, 0, "what the CPU has written is on the disk");
	holds(data + 2 * PG, 3 * PG, 3, 2 * PG, "what was read is, too");
	munmap(q, 8 * PG);
	munmap(p, 8 * PG);
	munmap(data, 8 * PG);
}

static void refused(void)
{
	unsigned char *p = map(fd, 16 * PG, RW, 0), *host = pages(4 * PG);
	struct iovec mixed[] = { { p, PG }, { host, PG } };
	struct iovec turned[] = { { host, 2 * PG }, { p, 2 * PG } };
	struct iovec gaps[] = { { p, dev.lba / 2 }, { p + 2 * PG, dev.lba / 2 } };
	struct iovec apart[] = { { p + 8 * PG, PG }, { p + 2 * PG, 2 * PG } };
	struct nvdio_map_add add = { .addr = (uintptr_t)p, .len = PG, .flags = NVDIO_MAP_USER };
	struct nvme_passthru_cmd c = {
		.opcode = 2, .nsid = dev_nsid(), .addr = (uintptr_t)p, .data_len = PG,
		.cdw12 = PG / dev.lba - 1,
	};
	struct io_uring ring;
	struct paths paths;

	is_ret(preadv(fd, mixed, 2, FROM), -EINVAL, "with ordinary memory behind");
	is_ret(preadv(fd, turned, 2, FROM), -EINVAL, "and before");
	is_ret(pwritev(fd, mixed, 2, TO), -EINVAL, "a write with ordinary memory");
	is_ret(preadv(fd, gaps, 2, FROM), -EINVAL, "a block in pieces that PRPs cannot describe");
	is_ret(pread(fd, p + 2, PG, FROM), -EINVAL, "not aligned");
	paths = path_start();
	is_ret(preadv(fd, apart, 2, FROM), 3 * PG, "whole pages that are apart");
	is_ret(pwritev(fd, apart, 2, TO), 3 * PG, "and a write of them");
	went(paths, 2, 0, "neither was copied by the CPU");
	if (io_uring_queue_init(4, &ring, 0))
		bail("io_uring");
	is(io_uring_register_buffers(&ring, apart, 1), -EREMOTEIO, "registered with io_uring");
	io_uring_queue_exit(&ring);
	is_ret(ioctl(fd, NVDIO_IOC_MAP_ADD, &add), -EREMOTEIO, "NVDIO_IOC_MAP_ADD");
	is_ret(ioctl(fd, NVME_IOCTL_IO_CMD, &c), -EREMOTEIO, "passthrough");
	munmap(p, 16 * PG);
	munmap(host, 4 * PG);
}

/*
 * Without O_DIRECT the CPU copies, which needs no pins if the caller waits; a worker
 * would need them.
 */
static void buffered(void)
{
	unsigned char *p = map(fd, 4 * PG, RW, 0), *data = pages(4 * PG);
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	int copy = dev_open(O_RDWR);

	fill(data, 4 * PG, 20, 0);
	put(fd, data, 4 * PG, FROM);
	memset(p, 0, 4 * PG);
	is_ret(pread(copy, p + 100, 3 * PG, FROM + 100), 3 * PG, "read without O_DIRECT");
	holds(p + 100, 3 * PG, 20, 100, "the contents");
	is_ret(pwrite(copy, p + 100, 3 * PG, TO + 100), 3 * PG, "write without O_DIRECT");
	get(copy, data, 3 * PG, TO + 100);
	holds(data, 3 * PG, 20, 100, "the contents on the disk");
	if (io_uring_queue_init(4, &ring, 0))
		bail("io_uring");
	io_uring_prep_read(io_uring_get_sqe(&ring), copy, p, PG, FROM);
	io_uring_submit_and_wait(&ring, 1);
	if (io_uring_wait_cqe(&ring, &cqe))
		bail("io_uring_wait_cqe");
	is(cqe->res, -EREMOTEIO, "not by io_uring");
	io_uring_cqe_seen(&ring, cqe);
	io_uring_queue_exit(&ring);
	munmap(p, 4 * PG);
	munmap(data, 4 * PG);
	close(copy);
}

/* 32 at once, and the mapping is gone before they are. */
static void unmapped(void)
{
	unsigned char *p = map(fd, 32 * 64 * KiB, RW, 0), *data = pages(32 * 64 * KiB);
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	int whole = 0;

	fill(data, 32 * 64 * KiB, 5, 0);
	put(fd, data, 32 * 64 * KiB, FROM);
	if (io_uring_queue_init(32, &ring, 0))
		bail("io_uring");
	for (unsigned int i = 0; i < 32; i++)
		io_uring_prep_read(io_uring_get_sqe(&ring), fd, p + i * 64 * KiB, 64 * KiB,
				   FROM + i * 64 * KiB);
	io_uring_submit(&ring);
	munmap(p, 32 * 64 * KiB);
	for (unsigned int i = 0; i < 32; i++) {
		if (io_uring_wait_cqe(&ring, &cqe))
			bail("io_uring_wait_cqe");
		whole += cqe->res == 64 * KiB;
		io_uring_cqe_seen(&ring, cqe);
	}
	io_uring_queue_exit(&ring);
	is(whole, 32, "reads into memory that was unmapped meanwhile");
	p = map(fd, 32 * 64 * KiB, RW, 0);
	holds(p, 32 * 64 * KiB, 5, 0, "and mapped again: the contents");
	munmap(p, 32 * 64 * KiB);
	munmap(data, 32 * 64 * KiB);
}

static bool stop;

struct worker {
	pthread_t thread;
	unsigned char *p;
	uint64_t pos;
	unsigned long good, wrong;
	int error;		/* the first one */
	bool ended;
};

/* Copy there and back; each time the disk has to have it all. */
static void *work(void *arg)
{
	struct worker *w = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		ssize_t ret = pread(fd, w->p, 128 * KiB, (off_t)(FROM + w->pos));

		if (ret == 128 * KiB)
			ret = pwrite(fd, w->p, 128 * KiB, (off_t)(TO + w->pos));
		if (ret == 128 * KiB) {
			__atomic_add_fetch(&w->good, 1, __ATOMIC_RELAXED);
			continue;
		}
		if (!w->error)
			w->error = ret < 0 ? -errno : EIO;
		if (w->error != -ENODEV)
			w->wrong++;
		break;
	}
	__atomic_store_n(&w->ended, true, __ATOMIC_RELAXED);
	return NULL;
}

static bool begun(const struct worker *w)
{
	return __atomic_load_n(&w->good, __ATOMIC_RELAXED) ||
	       __atomic_load_n(&w->ended, __ATOMIC_RELAXED);
}

static void work_begin(struct worker *w, unsigned char *p)
{
	unsigned char *data = pages(THREADS * 128 * KiB);

	fill(data, THREADS * 128 * KiB, 6, 0);
	put(fd, data, THREADS * 128 * KiB, FROM);
	munmap(data, THREADS * 128 * KiB);
	__atomic_store_n(&stop, false, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < THREADS; i++) {
		w[i] = (struct worker){ .p = p + i * 128 * KiB, .pos = i * 128 * KiB };
		pthread_create(&w[i].thread, NULL, work, &w[i]);
	}
	/* Under a busy host a thread may take its time. */
	for (unsigned int i = 0; i < THREADS; i++)
		for (int j = 0; j < 600 && !begun(&w[i]); j++)
			usleep(100 * 1000);
}

static void work_end(struct worker *w)
{
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		ok(w[i].good && !w[i].wrong, "thread %u: %lu copies, error %d", i, w[i].good,
		   w[i].error);
	}
}

static void resets(void)
{
	unsigned char *p = map(fd, cmb, RW, 0), *data = pages(THREADS * 128 * KiB);
	struct worker w[THREADS];

	copied(p, 64 * KiB, 7, "before");
	is_ret(ioctl(ctrl, NVME_IOCTL_RESET), 0, "reset");
	copied(p, 64 * KiB, 8, "after a reset");
	work_begin(w, p);
	for (int i = 0; i < 5; i++)
		is_ret(ioctl(ctrl, NVME_IOCTL_RESET), 0, "reset %d, with I/O in flight", i);
	work_end(w);
	get(fd, data, THREADS * 128 * KiB, TO);
	holds(data, THREADS * 128 * KiB, 6, 0, "the contents");
	munmap(data, THREADS * 128 * KiB);
	munmap(p, cmb);
}

static void busy(void *round)
{
	unsigned char *p = map(fd, MiB, RW, *(const int *)round * MiB);
	struct worker w[THREADS];

	work_begin(w, p);
	child_ready();
	pause();
}

/* A process that is killed with I/O in flight. */
static void killed(void)
{
	for (int round = 0; round < 5; round++) {
		const pid_t pid = child_start(busy, &round);

		ok(pid > 0, "round %d: I/O is in flight", round);
		ok(child_kill(pid), "round %d: killed", round);
	}
}

static __thread sigjmp_buf jump;

static void caught(int sig)
{
	siglongjmp(jump, sig);
}

static int touch(const unsigned char *p)
{
	int sig = sigsetjmp(jump, 1);

	if (!sig)
		(void)__atomic_load_n(p, __ATOMIC_RELAXED);
	return sig;
}

/* Unbind the controller; the shell script binds it again. */
static bool unbind(void)
{
	char link[128], target[256];
	const char *name;
	ssize_t len;
	int f;

	snprintf(link, sizeof(link), "/sys/class/nvdio/%s/device", ctrl_path() + 5);
	len = readlink(link, target, sizeof(target) - 1);
	if (len < 0)
		bail("%s", link);
	target[len] = '\0';
	name = strrchr(target, '/') + 1;
	f = open("/sys/bus/pci/drivers/nvdio/unbind", O_WRONLY);
	len = write(f, name, strlen(name));
	close(f);
	return len == (ssize_t)strlen(name);
}

static void unbound(void)
{
	unsigned char *p = map(fd, cmb, RW, 0), *untouched = map(ctrl, cmb, RW, 0);
	struct worker w[THREADS];

	work_begin(w, p);
	ok(unbind(), "unbound, with I/O in flight");
	is(touch(p), SIGBUS, "the memory buffer is a bus error");
	is(touch(untouched), SIGBUS, "so is what was not touched before");
	is_ret(pread(fd, p, PG, 0), -EFAULT, "no I/O with it");
	work_end(w);
	for (unsigned int i = 0; i < THREADS; i++)
		is(w[i].error, -ENODEV, "thread %u got ENODEV", i);
	munmap(p, cmb);
	munmap(untouched, cmb);
}

static void uffd_fill(int uffd, unsigned char *p, size_t len)
{
	struct uffdio_zeropage zero = { .range = { (uintptr_t)p, len } };

	if (ioctl(uffd, UFFDIO_ZEROPAGE, &zero))
		bail("UFFDIO_ZEROPAGE");
}

static void *read_two(void *arg)
{
	return (void *)(preadv(fd, arg, 2, FROM) < 0 ? (intptr_t)-errno : 0);
}

/*
 * A call waits for memory of its caller's that does not come, behind some of the
 * buffer's: whoever unbinds must not wait for that.
 */
static void stalled(void)
{
	unsigned char *p = map(fd, PG, RW, 0), *missing;
	struct iovec iov[2] = { { p, PG } };
	struct pollfd faulted = { .events = POLLIN };
	pthread_t thread;
	int status = -1;
	void *ret;
	pid_t pid;

	missing = missing_pages(PG, &faulted.fd);
	iov[1] = (struct iovec){ missing, PG };
	pthread_create(&thread, NULL, read_two, iov);
	is(poll(&faulted, 1, 60000), 1, "a read waits for its memory");
	pid = fork();
	if (!pid)
		_exit(!unbind());
	for (int i = 0; i < 450 && !waitpid(pid, &status, WNOHANG); i++)
		usleep(100 * 1000);
	is(status, 0, "unbound meanwhile");
	uffd_fill(faulted.fd, missing, PG);
	pthread_join(thread, &ret);
	ok((intptr_t)ret == -EFAULT || (intptr_t)ret == -ENODEV, "the read: %ld",
	   (long)(intptr_t)ret);
	if (status < 0)
		waitpid(pid, &status, 0);
	close(faulted.fd);
	munmap(missing, PG);
	munmap(p, PG);
}

/* t_args: a namespace of another controller, with a buffer of its own. */
static int other_open(unsigned char **p)
{
	int other = t_args[0] ? open(t_args[0], O_RDWR | O_DIRECT) : -1;

	if (other < 0)
		bail("the other namespace");
	*p = map(other, MiB, RW, 0);
	return other;
}

static void peer_refused(void)
{
	unsigned char *p;
	int other = other_open(&p);

	is_ret(pread(fd, p, PG, FROM), -EREMOTEIO, "memory of a device that is out of reach");
	is_ret(pread(fd, p, 64 * KiB, FROM), -EREMOTEIO, "several pages of it");
	is_ret(pwrite(fd, p, 64 * KiB, FROM), -EREMOTEIO, "and a write");
	munmap(p, MiB);
	close(other);
}

static void peer(void)
{
	unsigned char *p, *own = map(fd, PG, RW, 0);
	int other = other_open(&p);
	struct iovec both[] = { { p, PG }, { own, PG } };

	copied(p, PG, 90, "another controller's memory");
	copied(p + 3 * PG, 256 * KiB, 91, "more of it");
	is_ret(preadv(fd, both, 2, FROM), -EINVAL, "together with its own");
	munmap(own, PG);
	munmap(p, MiB);
	close(other);
}

static void setup(void)
{
	struct sigaction sa = { .sa_handler = caught };

	sigaction(SIGBUS, &sa, NULL);
	fd = dev_open(O_RDWR | O_DIRECT);
	ctrl = ctrl_open(O_RDWR);
	cmb = ctrl_counter("cmb_bytes");
}

static const struct t_case cases[] = {
	{ "offered", offered },
	{ "not_offered", not_offered },
	{ "copies", copies },
	{ "contents", contents },
	{ "refused", refused },
	{ "buffered", buffered },
	{ "unmapped", unmapped },
	{ "resets", resets },
	{ "killed", killed },
	{ "unbound", unbound },
	{ "stalled", stalled },
	{ "peer_refused", peer_refused },
	{ "peer", peer },
};

int main(int argc, char **argv)
{
	t_args_usage = "[OTHER-NAMESPACE]";
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
