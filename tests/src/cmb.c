// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of the controller in programs: its registers and its memory buffer
 * (NVDIO_MMAP_REGS, NVDIO_MMAP_CMB of driver/uapi/nvdio.h).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <liburing.h>
#include <linux/nvme_ioctl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../driver/uapi/nvdio.h"
#include "t.h"

#define RW (PROT_READ | PROT_WRITE)
#define REG_CAP 0
#define REG_VS 2		/* in dwords */
#define REG_CC 5
#define REG_CSTS 7
#define REG_AQA 9

static int fd, ctrl;		/* the namespace, O_DIRECT; its controller */
static size_t cmb;		/* bytes of the memory buffer */

static void *map(int node, size_t len, int prot, uint64_t offset)
{
	void *p = mmap(NULL, len, prot, MAP_SHARED, node, (off_t)offset);

	if (p == MAP_FAILED)
		bail("mmap of %zu bytes at %#lx", len, (long)offset);
	return p;
}

static const uint32_t *regs_of(int node)
{
	return map(node, PG, PROT_READ, NVDIO_MMAP_REGS);
}

/* The signal that reading at @p ends with, 0 if none. */
static __thread sigjmp_buf jump;

static void caught(int sig)
{
	siglongjmp(jump, sig);
}

static uint32_t reg(const uint32_t *regs, unsigned int dword)
{
	return __atomic_load_n(regs + dword, __ATOMIC_RELAXED);
}

static int touch(const void *p)
{
	int sig = sigsetjmp(jump, 1);

	if (!sig)
		reg(p, 0);
	return sig;
}

static int poke(void *p)
{
	int sig = sigsetjmp(jump, 1);

	if (!sig)
		__atomic_store_n((uint32_t *)p, 1, __ATOMIC_RELAXED);
	return sig;
}

/* ---- registers */

static void regs_nobody(void)
{
	is(map_error(ctrl, PG, PROT_READ, MAP_SHARED, NVDIO_MMAP_REGS), -EPERM,
	   "registers need CAP_SYS_RAWIO, whoever has opened the node");
}

static void regs_refused(void)
{
	is(map_error(ctrl, PG, PROT_READ, MAP_SHARED, NVDIO_MMAP_REGS), 0,
	   "registers can be mapped");
	is(map_error(ctrl, 4, PROT_READ, MAP_SHARED, NVDIO_MMAP_REGS), 0,
	   "also with a length of 4");
	is(map_error(ctrl, PG, RW, MAP_SHARED, NVDIO_MMAP_REGS), -EACCES, "not to be written");
	is(map_error(ctrl, PG, PROT_WRITE, MAP_SHARED, NVDIO_MMAP_REGS), -EACCES, "nor only that");
	is(map_error(ctrl, PG, PROT_READ | PROT_EXEC, MAP_SHARED, NVDIO_MMAP_REGS), -EACCES,
	   "nor executed");
	is(map_error(ctrl, PG, PROT_READ, MAP_PRIVATE, NVDIO_MMAP_REGS), -EINVAL,
	   "not MAP_PRIVATE");
	is(map_error(ctrl, 2 * PG, PROT_READ, MAP_SHARED, NVDIO_MMAP_REGS), -EINVAL,
	   "two pages, where doorbells are, are refused");
	is(map_error(ctrl, PG, PROT_READ, MAP_SHARED, NVDIO_MMAP_REGS + PG), -EINVAL,
	   "so is the second page");
	is(map_error(ctrl, PG, PROT_READ, MAP_SHARED, NVDIO_MMAP_CMB - PG), -EINVAL,
	   "and what is before the next offset");
	is(map_error(ctrl, PG, PROT_READ, MAP_SHARED, NVDIO_MMAP_REGS - PG), -ENOENT,
	   "and the page before, which would be of an identifier");
	is(map_error(fd, PG, PROT_READ, MAP_SHARED, NVDIO_MMAP_REGS), -EINVAL,
	   "a namespace has no registers");
	is(map_error(fd, PG, PROT_READ, MAP_SHARED, NVDIO_MMAP_CMB - PG), -EINVAL, "none at all");
	is(as_nobody(regs_nobody), 0, "the unprivileged child ended well");
}

