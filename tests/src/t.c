// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <inttypes.h>
#include <libaio.h>
#include <liburing.h>
#include <linux/fs.h>
#include <linux/nvme_ioctl.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "t.h"

struct device dev;

char **t_args;
const char *t_args_usage;

/* ---- running ---- */

static void device_begin(char *path)
{
	const char *limit = getenv("NVDIO_ALARM");
	char dir[64];
	int fd, lba;

	/* A program that hangs fails; the guest's other tests go on. */
	alarm(limit ? atoi(limit) : 400);
	dev.path = path;
	snprintf(dev.name, sizeof(dev.name), "%s",
		 strrchr(path, '/') ? strrchr(path, '/') + 1 : path);
	snprintf(dir, sizeof(dir), "/sys/class/nvdio/%s/stats", dev.name);
	dev.counted = !access(dir, R_OK);
	if (!dev.counted && !getenv("NVDIO_REFERENCE"))
		bail("%s has no nvdio counters", dev.path);

	fd = dev_open(O_RDONLY);
	if (ioctl(fd, BLKGETSIZE64, &dev.size) || ioctl(fd, BLKSSZGET, &lba))
		bail("size of %s", dev.path);
	close(fd);
	dev.lba = lba;
	if (dev.size < 64 * MiB)
		bail("%s is smaller than the 64 MiB these tests use", dev.path);
	note("%s, %" PRIu64 " MiB, LBA %u", dev.path, dev.size / MiB, dev.lba);
}

static void (*setup_fn)(void);

static void begin(char **args)
{
	if (!args[0]) {
		fprintf(stderr, "no device given (see --help)\n");
		exit(2);
	}
	if (args[1] && !t_args_usage) {
		fprintf(stderr, "unexpected argument '%s' (see --help)\n", args[1]);
		exit(2);
	}
	t_args = args + 1;
	if (sysconf(_SC_PAGESIZE) != PG)
		bail("compiled for pages of %lu bytes (PAGE_BYTES of tests/src/Makefile)", PG);
	device_begin(args[0]);
	if (setup_fn)
		setup_fn();
}

int t_run_setup(int argc, char **argv, void (*setup)(void),
		const struct t_case *cases, unsigned int nr)
{
	char args[128];

	snprintf(args, sizeof(args), "DEVICE%s%s (its data is overwritten)",
		 t_args_usage ? " " : "", t_args_usage ?: "");
	setup_fn = setup;
	return tap_run(argc, argv, &(struct tap_program){ args, begin, cases, nr });
}

int t_run(int argc, char **argv, const struct t_case *cases, unsigned int nr)
{
	return t_run_setup(argc, argv, NULL, cases, nr);
}

void t_begin(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: %s DEVICE (its data is overwritten)\n", argv[0]);
		exit(2);
	}
	tap_begin();
	device_begin(argv[1]);
}

int as_nobody(void (*part)(void))
{
	unsigned int failed = tap_failed();
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		bail("fork");
	if (!pid) {
		if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))
			bail("setuid");
		part();
		fflush(stdout);
		_exit(tap_failed() != failed);
	}
	if (waitpid(pid, &status, 0) != pid)
		bail("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The end of a pipe that child_ready() writes to. */
static int ready_fd = -1;

pid_t child_start(void (*part)(void *arg), void *arg)
{
	int ready[2];
	pid_t pid;
	char c;

	fflush(stdout);
	if (pipe(ready))
		bail("pipe");
	pid = fork();
	if (pid < 0)
		bail("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		ready_fd = ready[1];
		part(arg);
		_exit(1);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1) {
		waitpid(pid, NULL, 0);
		pid = -1;
	}
	close(ready[0]);
	return pid;
}

void child_ready(void)
{
	if (write(ready_fd, "", 1) != 1)
		_exit(1);
	close(ready_fd);
}

bool child_kill(pid_t pid)
{
	int status;

	return pid > 0 && !kill(pid, SIGKILL) && waitpid(pid, &status, 0) == pid &&
	       WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* ---- the device ---- */

int dev_open(int flags)
{
	int fd = open(dev.path, flags | O_CLOEXEC);

	if (fd < 0)
		bail("open %s", dev.path);
	return fd;
}

unsigned int dev_nsid(void)
{
	int fd = dev_open(O_RDONLY), nsid = ioctl(fd, NVME_IOCTL_ID);

	if (nsid <= 0)
		bail("NVME_IOCTL_ID of %s", dev.path);
	close(fd);
	return nsid;
}

const char *ctrl_path(void)
{
	static char path[64];
	char link[64], target[256], *name;
	ssize_t len;

	snprintf(link, sizeof(link), "/sys/class/nvdio/%s/device", dev.name);
	len = readlink(link, target, sizeof(target) - 1);
	if (len < 0)
		return NULL;
	target[len] = '\0';
	name = strrchr(target, '/');
	snprintf(path, sizeof(path), "/dev/%.48s", name ? name + 1 : target);
	return path;
}

const char *sibling_path(unsigned int nsid)
{
	static char path[64];
	bool found = false;
	char pattern[96], *name;
	glob_t g;

	snprintf(pattern, sizeof(pattern), "/sys/class/nvdio/%s/device/nvdio*n*/nsid", dev.name);
	if (glob(pattern, 0, NULL, &g))
		return NULL;
	for (size_t i = 0; i < g.gl_pathc && !found; i++) {
		FILE *f = fopen(g.gl_pathv[i], "r");
		unsigned int id;

		found = f && fscanf(f, "%u", &id) == 1 && id == nsid;
		if (f)
			fclose(f);
		if (found) {
			*strrchr(g.gl_pathv[i], '/') = '\0';
			name = strrchr(g.gl_pathv[i], '/') + 1;
			snprintf(path, sizeof(path), "/dev/%.48s", name);
		}
	}
	globfree(&g);
	return found ? path : NULL;
}

int ctrl_open(int flags)
{
	const char *path = ctrl_path();
	int fd = path ? open(path, flags | O_CLOEXEC) : -1;

	if (fd < 0)
		bail("the controller's node of %s", dev.path);
	return fd;
}

/* A number in sysfs, of node @node. */
static uint64_t number_of(const char *node, const char *file)
{
	uint64_t v;
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/nvdio/%s/%s", node, file);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%" SCNu64, &v) != 1)
		bail("read %s", path);
	fclose(f);
	return v;
}

