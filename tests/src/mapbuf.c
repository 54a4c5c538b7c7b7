// SPDX-License-Identifier: GPL-2.0
/*
 * dma-bufs as mapped memory (driver/uapi/nvdio.h), of udmabuf and of the system's heap;
 * and reads and writes by the identifier of a map, the only ones that reach them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/nvme_ioctl.h>
#include <linux/udmabuf.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../driver/uapi/nvdio.h"
#include "t.h"

#define AT (8 * MiB)		/* of the disk: what is used of it */
#define LEN (4 * MiB)		/* of a dma-buf */

static int fd;			/* the namespace */
static uint64_t state;

struct buf {
	int fd;			/* the dma-buf */
	char *p;		/* its memory */
	size_t len;
};

static int add(int buf, size_t len, uint32_t flags, uint32_t *id)
{
	struct nvdio_map_add a = {
		.len = len, .flags = NVDIO_MAP_DMABUF | flags, .dmabuf_fd = buf
	};
	int ret = ioctl(fd, NVDIO_IOC_MAP_ADD, &a);

	*id = a.id;
	return ret;
}

static int del(uint32_t id)
{
	return ioctl(fd, NVDIO_IOC_MAP_DEL, &id);
}

static long rw(int file, uint32_t id, uint32_t flags, uint64_t map_offset, uint64_t offset,
	       uint64_t len)
{
	struct nvdio_rw r = {
		.id = id, .flags = flags, .map_offset = map_offset, .offset = offset, .len = len
	};

	return reterr(ioctl(file, NVDIO_IOC_RW, &r));
}

static void none_left(const char *what)
{
	for (int i = 0; i < 300 && ctrl_counter("maps"); i++)
		usleep(100 * 1000);
	is(ctrl_counter("maps"), 0, "%s: no map is left", what);
	is(ctrl_counter("map_bytes"), 0, "%s: nor bytes of one", what);
}

/* A dma-buf of ordinary pages; skips when there is no udmabuf. */
static bool udmabuf(struct buf *b, size_t len)
{
	struct udmabuf_create c = { .flags = UDMABUF_FLAGS_CLOEXEC, .size = len };
	int dev = open("/dev/udmabuf", O_RDWR), mem = memfd_create("udmabuf", MFD_ALLOW_SEALING);

	if (dev < 0) {
		t_skip("no /dev/udmabuf");
		close(mem);
		return false;
	}
	b->len = len;
	if (mem < 0 || ftruncate(mem, len) || fcntl(mem, F_ADD_SEALS, F_SEAL_SHRINK))
		bail("memfd");
	b->p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, mem, 0);
	c.memfd = mem;
	b->fd = ioctl(dev, UDMABUF_CREATE, &c);
	if (b->p == MAP_FAILED || b->fd < 0)
		bail("UDMABUF_CREATE");
	close(mem);
	close(dev);
	return true;
}

/* One of the system's heap, with a file that is open for @access. */
static bool heap(struct buf *b, size_t len, int access)
{
	struct dma_heap_allocation_data a = { .len = len, .fd_flags = access | O_CLOEXEC };
	int dev = open("/dev/dma_heap/system", O_RDWR);

	if (dev < 0) {
		t_skip("no /dev/dma_heap/system");
		return false;
	}
	if (ioctl(dev, DMA_HEAP_IOCTL_ALLOC, &a))
		bail("DMA_HEAP_IOCTL_ALLOC");
	close(dev);
	b->fd = a.fd;
	b->len = len;
	b->p = mmap(NULL, len, PROT_READ | (access == O_RDWR ? PROT_WRITE : 0), MAP_SHARED, b->fd,
		    0);
	if (b->p == MAP_FAILED)
		bail("mmap of a dma-buf");
	return true;
}

static void buf_free(struct buf *b)
{
	munmap(b->p, b->len);
	close(b->fd);
}

/* Accesses of the processor begin, or end. */
static void buf_sync(const struct buf *b, uint64_t flags)
{
	struct dma_buf_sync s = { .flags = flags | DMA_BUF_SYNC_RW };

	if (ioctl(b->fd, DMA_BUF_IOCTL_SYNC, &s))
		bail("DMA_BUF_IOCTL_SYNC");
}

/* ---- contents ---- */

static char *shadow, *back;