static void regs_protected(void)
{
	const uint32_t *regs = regs_of(ctrl);
	void *p = (void *)regs;

	is(touch(regs), 0, "registers can be read");
	is_ret(mprotect(p, PG, RW), -EACCES, "mprotect() does not make them writable");
	is_ret(mprotect(p, PG, PROT_READ | PROT_EXEC), -EACCES, "nor executable");
	is(poke(p), SIGSEGV, "writing is a fault");
	is_ret(madvise(p, PG, MADV_DOFORK), -EINVAL, "nor can they be made to be inherited");
	ok(mremap(p, PG, 2 * PG, MREMAP_MAYMOVE) == MAP_FAILED, "they do not grow");
	is_ret(pwrite(fd, p, PG, 0), -EFAULT, "they are no memory for O_DIRECT");
	munmap(p, PG);
}

static void regs_forked(void)
{
	const uint32_t *regs = regs_of(ctrl);
	int status = 0;
	pid_t pid;

	is(touch(regs), 0, "the parent reads");
	pid = fork();
	if (!pid)
		_exit(touch(regs) == SIGSEGV ? 0 : 1);
	waitpid(pid, &status, 0);
	is(status, 0, "a child has no registers");
	is(touch(regs), 0, "the parent still has");
	munmap((void *)regs, PG);
}

static void regs_values(void)
{
	const uint32_t *regs = regs_of(ctrl);
	static uint8_t id[4096];
	struct nvme_admin_cmd c = {
		.opcode = 0x06, .addr = (uintptr_t)id, .data_len = sizeof(id), .cdw10 = 1,
	};
	uint32_t ver;

	is_ret(ioctl(ctrl, NVME_IOCTL_ADMIN_CMD, &c), 0, "Identify Controller");
	memcpy(&ver, id + 80, sizeof(ver));
	is(reg(regs, REG_VS), ver, "VS is what Identify says (%#x)", ver);
	ok((reg(regs, REG_CAP) & 0xffff) + 1 >= ctrl_counter("queue_depth"),
	   "CAP.MQES allows the queues that there are");
	ok(reg(regs, REG_CAP + 1) & 1 << 5, "CAP.CSS has the NVM command set");
	is(reg(regs, REG_CC) & 1, 1, "CC.EN is set");
	is(reg(regs, REG_CSTS) & 3, 1, "CSTS says ready, and not fatal");
	is(reg(regs, REG_AQA), 31 << 16 | 31, "AQA is what the driver has written");
	munmap((void *)regs, PG);
}

/* As the PCI core shows them, which it does with iomem=relaxed only. */
static void regs_resource(void)
{
	const uint32_t *regs = regs_of(ctrl), *other;
	char path[128];
	unsigned int i, wrong = 0;
	int f;

	snprintf(path, sizeof(path), "/sys/class/nvdio/%s/device/resource0", ctrl_path() + 5);
	f = open(path, O_RDONLY);
	other = f < 0 ? MAP_FAILED : mmap(NULL, PG, PROT_READ, MAP_SHARED, f, 0);
	if (other == MAP_FAILED) {
		t_skip("%s: %s", path, strerror(errno));
		munmap((void *)regs, PG);
		return;
	}
	for (i = 0; i < PG / 4; i++)
		wrong += reg(regs, i) != reg(other, i);
	is(wrong, 0, "all registers are what resource0 shows");
	munmap((void *)regs, PG);
	munmap((void *)other, PG);
	close(f);
}

static bool stop;

struct reader {
	const uint32_t *regs;
	unsigned long reads, wrong;
};

static void *reader(void *arg)
{
	struct reader *r = arg;
	uint32_t vs = reg(r->regs, REG_VS);

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		r->wrong += reg(r->regs, REG_VS) != vs;
		(void)reg(r->regs, REG_CSTS);
		r->reads++;
	}
	return NULL;
}

static void reset_while_reading(void)
{
	struct reader r = { .regs = regs_of(ctrl) };
	unsigned char *p = cmb ? map(ctrl, PG, RW, NVDIO_MMAP_CMB) : NULL;
	pthread_t thread;

	if (p)
		fill(p, PG, 1, 0);
	__atomic_store_n(&stop, false, __ATOMIC_RELAXED);
	pthread_create(&thread, NULL, reader, &r);
	for (int i = 0; i < 5; i++)
		is_ret(ioctl(ctrl, NVME_IOCTL_RESET), 0, "reset %d", i);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	ok(r.reads > 0, "registers were read meanwhile (%lu times)", r.reads);
	is(r.wrong, 0, "VS did not change");
	is(reg(r.regs, REG_CSTS) & 3, 1, "CSTS says ready");
	munmap((void *)r.regs, PG);
	if (!p)
		return;
	holds(p, PG, 1, 0, "the memory buffer has kept its contents");
	munmap(p, PG);
}