uint64_t counter(const char *file)
{
	return dev.counted ? number_of(dev.name, file) : 0;
}

uint64_t ctrl_counter(const char *file)
{
	return number_of(ctrl_path() + 5, file);
}

long module_refs(void)
{
	FILE *f = fopen("/sys/module/nvdio/refcnt", "r");
	long n = -1;

	if (!f || fscanf(f, "%ld", &n) != 1)
		bail("/sys/module/nvdio/refcnt");
	fclose(f);
	return n;
}

bool module_refs_settle(long want)
{
	for (int i = 0; i < 100 && module_refs() != want; i++)
		usleep(100000);
	return module_refs() == want;
}

struct paths path_start(void)
{
	return (struct paths){ counter("stats/direct"), counter("stats/copy") };
}

void went(struct paths p, uint64_t direct, uint64_t copy, const char *fmt, ...)
{
	struct paths q = path_start();
	va_list ap;

	if (!dev.counted)
		return;
	q.direct -= p.direct;
	q.copy -= p.copy;
	va_start(ap, fmt);
	vok(q.direct == direct && q.copy == copy, fmt, ap);
	va_end(ap);
	if (q.direct != direct || q.copy != copy)
		note("  direct %" PRIu64 ", copy %" PRIu64 "; wanted %" PRIu64
		     " and %" PRIu64, q.direct, q.copy, direct, copy);
}

const char *path_name(int flags)
{
	return flags & O_DIRECT ? "direct" : "copy";
}

void went_by(struct paths p, int flags, uint64_t n, const char *what)
{
	struct paths q = path_start();
	bool d = flags & O_DIRECT;

	if (!n) {
		n = d ? q.direct - p.direct : q.copy - p.copy;
		if (!n)
			n = 1;
	}
	went(p, d ? n : 0, d ? 0 : n, "%s: counters: %" PRIu64 " calls, all %s",
	     what, n, path_name(flags));
}

