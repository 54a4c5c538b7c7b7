// SPDX-License-Identifier: GPL-2.0
/*
 * Mapped memory (driver/uapi/nvdio.h) under everything that programs and administrators
 * do to it, with I/O in flight: munmap(), mremap(), mprotect(), MAP_FIXED, fork(), exec(),
 * exit(), kill(), MAP_ADD, MAP_DEL, resets, and the driver unbound and bound. Contents are
 * compared throughout, also those of memory that has come in the place of mapped memory,
 * or has its pages: a late write of the controller shows there. mapstorm_user.c has what is
 * done with memory that exists already.
 *
 * usage: mapstorm DEVICE [SECONDS]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libaio.h>
#include <linux/nvme_ioctl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mapstorm.h"

#define ROUNDS 3		/* the driver is unbound between them */
#define PATIENCE 150		/* seconds without any progress; with lab/vm's limit in mind */

struct storm *shared;
unsigned int me;
uint64_t state;
int fd;

/* ---- results ---- */

void wrong(const char *what, long got)
{
	if (!atomic_fetch_add(&shared->wrong, 1))
		snprintf(shared->what, sizeof(shared->what), "%s: %ld", what, got);
}

/* A call that cannot go on ends the process, if the driver is unbound. */
void must(long got, long want, const char *what)
{
	if (got == want)
		return;
	if (got != -ENODEV && !atomic_load(&shared->unbound))
		wrong(what, got);
	_exit(0);
}

void pattern(const char *p, size_t len, uint64_t seed, uint64_t from, const char *what)
{
	const ssize_t at = differs(p, len, seed, from);

	if (at >= 0)
		wrong(what, at);
}

/* ---- memory ---- */

char *map_at(void *at, size_t len, int flags, uint64_t offset)
{
	char *p = mmap(at, len, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, (off_t)offset);

	must(p == MAP_FAILED ? -errno : 0, 0, "mmap");
	return p;
}

char *map_new(void)
{
	return map_at(NULL, NR * PG, 0, NVDIO_MMAP_ALLOC);
}

char *ordinary(void *at, size_t len)
{
	char *p = mmap(at, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0);

	must(p == MAP_FAILED ? -errno : 0, 0, "mmap of ordinary memory");
	return p;
}

uint64_t known(uint64_t *random, size_t len)
{
	return below(random, (KNOWN - len) / PG + 1) * PG;
}

/* Read what is known into @p, and see whether it is there. */
void read_known(char *p, size_t len, const char *what)
{
	const uint64_t off = known(&state, len);

	must(reterr(pread(fd, p, len, off)), len, what);
	pattern(p, len, t_seed, off, what);
}

/* ---- reads in flight ---- */

static io_context_t aio;

/* DEEP reads into @p, of the same part of the disk as every other such read. */
void depart(char *p)
{
	static struct iocb cb[DEEP], *pcb[DEEP];

	if (!aio && io_setup(DEEP, &aio))
		must(-errno, 0, "io_setup");
	for (int i = 0; i < DEEP; i++) {
		io_prep_pread(&cb[i], fd, p + i * STEP, STEP, i * STEP);
		pcb[i] = &cb[i];
	}
	must(io_submit(aio, DEEP, pcb), DEEP, "io_submit");
}

void arrive(const char *what)
{
	struct io_event ev[DEEP];

	must(io_getevents(aio, DEEP, DEEP, ev, NULL), DEEP, "io_getevents");
	for (int i = 0; i < DEEP; i++)
		must((long)ev[i].res, STEP, what);
}

/* ---- workers: a pass of each ---- */

struct own {
	char *map, *shadow;
	uint64_t state, at;
};

/* Write from one place of the memory, read it to another one. */
static void own_pass(struct own *o)
{
	const size_t len = (1 + below(&o->state, 20)) * dev.lba;
	const size_t room = NR * PG - len;
	const uint64_t off = o->at + below(&o->state, (OWN - len) / dev.lba) * dev.lba;
	const size_t from = below(&o->state, room / 4) * 4, to = below(&o->state, room / 4) * 4;

	must(reterr(pwrite(fd, o->map + from, len, off)), len, "write");
	must(reterr(pread(fd, o->map + to, len, off)), len, "read");
	memmove(o->shadow + to, o->shadow + from, len);
	if (memcmp(o->map, o->shadow, NR * PG))
		wrong("memory is not what was written and read", to);
	atomic_fetch_add(&shared->passes[me], 1);
}