static void regs_hidden(void)
{
	is(map_error(ctrl, PG, PROT_READ, MAP_SHARED, NVDIO_MMAP_REGS), -EOPNOTSUPP,
	   "registers with the MSI-X table among them are refused");
}

static void regs_locked_down(void)
{
	is(map_error(ctrl, PG, PROT_READ, MAP_SHARED, NVDIO_MMAP_REGS), -EPERM,
	   "registers are refused in a kernel that is locked down");
}

/* What can be mapped can be read, on any machine; else it is refused. */
static void regs_anywhere(void)
{
	static const char *const what[] = { "registers", "the memory buffer" };
	const uint64_t at[] = { NVDIO_MMAP_REGS, NVDIO_MMAP_CMB };

	for (int i = 0; i < 2; i++) {
		void *p = mmap(NULL, PG, PROT_READ, MAP_SHARED, ctrl, (off_t)at[i]);

		if (p == MAP_FAILED) {
			is(errno, EOPNOTSUPP, "%s cannot be mapped", what[i]);
			continue;
		}
		is(touch(p), 0, "%s can be mapped and read", what[i]);
		munmap(p, PG);
	}
}

/* ---- memory buffer */

static void cmb_none(void)
{
	is(cmb, 0, "there is no memory buffer");
	is(map_error(ctrl, PG, RW, MAP_SHARED, NVDIO_MMAP_CMB), -EOPNOTSUPP,
	   "and none to be mapped");
	is(map_error(fd, PG, RW, MAP_SHARED, NVDIO_MMAP_CMB), -EOPNOTSUPP, "nor by a namespace");
}

static void cmb_refused(void)
{
	int ro = dev_open(O_RDONLY);

	is(map_error(ctrl, cmb, RW, MAP_SHARED, NVDIO_MMAP_CMB), 0, "%zu bytes", cmb);
	is(map_error(fd, cmb, RW, MAP_SHARED, NVDIO_MMAP_CMB), 0, "also by a namespace");
	is(map_error(ctrl, cmb + PG, RW, MAP_SHARED, NVDIO_MMAP_CMB), -EINVAL, "not a page more");
	is(map_error(ctrl, 2 * PG, RW, MAP_SHARED, NVDIO_MMAP_CMB + cmb - PG), -EINVAL,
	   "nor two at its end");
	is(map_error(ctrl, PG, RW, MAP_SHARED, NVDIO_MMAP_CMB + cmb - PG), 0, "but one");
	is(map_error(ctrl, PG, RW, MAP_SHARED, NVDIO_MMAP_CMB + cmb), -EINVAL, "nor behind it");
	is(map_error(ctrl, PG, RW, MAP_SHARED, 0x7ffffffffffff000), -EINVAL, "nor far away");
	is(map_error(ctrl, PG, RW, MAP_PRIVATE, NVDIO_MMAP_CMB), -EINVAL, "not MAP_PRIVATE");
	is(map_error(ctrl, PG, PROT_READ | PROT_EXEC, MAP_SHARED, NVDIO_MMAP_CMB), -EACCES,
	   "nor to be executed");
	is(map_error(ro, PG, RW, MAP_SHARED, NVDIO_MMAP_CMB), -EACCES,
	   "a file that is open for reading cannot write to it");
	is(map_error(ro, PG, PROT_READ, MAP_SHARED, NVDIO_MMAP_CMB), 0, "but read it");
	close(ro);
}

static void cmb_contents(void)
{
	unsigned char *p = map(ctrl, cmb, RW, NVDIO_MMAP_CMB), *q;
	uint64_t at[] = { 0, PG, cmb / 2 - PG, cmb - 2 * PG };

	for (unsigned int i = 0; i < ARRAY_SIZE(at); i++) {
		fill(p + at[i], 2 * PG, 100 + i / 2, at[i]);
		holds(p + at[i], 2 * PG, 100 + i / 2, at[i], "what was written at %llu reads back",
		      (unsigned long long)at[i]);
	}
	q = map(fd, PG, RW, NVDIO_MMAP_CMB + cmb - PG);
	holds(q, PG, 101, cmb - PG, "the namespace's node has the same");
	fill(q, PG, 102, 0);
	holds(p + cmb - PG, PG, 102, 0, "both ways");
	munmap(q, PG);
	munmap(p, cmb);
	p = map(ctrl, 2 * PG, PROT_READ, NVDIO_MMAP_CMB);
	holds(p, PG, 100, 0, "contents outlive the mapping");
	is(poke(p), SIGSEGV, "what is mapped to be read cannot be written to");
	munmap(p, 2 * PG);
}