/* Move @len bytes from or to @pos of the buffer; is that, and nothing else, moved? */
static bool moved(const struct buf *b, uint32_t id, size_t pos, size_t len, bool write)
{
	const uint64_t seed = rnd(&state), at = AT + below(&state, 1 * MiB / dev.lba) * dev.lba;
	long ret;

	if (!write) {
		fill(back, len, seed, 0);
		put(fd, back, len, at);
		memcpy(shadow + pos, back, len);
	}
	buf_sync(b, DMA_BUF_SYNC_END);
	ret = rw(fd, id, write ? NVDIO_RW_WRITE : 0, pos, at, len);
	buf_sync(b, DMA_BUF_SYNC_START);
	if (write) {
		get(fd, back, len, at);
		return ret == (long)len && !memcmp(back, shadow + pos, len);
	}
	return ret == (long)len && !memcmp(b->p, shadow, b->len);
}

/* All sizes at all offsets, in both directions. */
static void moves(const struct buf *b, uint32_t id, const char *what)
{
	static const size_t sizes[] = {
		512, 4 * KiB, 8 * KiB, 12 * KiB, 128 * KiB, 1 * MiB, 1 * MiB + 8 * KiB, 3 * MiB
	};
	static const size_t offsets[] = { 0, 4, 512, 4092, 255 * PG, 256 * PG - 512 };
	const uint64_t mapped = counter("stats/mapped");

	shadow = pages(b->len);
	back = pages(b->len);
	buf_sync(b, DMA_BUF_SYNC_START);
	fill(shadow, b->len, rnd(&state), 0);
	memcpy(b->p, shadow, b->len);
	for (unsigned int s = 0; s < ARRAY_SIZE(sizes); s++) {
		int wrong = 0;

		if (sizes[s] % dev.lba)
			continue;
		for (unsigned int o = 0; o < ARRAY_SIZE(offsets); o++) {
			if (offsets[o] + sizes[s] > b->len)
				continue;
			wrong += !moved(b, id, offsets[o], sizes[s], false);
			wrong += !moved(b, id, offsets[o], sizes[s], true);
		}
		wrong += !moved(b, id, b->len - sizes[s], sizes[s], false);
		is(wrong, 0, "%s, %zu bytes: contents", what, sizes[s]);
	}
	buf_sync(b, DMA_BUF_SYNC_END);
	ok(counter("stats/mapped") > mapped, "%s: by mapped memory", what);
	munmap(shadow, b->len);
	munmap(back, b->len);
}

static void udmabuf_contents(void)
{
	struct buf b;
	uint32_t id;

	if (!udmabuf(&b, LEN))
		return;
	is_ret(add(b.fd, LEN, 0, &id), 0, "MAP_ADD of a udmabuf");
	is(ctrl_counter("map_bytes"), LEN, "it is counted");
	moves(&b, id, "udmabuf");
	is_ret(del(id), 0, "MAP_DEL");
	/* The first part of it only. */
	is_ret(add(b.fd, 2 * PG, 0, &id), 0, "MAP_ADD of two pages");
	is(rw(fd, id, 0, 0, AT, 2 * PG), 2 * PG, "they can be used");
	is(rw(fd, id, 0, PG, AT, 2 * PG), -EINVAL, "and not more");
	is_ret(del(id), 0, "MAP_DEL");
	buf_free(&b);
	none_left("udmabuf");
}

static void heap_contents(void)
{
	struct buf b;
	uint32_t id;

	if (!heap(&b, LEN, O_RDWR))
		return;
	is_ret(add(b.fd, LEN, 0, &id), 0, "MAP_ADD of memory of the system's heap");
	moves(&b, id, "system heap");
	is_ret(del(id), 0, "MAP_DEL");
	buf_free(&b);
	none_left("system heap");
}

/* What the controller may not write to. */
static void heap_read_only(void)
{
	struct buf b;
	uint32_t id;

	if (!heap(&b, 16 * PG, O_RDONLY))
		return;
	is_ret(add(b.fd, 16 * PG, 0, &id), -EACCES, "a dma-buf that is open for reading");
	is_ret(add(b.fd, 16 * PG, NVDIO_MAP_READ_ONLY, &id), 0, "it will do for writes");
	is(rw(fd, id, NVDIO_RW_WRITE, 0, AT, 16 * PG), 16 * PG, "a write");
	is(rw(fd, id, 0, 0, AT, 16 * PG), -EACCES, "no read");
	back = pages(16 * PG);
	get(fd, back, 16 * PG, AT);
	ok(all_zero(back, 16 * PG), "its contents are on the disk");
	munmap(back, 16 * PG);
	is_ret(del(id), 0, "MAP_DEL");
	buf_free(&b);
	none_left("read-only");
}