static void *own_thread(void *arg)
{
	struct own *o = arg;

	while (!atomic_load(&shared->stop)) {
		o->map = map_new();
		o->shadow = ordinary(NULL, NR * PG);
		fill(o->shadow, NR * PG, rnd(&o->state), 0);
		memcpy(o->map, o->shadow, NR * PG);
		for (int i = 0; i < 50 && !atomic_load(&shared->stop); i++)
			own_pass(o);
		munmap(o->map, NR * PG);
		munmap(o->shadow, NR * PG);
	}
	return NULL;
}

/* Two threads compare what they write, while a third one copies the address space. */
static void owners(void)
{
	static struct own o[2];
	static bool begun;
	pthread_t id;
	pid_t pid;

	for (int i = 0; !begun && i < 2; i++) {
		o[i].state = rnd(&state);
		o[i].at = OWN_AT(WORKERS + 2 * me + i);
		if (pthread_create(&id, NULL, own_thread, &o[i]))
			must(-1, 0, "pthread_create");
	}
	begun = true;
	pid = fork();
	if (!pid) {
		char *p = map_new();

		depart(p);
		if (below(&state, 2))
			munmap(p, NR * PG);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	usleep(10000);
}

void replace(char *p, bool unmap_first)
{
	const uint64_t seed = rnd(&state);

	if (unmap_first)
		munmap(p, NR * PG);
	ordinary(p, NR * PG);
	read_known(p, NR * PG, "read to where mapped memory was");
	fill(p, NR * PG, seed, 0);
	arrive("read in flight, its memory replaced");
	pattern(p, NR * PG, seed, 0, "memory in the place of mapped memory");
	munmap(p, NR * PG);
}

/* What one process does to its addresses with reads in flight. */
static void change(void)
{
	char *p = map_new(), *q;

	read_known(p, NR * PG, "read into new memory");
	depart(p);
	switch (below(&state, 6)) {
	case 0:
		replace(p, true);
		return;
	case 1:
		replace(p, false);
		return;
	case 2:
		q = ordinary(NULL, NR * PG);
		if (mremap(p, NR * PG, NR * PG, MREMAP_MAYMOVE | MREMAP_FIXED, q) != q)
			must(-errno, 0, "mremap");
		must(reterr(pread(fd, p, STEP, 0)), -EFAULT, "read to where memory was");
		arrive("read in flight, its memory moved");
		pattern(q, NR * PG, t_seed, 0, "memory that was moved");
		read_known(q, NR * PG, "read into memory that was moved");
		munmap(q, NR * PG);
		return;
	case 3:
		mprotect(p, NR * PG, PROT_READ);
		must(reterr(pread(fd, p, STEP, 0)), -EFAULT, "read into memory for reading");
		arrive("read in flight, its memory protected");
		pattern(p, NR * PG, t_seed, 0, "memory that was protected");
		break;
	case 4:
		munmap(p + STEP, STEP);
		must(reterr(pread(fd, p, 2 * STEP, 0)), -EFAULT, "read into a hole");
		arrive("read in flight, a part of its memory unmapped");
		pattern(p + 2 * STEP, NR * PG - 2 * STEP, t_seed, 2 * STEP, "behind a hole");
		break;
	default:
		munmap(p, NR * PG);
		arrive("read in flight, its memory unmapped");
	}
	munmap(p, NR * PG);
}

/* Identifiers that are deleted with reads in flight. */
static void add_del(void)
{
	struct nvdio_map_add a = { .len = NR * PG, .flags = NVDIO_MAP_USER };
	const uint64_t seed = rnd(&state);
	char *p = ordinary(NULL, NR * PG);

	a.addr = (uintptr_t)p;
	must(reterr(ioctl(fd, NVDIO_IOC_MAP_ADD, &a)), 0, "MAP_ADD");
	if (below(&state, 2))
		read_known(p, NR * PG, "read into memory with an identifier");
	depart(p);
	if (below(&state, 2))
		munmap(p, NR * PG);
	must(reterr(ioctl(fd, NVDIO_IOC_MAP_DEL, &a.id)), 0, "MAP_DEL");
	ordinary(p, NR * PG);
	fill(p, NR * PG, seed, 0);
	arrive("read in flight, its identifier deleted");
	pattern(p, NR * PG, seed, 0, "memory in the place of a program's");
	munmap(p, NR * PG);
}

/* Processes that end with reads in flight. */
static void end(void)
{
	const unsigned int how = below(&state, 3);
	int up[2];
	pid_t pid;
	char c;

	if (pipe2(up, O_CLOEXEC))
		must(-errno, 0, "pipe");
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		depart(map_new());
		(void)!write(up[1], "x", 1);
		if (!how)
			execl("/bin/true", "true", NULL);
		if (how == 1)
			pause();
		_exit(0);
	}
	close(up[1]);
	(void)!read(up[0], &c, 1);
	close(up[0]);
	if (how == 1)
		kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Pages that others have given back. */
static void reuse(void)
{
	const uint64_t seed = rnd(&state);
	char *p = ordinary(NULL, 4 * MiB);

	fill(p, 4 * MiB, seed, 0);
	usleep(20000);
	pattern(p, 4 * MiB, seed, 0, "memory of another process");
	munmap(p, 4 * MiB);
}

/* ---- an address that means something else all the time ---- */

static char *flipped;
static atomic_uint reads;

static void *flip_thread(void *unused)
{
	(void)unused;
	for (;;) {
		long ret = reterr(pread(fd, flipped, STEP, 0));

		if (ret != -EFAULT)
			must(ret, STEP, "read to an address that changes");
		atomic_fetch_add(&reads, 1);
	}
	return NULL;
}

/* Any read from before has ended. */
static void two_reads(void)
{
	const unsigned int from = atomic_load(&reads);

	while (atomic_load(&reads) - from < 2)
		usleep(100);
}

static void flip(void)
{
	static struct nvdio_map_add a[2];
	static char *other[2];
	unsigned int now = below(&state, 3);
	const uint64_t seed = rnd(&state);
	pthread_t id;

	for (int i = 0; i < 2 && !flipped; i++) {
		a[i] = (struct nvdio_map_add){ .len = STEP, .flags = NVDIO_MAP_ALLOC };
		must(reterr(ioctl(fd, NVDIO_IOC_MAP_ADD, &a[i])), 0, "MAP_ADD");
		other[i] = map_at(NULL, STEP, 0, a[i].mmap_offset);
	}
	if (!flipped) {
		flipped = ordinary(NULL, STEP);
		if (pthread_create(&id, NULL, flip_thread, NULL))
			must(-1, 0, "pthread_create");
	}
	if (now < 2)
		map_at(flipped, STEP, MAP_FIXED, a[now].mmap_offset);
	else
		ordinary(flipped, STEP);
	two_reads();
	pattern(flipped, STEP, t_seed, 0, "memory at an address that changes");
	for (unsigned int i = 0; i < 2; i++)
		if (i != now)
			fill(other[i], STEP, seed, 0);
	two_reads();
	for (unsigned int i = 0; i < 2; i++)
		pattern(other[i], STEP, i == now ? t_seed : seed, 0, "memory that was there");
}

/* ---- running them ---- */

static const struct {
	const char *name;
	void (*pass)(void);
} kinds[WORKERS] = {
	{ "owners", owners }, { "owners", owners }, { "changes", change }, { "changes", change },
	{ "identifiers", add_del }, { "identifiers", add_del }, { "ends", end },
	{ "pages used again", reuse }, { "one address", flip }, { "registered", registered },
	{ "by identifier", by_id }, { "shared identifiers", shared_id }, { "dma-bufs", dmabufs },
	{ "rings", rings }, { "ends, registered", user_ends },
};

static pid_t start(unsigned int n, unsigned int round)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	me = n;
	state = t_seed + 1000 * round + n + 1;
	fd = open(dev.path, O_RDWR | O_DIRECT);
	must(fd < 0 ? -errno : 0, 0, "open");
	while (!atomic_load(&shared->stop)) {
		kinds[n].pass();
		if (kinds[n].pass != owners)
			atomic_fetch_add(&shared->passes[n], 1);
	}
	_exit(0);
}