static void cmb_processes(void)
{
	unsigned char *p = map(ctrl, PG, RW, NVDIO_MMAP_CMB);
	int status = 0;
	pid_t pid;

	fill(p, PG, 7, 0);
	pid = fork();
	if (!pid) {
		unsigned char *q;

		if (touch(p) != SIGSEGV)
			_exit(1);
		q = map(fd, PG, RW, NVDIO_MMAP_CMB);
		if (differs(q, PG, 7, 0) >= 0)
			_exit(2);
		fill(q, PG, 8, 0);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	is(WEXITSTATUS(status), 0, "another process maps it for itself, and sees the contents");
	holds(p, PG, 8, 0, "what it has written is there");
	munmap(p, PG);
}

/* It is not memory that can be pinned: without PCI_P2PDMA no command reaches it. */
static void cmb_io(void)
{
	unsigned char *p = map(ctrl, 4 * PG, RW, NVDIO_MMAP_CMB), *disk = pages(4 * PG);
	struct iovec iov = { .iov_base = p, .iov_len = PG };
	struct io_uring ring;
	int copy = dev_open(O_RDWR);

	fill(disk, 4 * PG, 9, 0);
	put(fd, disk, 4 * PG, 1 * MiB);
	memset(p, 0, 4 * PG);
	is_ret(pread(fd, p, PG, 1 * MiB), -EFAULT, "O_DIRECT read into it");
	is_ret(pwrite(fd, p, PG, 1 * MiB), -EFAULT, "O_DIRECT write from it");
	is_ret(pread(fd, p, 4 * PG, 1 * MiB), -EFAULT, "of several pages");
	if (io_uring_queue_init(4, &ring, 0))
		bail("io_uring");
	is(io_uring_register_buffers(&ring, &iov, 1), -EFAULT, "registered with io_uring");
	io_uring_queue_exit(&ring);
	ok(all_zero((char *)p, 4 * PG), "nothing was written there");
	is_ret(pread(copy, p, 4 * PG, 1 * MiB), 4 * PG, "without O_DIRECT it can be read into");
	holds(p, 4 * PG, 9, 0, "the contents");
	fill(p, 4 * PG, 10, 0);
	is_ret(pwrite(copy, p, 4 * PG, 1 * MiB), 4 * PG, "and written from");
	get(fd, disk, 4 * PG, 1 * MiB);
	holds(disk, 4 * PG, 10, 0, "the disk");
	munmap(p, 4 * PG);
	munmap(disk, 4 * PG);
	close(copy);
}

/* 1: yes, says the kernel's list of memory types; 0: no. */
static int combining(void)
{
	const char *list = "/sys/kernel/debug/x86/pat_memtype_list";
	unsigned char *p = map(ctrl, cmb, RW, NVDIO_MMAP_CMB);
	unsigned long long start, end;
	char line[256], type[64];
	bool found = false;
	FILE *f;

	is(touch(p), 0, "mapped");
	f = fopen(list, "r");
	if (!f)
		bail("%s", list);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "PAT: [mem 0x%llx-0x%llx] %63s", &start, &end, type) == 3 &&
		    end - start == cmb && !strcmp(type, "write-combining"))
			found = true;
	fclose(f);
	munmap(p, cmb);
	return found;
}

static void cmb_write_combining(void)
{
	is(combining(), 1, "it is mapped write-combining");
}

/* The controller is one of lab/vm --vfu: the size of its buffer becomes half of it. */
static void cmb_changed(void)
{
	const uint32_t *regs = regs_of(ctrl);
	unsigned char *p = map(ctrl, cmb, RW, NVDIO_MMAP_CMB);

	is(poke(p), 0, "mapped");
	is(touch(regs), 0, "registers, too");
	is_ret(ioctl(ctrl, NVME_IOCTL_RESET), 0, "a reset that changes nothing");
	is(poke(p), 0, "it is still there");
	is(system("vfu set cmbsz 0x80018 >/dev/null"), 0, "its size changes");
	is_ret(ioctl(ctrl, NVME_IOCTL_RESET), 0, "with a reset");
	is(poke(p), SIGBUS, "what was mapped is lost");
	is(touch(p + PG), SIGBUS, "all of it");
	is(ctrl_counter("cmb_bytes"), 0, "there is none");
	is(map_error(ctrl, PG, RW, MAP_SHARED, NVDIO_MMAP_CMB), -EOPNOTSUPP, "to be mapped");
	is(touch(regs), 0, "registers are still there");
	is(system("vfu set cmbsz 0x1218 >/dev/null"), 0, "its size is as before");
	is_ret(ioctl(ctrl, NVME_IOCTL_RESET), 0, "after another reset");
	is(poke(p), SIGBUS, "that does not bring it back");
	munmap(p, cmb);
	munmap((void *)regs, PG);
}