static void errors(void)
{
	struct nvdio_map_add a = { .len = PG, .flags = NVDIO_MAP_DMABUF, .addr = PG };
	int null = open("/dev/null", O_RDWR);
	struct buf b;
	uint32_t id;

	is_ret(add(-1, PG, 0, &id), -EBADF, "MAP_ADD of no file");
	is_ret(add(null, PG, 0, &id), -EINVAL, "of a file that is no dma-buf");
	is_ret(add(fd, PG, 0, &id), -EINVAL, "of the namespace");
	a.dmabuf_fd = null;
	is_ret(ioctl(fd, NVDIO_IOC_MAP_ADD, &a), -EINVAL, "with an address");
	close(null);
	if (!udmabuf(&b, 16 * PG))
		return;
	is_ret(add(b.fd, 17 * PG, 0, &id), -EINVAL, "of more than there is");
	is_ret(add(b.fd, 0, 0, &id), -EINVAL, "of nothing");
	is_ret(add(b.fd, 512, 0, &id), -EINVAL, "of no page");
	buf_free(&b);
	none_left("errors");
}

/* ---- by identifier ---- */

static uint32_t added;

static int other_process(void)
{
	return rw(fd, added, 0, 0, AT, PG) == -ENOENT ? 0 : 1;
}

static int other_process_shared(void)
{
	return rw(fd, added, 0, 0, AT, PG) == (long)PG ? 0 : 1;
}

static int child(int (*part)(void))
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		bail("fork");
	if (!pid)
		_exit(part());
	if (waitpid(pid, &status, 0) != pid)
		bail("waitpid");
	return status;
}

static uint32_t add_alloc(size_t len, uint32_t flags)
{
	struct nvdio_map_add a = { .len = len, .flags = NVDIO_MAP_ALLOC | flags };

	if (ioctl(fd, NVDIO_IOC_MAP_ADD, &a))
		bail("MAP_ADD");
	return a.id;
}

static void rw_sizes(uint32_t id)
{
	struct { struct nvdio_rw r; uint64_t more; } big = {
		.r = { .id = id, .offset = AT, .len = PG }
	};
	const unsigned int nr = _IOC_NR(NVDIO_IOC_RW);

	is_ret(ioctl(fd, NVDIO_IOC_RW, NULL), -EFAULT, "RW without memory");
	is_ret(ioctl(fd, _IOC(_IOC_WRITE, 'N', nr, 16), &big), -EINVAL, "one that is too short");
	is_ret(ioctl(fd, _IOC(_IOC_WRITE, 'N', nr, sizeof(big)), &big), PG, "that is longer");
	big.more = 1;
	is_ret(ioctl(fd, _IOC(_IOC_WRITE, 'N', nr, sizeof(big)), &big), -E2BIG,
	       "with an unknown member");
}