static uint64_t word(uint64_t seed, uint64_t i)
{
	uint64_t x = (seed ^ i * 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9;

	return x ^ x >> 29;
}

void fill(void *buf, size_t len, uint64_t seed, uint64_t from)
{
	unsigned char *p = buf;
	uint64_t w;

	while (len) {
		size_t skip = from % 8, n = 8 - skip < len ? 8 - skip : len;

		w = word(seed, from / 8);
		memcpy(p, (char *)&w + skip, n);
		p += n;
		from += n;
		len -= n;
	}
}

ssize_t differs(const void *buf, size_t len, uint64_t seed, uint64_t from)
{
	const unsigned char *p = buf;
	size_t done = 0;
	uint64_t w;

	while (done < len) {
		size_t skip = from % 8;
		size_t n = 8 - skip < len - done ? 8 - skip : len - done;
		size_t i;

		w = word(seed, from / 8);
		if (memcmp(p + done, (char *)&w + skip, n))
			for (i = 0; i < n; i++)
				if (p[done + i] != ((unsigned char *)&w)[skip + i])
					return done + i;
		from += n;
		done += n;
	}
	return -1;
}

bool holds(const void *buf, size_t len, uint64_t seed, uint64_t from,
	   const char *fmt, ...)
{
	ssize_t at = differs(buf, len, seed, from);
	va_list ap;

	va_start(ap, fmt);
	vok(at < 0, fmt, ap);
	va_end(ap);
	if (at >= 0)
		note("  byte %zd of %zu is wrong (0x%02x)", at, len,
		     ((const unsigned char *)buf)[at]);
	return at < 0;
}

void *missing_pages(size_t len, int *uffd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	reg.range = (struct uffdio_range){ (uintptr_t)p, len };
	*uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (p == MAP_FAILED || *uffd < 0 || ioctl(*uffd, UFFDIO_API, &api) ||
	    ioctl(*uffd, UFFDIO_REGISTER, &reg))
		bail("userfaultfd: %s", strerror(errno));
	return p;
}

bool pins_prot_none(void)
{
	struct iovec v = { pages(PG), PG };
	int p[2];
	bool ret;

	memset(v.iov_base, 1, PG);
	if (pipe(p) || mprotect(v.iov_base, PG, PROT_NONE))
		bail("pipe or mprotect");
	ret = vmsplice(p[1], &v, 1, SPLICE_F_NONBLOCK) > 0;
	close(p[0]);
	close(p[1]);
	munmap(v.iov_base, PG);
	return ret;
}

long map_error(int node, size_t len, int prot, int flags, uint64_t offset)
{
	void *p = mmap(NULL, len, prot, flags, node, (off_t)offset);

	if (p == MAP_FAILED)
		return -errno;
	munmap(p, len);
	return 0;
}

bool node_is_back(const char *pci)
{
	char pattern[128];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "/sys/bus/pci/devices/%.32s/nvdio/nvdio*/nvdio*n1", pci);
	for (int n = 0; n < 300; n++) {
		if (!glob(pattern, 0, NULL, &found)) {
			globfree(&found);
			return true;
		}
		usleep(100 * 1000);
	}
	return false;
}

void vfu_tell(const char *line)
{
	char command[128];

	snprintf(command, sizeof(command), "vfu %s >/dev/null", line);
	if (system(command))
		bail("%s", command);
}

void *shared_memory(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		bail("mmap");
	return p;
}

void *pages(size_t len)
{
	void *p;

	len = (len + PG - 1) & ~(PG - 1);
	p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		bail("mmap of %zu", len);
	madvise(p, len, MADV_NOHUGEPAGE);
	memset(p, 0, len);
	return p;
}

void put(int fd, const void *buf, size_t len, uint64_t off)
{
	ssize_t n = pwrite(fd, buf, len, off);

	if (n != (ssize_t)len)
		bail("pwrite of %zu at %" PRIu64 " gave %zd", len, off, n);
}

void get(int fd, void *buf, size_t len, uint64_t off)
{
	ssize_t n = pread(fd, buf, len, off);

	if (n != (ssize_t)len)
		bail("pread of %zu at %" PRIu64 " gave %zd", len, off, n);
}

void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		bail("CPU %d: %s", cpu, strerror(errno));
}

void one_queue(void)
{
	stay_on(0);
}

void prep_command(struct io_uring_sqe *sqe, int fd, unsigned int op,
		  const struct nvme_uring_cmd *c)
{
	memset(sqe, 0, 128);
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->cmd_op = op;
	memcpy(sqe->cmd, c, sizeof(*c));
}

bool all_zero(const char *p, size_t len)
{
	while (len--)
		if (*p++)
			return false;
	return true;
}

struct flight {
	int fd, n;
	io_context_t aio;
	struct iocb cb[FLIGHT_MAX], *pcb[FLIGHT_MAX];
};

struct flight *take_off(int flags, char *buf, int n, size_t len, size_t step)
{
	struct flight *f = calloc(1, sizeof(*f));
	int i;

	f->fd = dev_open(O_RDWR | flags);
	f->n = n;
	if (n > FLIGHT_MAX || io_setup(FLIGHT_MAX, &f->aio))
		bail("io_setup");
	for (i = 0; i < n; i++) {
		io_prep_pread(&f->cb[i], f->fd, buf + i * step, len,
			      i * 64 * KiB);
		f->pcb[i] = &f->cb[i];
	}
	if (io_submit(f->aio, n, f->pcb) != n)
		bail("io_submit");
	return f;
}

int flight_fd(const struct flight *f)
{
	return f->fd;
}

int land(struct flight *f, size_t len, int *whole, int *fault)
{
	struct timespec limit = { 30, 0 };
	struct io_event ev[FLIGHT_MAX];
	int i, n;

	*whole = *fault = 0;
	n = io_getevents(f->aio, f->n, f->n, ev, &limit);
	for (i = 0; i < n; i++) {
		*whole += ev[i].res == len;
		*fault += (long)ev[i].res == -EFAULT;
	}
	io_destroy(f->aio);
	free(f);
	return n;
}

int flight_abandon(struct flight *f)
{
	int ret = io_destroy(f->aio);

	free(f);
	return ret;
}