/* A BAR that is not prefetchable. */
static void cmb_uncached(void)
{
	is(combining(), 0, "it is not mapped write-combining");
}

/* ---- the driver is unbound */

static char pci[64];

static void write_to(const char *path, const char *text)
{
	int f = open(path, O_WRONLY);

	if (f < 0 || write(f, text, strlen(text)) < 0)
		bail("%s", path);
	close(f);
}

static void unbind(void)
{
	char link[128], target[256];
	ssize_t len;

	snprintf(link, sizeof(link), "/sys/class/nvdio/%s/device", ctrl_path() + 5);
	len = readlink(link, target, sizeof(target) - 1);
	if (len < 0)
		bail("%s", link);
	target[len] = '\0';
	snprintf(pci, sizeof(pci), "%.63s", strrchr(target, '/') + 1);
	write_to("/sys/bus/pci/drivers/nvdio/unbind", pci);
}

/* The controller is back, under another name if the old one is in use. */
static void bind_again(void)
{
	static char path[64];
	char pattern[128];
	glob_t found;

	write_to("/sys/bus/pci/drivers/nvdio/bind", pci);
	snprintf(pattern, sizeof(pattern), "/sys/bus/pci/devices/%.32s/nvdio/nvdio*/nvdio*n1", pci);
	for (int i = 0; i < 600; i++) {
		if (!glob(pattern, 0, NULL, &found) && found.gl_pathc == 1) {
			snprintf(dev.name, sizeof(dev.name), "%.31s",
				 strrchr(found.gl_pathv[0], '/') + 1);
			snprintf(path, sizeof(path), "/dev/%s", dev.name);
			globfree(&found);
			dev.path = path;
			if (!access(path, R_OK)) {
				fd = dev_open(O_RDWR | O_DIRECT);
				ctrl = ctrl_open(O_RDWR);
				return;
			}
		}
		usleep(100 * 1000);
	}
	bail("%s has not come back", pattern);
}

/* A node of the same device with an inode of its own. */
static int second_node(void)
{
	const char *path = "/dev/nvdio-second";
	struct stat st;
	int f;

	if (fstat(ctrl, &st) || mknod(path, S_IFCHR | 0600, st.st_rdev))
		bail("%s", path);
	f = open(path, O_RDWR);
	if (f < 0)
		bail("%s", path);
	unlink(path);
	return f;
}

static void unbound(void)
{
	const uint32_t *regs = regs_of(ctrl), *more, *untouched;
	unsigned char *p = NULL, *q = NULL, *ordinary;
	int second = second_node(), old[2];

	more = regs_of(second);
	untouched = regs_of(second);
	ordinary = map(fd, PG, RW, NVDIO_MMAP_ALLOC);
	fill(ordinary, PG, 3, 0);
	is(touch(regs), 0, "registers");
	is(touch(more), 0, "registers of a second node");
	if (cmb) {
		p = map(ctrl, cmb, RW, NVDIO_MMAP_CMB);
		q = map(fd, PG, RW, NVDIO_MMAP_CMB);
		is(poke(p + cmb - PG), 0, "the memory buffer");
		is(poke(q), 0, "by a namespace");
	}
	unbind();
	is(touch(regs), SIGBUS, "unbound: reading registers is a bus error");
	is(touch(more), SIGBUS, "unbound: those of the second node");
	is(touch(untouched), SIGBUS, "unbound: those that were not touched before");
	if (cmb) {
		is(poke(p + cmb - PG), SIGBUS, "unbound: so is the memory buffer");
		is(touch(p), SIGBUS, "unbound: its first page");
		is(poke(q), SIGBUS, "unbound: that of the namespace");
	}
	holds(ordinary, PG, 3, 0, "unbound: mapped memory has stayed");
	is(map_error(second, PG, PROT_READ, MAP_SHARED, NVDIO_MMAP_REGS), -ENODEV,
	   "unbound: no registers");
	is(map_error(fd, PG, PROT_READ, MAP_SHARED, NVDIO_MMAP_CMB), -ENODEV,
	   "unbound: no memory buffer");
	old[0] = fd;
	old[1] = ctrl;
	bind_again();
	is(touch(regs), SIGBUS, "bound again: what was mapped stays lost");
	munmap((void *)more, PG);
	more = regs_of(ctrl);
	is(touch(more), 0, "bound again: new registers");
	munmap((void *)more, PG);
	munmap((void *)untouched, PG);
	munmap((void *)regs, PG);
	munmap(ordinary, PG);
	if (cmb) {
		munmap(p, cmb);
		munmap(q, PG);
	}
	close(second);
	close(old[0]);
	close(old[1]);
}