static void write_to(const char *path, const char *text)
{
	int f = open(path, O_WRONLY);

	if (f < 0 || write(f, text, strlen(text)) < 0)
		bail("%s", path);
	close(f);
}

/* The driver is bound again; the controller's number may have changed. */
static void bind_again(const char *pci)
{
	static char path[64];
	char pattern[128];
	glob_t found;

	write_to("/sys/bus/pci/drivers/nvdio/bind", pci);
	snprintf(pattern, sizeof(pattern), "/sys/bus/pci/devices/%.32s/nvdio/nvdio*/nvdio*n1", pci);
	for (int i = 0; i < 300; i++) {
		if (!glob(pattern, 0, NULL, &found)) {
			snprintf(dev.name, sizeof(dev.name), "%.31s",
				 strrchr(found.gl_pathv[0], '/') + 1);
			snprintf(path, sizeof(path), "/dev/%s", dev.name);
			globfree(&found);
			dev.path = path;
			if (!access(path, R_OK))
				return;
		}
		usleep(100 * 1000);
	}
	bail("%s has not come back", pattern);
}

/* All workers have ended by themselves; those that do not are killed. */
static bool all_end(const pid_t *pid)
{
	bool ended[WORKERS] = { false }, well = true;
	unsigned int left = WORKERS;

	for (int i = 0; i < PATIENCE * 10; i++) {
		for (unsigned int n = 0; n < WORKERS; n++) {
			int status;

			if (ended[n] || waitpid(pid[n], &status, WNOHANG) != pid[n])
				continue;
			ended[n] = true;
			well &= !status;
			left--;
		}
		if (!left)
			return well;
		usleep(100 * 1000);
	}
	for (unsigned int n = 0; n < WORKERS; n++)
		kill(pid[n], SIGKILL);
	return false;
}