static void by_id(void)
{
	const uint32_t w = NVDIO_RW_WRITE, id = add_alloc(16 * PG, 0);
	int ro = dev_open(O_RDONLY), wo = dev_open(O_WRONLY), ctrl = ctrl_open(O_RDWR);
	const struct {
		long want;
		uint32_t id, flags;
		uint64_t map_offset, offset, len;
		const char *what;
	} t[] = {
		{ 16 * PG, id, 0, 0, AT, 16 * PG, "all of it" },
		{ 16 * PG, id, w | NVDIO_RW_DSYNC, 0, AT, 16 * PG, "all of it, with FUA" },
		{ 0, id, 0, 0, AT, 0, "nothing" },
		{ -EINVAL, id, 4, 0, AT, PG, "an unknown flag" },
		{ -EINVAL, id, 0, 2, AT, PG, "an odd address" },
		{ -EINVAL, id, 0, 0, AT + 4, PG, "an odd block" },
		{ -EINVAL, id, 0, 0, AT, 12, "an odd length" },
		{ -EINVAL, id, 0, 0, AT, 17 * PG, "more than there is" },
		{ -EINVAL, id, w, 16 * PG, AT, PG, "something behind it" },
		{ -EINVAL, id, w, 15 * PG + 4, AT, PG, "the end, and four bytes" },
		{ -EINVAL, id, w, -PG, AT, 2 * PG, "before its start" },
		{ -EINVAL, id, w, 0, AT, 1ULL << 31, "2 GiB" },
		{ -ENOENT, id + 1, 0, 0, AT, PG, "another identifier" },
		{ -ENOENT, 0, 0, 0, AT, PG, "0" },
		{ -ENOENT, ~0U, 0, 0, AT, PG, "a large identifier" },
		{ 0, id, 0, 0, dev.size, PG, "a read at the end" },
		{ -ENOSPC, id, w, 0, dev.size, PG, "a write at the end" },
		{ dev.lba, id, 0, 0, dev.size - dev.lba, 2 * PG, "a read over the end" },
		{ 0, id, 0, 0, -PG, PG, "the last offset" },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(t); i++)
		is(rw(fd, t[i].id, t[i].flags, t[i].map_offset, t[i].offset, t[i].len), t[i].want,
		   "RW: %s", t[i].what);
	rw_sizes(id);
	is(rw(ro, id, w, 0, AT, PG), -EBADF, "a write to a file that is open for reading");
	is(rw(ro, id, 0, 0, AT, PG), PG, "but a read");
	is(rw(wo, id, 0, 0, AT, PG), -EBADF, "a read from one that is open for writing");
	is(rw(wo, id, w, 0, AT, PG), PG, "but a write");
	is(rw(ctrl, id, 0, 0, AT, PG), -ENOTTY, "the controller has no blocks");
	added = id;
	is(child(other_process), 0, "another process may not use the identifier");
	is_ret(del(id), 0, "MAP_DEL");
	is(rw(fd, id, 0, 0, AT, PG), -ENOENT, "nor anybody when it is deleted");
	added = add_alloc(PG, NVDIO_MAP_SHARED);
	is(child(other_process_shared), 0, "unless it is shared");
	is_ret(del(added), 0, "MAP_DEL");
	close(ro);
	close(wo);
	close(ctrl);
	none_left("by identifier");
}

/* ---- life ---- */

/* Number of dma-bufs in the system. */
static uint64_t bufs(void)
{
	FILE *f = fopen("/sys/kernel/debug/dma_buf/bufinfo", "r");
	unsigned long nr = 0;
	char line[256];
	int found = 0;

	while (f && fgets(line, sizeof(line), f))
		found += sscanf(line, "Total %lu objects", &nr) == 1;
	if (!f || !found)
		bail("/sys/kernel/debug/dma_buf/bufinfo");
	fclose(f);
	return nr;
}

/* No map is left, and no dma-buf. */
static void gone(uint64_t before, const char *what)
{
	none_left(what);
	for (int i = 0; i < 100 && bufs() != before; i++)
		usleep(100 * 1000);
	is(bufs(), before, "%s: no dma-buf is left", what);
}

/* The buffer stays as long as the map, and no longer. */
static void outlives_file(void)
{
	const uint64_t before = bufs();
	int other = dev_open(O_RDWR), mine = fd;
	struct buf b;
	uint32_t id;

	if (!udmabuf(&b, LEN))
		return;
	fill(b.p, LEN, 7, 0);
	is_ret(add(b.fd, LEN, 0, &id), 0, "MAP_ADD");
	buf_free(&b);
	is(bufs(), before + 1, "the dma-buf is closed, but it is there");
	is(rw(fd, id, NVDIO_RW_WRITE, 0, AT, 1 * MiB), 1 * MiB, "and can be written from");
	back = pages(1 * MiB);
	get(fd, back, 1 * MiB, AT);
	holds(back, 1 * MiB, 7, 0, "contents");
	munmap(back, 1 * MiB);
	is_ret(del(id), 0, "MAP_DEL");
	gone(before, "deleted");
	if (!udmabuf(&b, LEN))
		return;
	memset(b.p, 1, LEN);
	fd = other;
	is_ret(add(b.fd, LEN, 0, &id), 0, "MAP_ADD through another file");
	fd = mine;
	buf_free(&b);
	is(rw(fd, id, 0, 0, AT, PG), PG, "its identifier works with this one");
	close(other);
	gone(before, "the other file is closed");
}