/* Map and touch all the time, and keep what was mapped last. */
struct mapper {
	int node;
	void *last[2];
	unsigned long reached, lost;
};

static void *mapper(void *arg)
{
	static const uint64_t offsets[] = { NVDIO_MMAP_REGS, NVDIO_MMAP_CMB };
	struct mapper *m = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		for (int i = 0; i < 2; i++) {
			void *p = mmap(NULL, PG, PROT_READ, MAP_SHARED, m->node,
				       (off_t)offsets[i]);

			if (p == MAP_FAILED)
				continue;
			if (m->last[i])
				munmap(m->last[i], PG);
			m->last[i] = p;
			for (int j = 0; j < 3; j++) {
				if (touch(p))
					m->lost++;
				else
					__atomic_add_fetch(&m->reached, 1, __ATOMIC_RELAXED);
			}
		}
	}
	return NULL;
}

static unsigned long reached(const struct mapper *m)
{
	return __atomic_load_n(&m->reached, __ATOMIC_RELAXED);
}

static void unbound_while_mapping(void)
{
	unsigned int again = 0;

	for (int round = 0; round < 5; round++) {
		struct mapper m[2] = { { .node = ctrl }, { .node = second_node() } };
		pthread_t threads[2];

		__atomic_store_n(&stop, false, __ATOMIC_RELAXED);
		for (int i = 0; i < 2; i++)
			pthread_create(&threads[i], NULL, mapper, &m[i]);
		/* Under a busy host a thread may take its time. */
		for (int i = 0; i < 600 && !(reached(&m[0]) && reached(&m[1])); i++)
			usleep(100 * 1000);
		unbind();
		__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
		for (int i = 0; i < 2; i++) {
			pthread_join(threads[i], NULL);
			ok(m[i].reached > 0, "round %d: %lu accesses, %lu bus errors", round,
			   m[i].reached, m[i].lost);
			for (int j = 0; j < 2; j++) {
				again += m[i].last[j] && touch(m[i].last[j]) != SIGBUS;
				if (m[i].last[j])
					munmap(m[i].last[j], PG);
			}
		}
		close(m[1].node);
		close(fd);
		close(ctrl);
		bind_again();
	}
	is(again, 0, "nothing could be reached afterwards");
}

/* The stock driver has the controller meanwhile; the shell script sees to that. */
static void held(void)
{
	const uint32_t *regs = regs_of(ctrl);
	unsigned int bytes = 0;

	is(touch(regs), 0, "registers");
	printf("# mapped\n");
	fflush(stdout);
	while (read(0, &bytes, 1) == 1)
		;
	is(touch(regs), SIGBUS, "the registers of another driver's controller are out of reach");
	munmap((void *)regs, PG);
}

static void setup(void)
{
	struct sigaction sa = { .sa_handler = caught };

	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	fd = dev_open(O_RDWR | O_DIRECT);
	ctrl = ctrl_open(O_RDWR);
	cmb = ctrl_counter("cmb_bytes");
}

static const struct t_case cases[] = {
	{ "regs_refused", regs_refused },
	{ "regs_protected", regs_protected },
	{ "regs_forked", regs_forked },
	{ "regs_values", regs_values },
	{ "regs_resource", regs_resource },
	{ "reset_while_reading", reset_while_reading },
	{ "cmb_refused", cmb_refused },
	{ "cmb_contents", cmb_contents },
	{ "cmb_processes", cmb_processes },
	{ "cmb_io", cmb_io },
	{ "cmb_write_combining", cmb_write_combining },
	{ "unbound", unbound },
	{ "unbound_while_mapping", unbound_while_mapping },
	{ "cmb_none", cmb_none },
	{ "cmb_changed", cmb_changed },
	{ "cmb_uncached", cmb_uncached },
	{ "regs_hidden", regs_hidden },
	{ "regs_anywhere", regs_anywhere },
	{ "regs_locked_down", regs_locked_down },
	{ "held", held },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