/* On a busy host a pass may take a while. */
static bool all_passed(void)
{
	for (unsigned int n = 0; n < WORKERS; n++)
		if (!atomic_load(&shared->passes[n]))
			return false;
	return true;
}

static void storm_round(unsigned int round, double seconds, const char *pci)
{
	const double end = now() + seconds, last = end + PATIENCE;
	pid_t pid[WORKERS];
	int ctrl = ctrl_open(O_RDWR);

	for (unsigned int n = 0; n < WORKERS; n++)
		pid[n] = start(n, round);
	while ((now() < end || (!all_passed() && now() < last)) && !atomic_load(&shared->wrong)) {
		usleep(200 * 1000 + below(&state, 800) * 1000);
		if (ioctl(ctrl, NVME_IOCTL_RESET))
			bail("NVME_IOCTL_RESET");
	}
	shared->hit += counter("stats/mapped");
	close(ctrl);
	if (round < ROUNDS - 1) {
		atomic_store(&shared->unbound, true);
		write_to("/sys/bus/pci/drivers/nvdio/unbind", pci);
	}
	atomic_store(&shared->stop, true);
	ok(all_end(pid), "round %u: all processes end", round);
	if (atomic_load(&shared->unbound))
		bind_again(pci);
	atomic_store(&shared->stop, false);
	atomic_store(&shared->unbound, false);
}

static void storm(void)
{
	const double seconds = t_args[0] ? atof(t_args[0]) : 12;
	const char *pci = getenv("NVDIO_PCI");
	char *p = pages(KNOWN);

	if (!pci)
		bail("NVDIO_PCI is not set");
	alarm(0);
	state = t_seed;
	shared = shared_memory(sizeof(*shared));
	fd = dev_open(O_RDWR | O_DIRECT);
	fill(p, KNOWN, t_seed, 0);
	put(fd, p, KNOWN, 0);
	close(fd);
	munmap(p, KNOWN);
	for (unsigned int round = 0; round < ROUNDS; round++)
		storm_round(round, seconds / ROUNDS, pci);
	for (unsigned int n = 0; n < WORKERS; n++)
		if (kinds[n].pass != dmabufs || have_dmabufs())
			ok(shared->passes[n], "%s: %u passes", kinds[n].name, shared->passes[n]);
		else
			t_skip("dma-bufs: no /dev/udmabuf, or no /dev/dma_heap/system");
	ok(shared->hit, "%u reads and writes of mapped memory", shared->hit);
	is(shared->wrong, 0, "nothing went wrong");
	if (shared->wrong)
		note("  %s", shared->what);
	for (int i = 0; i < 300 && ctrl_counter("maps"); i++)
		usleep(100 * 1000);
	is(ctrl_counter("maps"), 0, "no map is left");
	is(ctrl_counter("map_bytes"), 0, "nor bytes of one");
}

static const struct t_case cases[] = { { "storm", storm } };

int main(int argc, char **argv)
{
	t_args_usage = "[SECONDS]";
	return t_run(argc, argv, cases, ARRAY_SIZE(cases));
}