struct reader {
	pthread_t thread;
	uint32_t id;
	long ret;
	int done;
};

static void *reader(void *arg)
{
	struct reader *r = arg;

	/* Several commands, each of which takes its time. */
	r->ret = rw(fd, r->id, 0, 0, AT, LEN);
	__atomic_store_n(&r->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* A controller that takes its time. */
static void deleted_in_flight(void)
{
	struct reader r = { .done = 0 };
	const uint64_t before = bufs();
	struct buf b;

	if (!udmabuf(&b, LEN))
		return;
	fill(b.p, LEN, 9, 0);
	is_ret(add(b.fd, LEN, 0, &r.id), 0, "MAP_ADD");
	if (pthread_create(&r.thread, NULL, reader, &r))
		bail("pthread_create");
	for (int i = 0; i < 300 && !counter("leaks/requests"); i++)
		usleep(10 * 1000);
	ok(!__atomic_load_n(&r.done, __ATOMIC_ACQUIRE), "a read is in flight");
	buf_free(&b);
	is_ret(del(r.id), 0, "MAP_DEL");
	is(ctrl_counter("maps"), 0, "there is no map on return");
	pthread_join(r.thread, NULL);
	is(r.ret, -ENOENT, "the next command of the read finds none");
	gone(before, "deleted in flight");
}

static int dies_in_flight(void)
{
	struct reader r = { .done = 0 };
	struct buf b;

	/* A file that ends with the process. */
	fd = dev_open(O_RDWR);
	if (!udmabuf(&b, LEN) || add(b.fd, LEN, 0, &r.id) ||
	    pthread_create(&r.thread, NULL, reader, &r))
		return 1;
	for (int i = 0; i < 300 && !counter("leaks/requests"); i++)
		usleep(10 * 1000);
	kill(getpid(), SIGKILL);
	return 2;
}

static void killed_in_flight(void)
{
	if (access("/dev/udmabuf", R_OK)) {
		t_skip("no /dev/udmabuf");
		return;
	}
	is(child(dies_in_flight), SIGKILL, "a process is killed with a read in flight");
	none_left("killed in flight");
}

/* ---- for a controller that does what it is told (lab/vm --vfu) ---- */

static bool is_held(void)
{
	return !system("test \"$(vfu held)\" = 1");
}

static void *one_read(void *arg)
{
	struct reader *r = arg;

	r->ret = rw(fd, r->id, 0, 0, AT, 64 * KiB);
	return NULL;
}

/* Delete a dma-buf, and all that keeps it, of which the controller has a read. */
static int delete_held(void)
{
	struct reader r = { .done = 0 };
	struct buf b;

	fd = dev_open(O_RDWR);
	if (!udmabuf(&b, LEN))
		return 1;
	fill(b.p, LEN, 11, 0);
	if (add(b.fd, LEN, 0, &r.id) || pthread_create(&r.thread, NULL, one_read, &r))
		return 2;
	for (int i = 0; i < 300 && !is_held(); i++)
		usleep(100 * 1000);
	buf_free(&b);
	if (del(r.id))
		return 3;
	pthread_join(r.thread, NULL);
	return r.ret == 64 * KiB ? 0 : 4;
}

/* Start delete_held() in a child; returns when the controller has its read. */
static pid_t held_child(uint64_t before)
{
	pid_t pid;

	vfu_tell("hold read count=1");
	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(delete_held());
	for (int i = 0; i < 300 && !is_held(); i++)
		usleep(100 * 1000);
	sleep(2);
	is(ctrl_counter("maps"), 1, "a child has a dma-buf that the controller reads into");
	is(waitpid(pid, NULL, WNOHANG), 0, "and waits for it");
	is(bufs(), before + 1, "it is there, though it is closed");
	return pid;
}

static void held(void)
{
	const uint64_t before = bufs();
	pid_t pid;
	int status = -1, ctrl = ctrl_open(O_RDWR);

	if (access("/dev/udmabuf", R_OK)) {
		t_skip("no /dev/udmabuf");
		return;
	}
	pid = held_child(before);
	vfu_tell("release");
	ok(waitpid(pid, &status, 0) == pid && !status, "the read ends, and MAP_DEL");
	gone(before, "released");
	pid = held_child(before);
	kill(pid, SIGKILL);
	sleep(1);
	is(ctrl_counter("maps"), 1, "the child is killed, the dma-buf stays");
	is(bufs(), before + 1, "also for its exporter");
	vfu_tell("release");
	ok(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status), "the read ends, and the child");
	gone(before, "killed");
	pid = held_child(before);
	is_ret(ioctl(ctrl, NVME_IOCTL_RESET), 0, "a reset");
	ok(waitpid(pid, &status, 0) == pid && !status, "the read is sent again, and ends");
	gone(before, "reset");
	close(ctrl);
}

/* ---- the driver is unbound ---- */

static void write_to(const char *path, const char *text)
{
	int f = open(path, O_WRONLY);

	if (f < 0 || write(f, text, strlen(text)) < 0)
		bail("%s", path);
	close(f);
}

static bool is_back(const char *pci)
{
	static char path[64];
	char pattern[128];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "/sys/bus/pci/devices/%.32s/nvdio/nvdio*/nvdio*n1", pci);
	for (int i = 0; i < 300; i++, usleep(100 * 1000)) {
		if (glob(pattern, 0, NULL, &found))
			continue;
		snprintf(dev.name, sizeof(dev.name), "%.31s",
			 strrchr(found.gl_pathv[0], '/') + 1);
		snprintf(path, sizeof(path), "/dev/%s", dev.name);
		globfree(&found);
		dev.path = path;
		if (!access(path, R_OK))
			return true;
	}
	return false;
}

static void *loop(void *arg)
{
	struct reader *r = arg;

	do {
		r->ret = rw(fd, r->id, 0, 0, AT, 128 * KiB);
	} while (r->ret == 128 * KiB);
	return NULL;
}

static void unbound(void)
{
	char link[128], target[256], *pci;
	const uint64_t before = bufs();
	struct reader r = { .done = 0 };
	struct buf b;
	ssize_t len;

	if (!udmabuf(&b, LEN))
		return;
	fill(b.p, LEN, 5, 0);
	snprintf(link, sizeof(link), "/sys/class/nvdio/%s/device", ctrl_path() + 5);
	len = readlink(link, target, sizeof(target) - 1);
	if (len < 0)
		bail("%s", link);
	target[len] = '\0';
	pci = strrchr(target, '/') + 1;
	is_ret(add(b.fd, LEN, 0, &r.id), 0, "MAP_ADD");
	if (pthread_create(&r.thread, NULL, loop, &r))
		bail("pthread_create");
	usleep(200 * 1000);
	write_to("/sys/bus/pci/drivers/nvdio/unbind", pci);
	pthread_join(r.thread, NULL);
	is(r.ret, -ENODEV, "unbound: reads end");
	holds(b.p + 128 * KiB, LEN - 128 * KiB, 5, 128 * KiB, "unbound: the memory is there");
	memset(b.p, 3, LEN);
	is(rw(fd, r.id, 0, 0, AT, PG), -ENODEV, "unbound: there are none");
	is_ret(del(r.id), -ENODEV, "unbound: no MAP_DEL");
	close(fd);
	write_to("/sys/bus/pci/drivers/nvdio/bind", pci);
	ok(is_back(pci), "it is bound again");
	fd = dev_open(O_RDWR);
	is_ret(add(b.fd, LEN, 0, &r.id), 0, "bound again: MAP_ADD");
	moves(&b, r.id, "bound again");
	is_ret(del(r.id), 0, "bound again: MAP_DEL");
	buf_free(&b);
	gone(before, "bound again");
}

static void setup(void)
{
	fd = dev_open(O_RDWR);
	state = t_seed;
}

static const struct t_case cases[] = {
	{ "errors", errors },
	{ "by_id", by_id },
	{ "udmabuf_contents", udmabuf_contents },
	{ "heap_contents", heap_contents },
	{ "heap_read_only", heap_read_only },
	{ "outlives_file", outlives_file },
	{ "deleted_in_flight", deleted_in_flight },
	{ "killed_in_flight", killed_in_flight },
	{ "held", held },
	{ "unbound", unbound },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
