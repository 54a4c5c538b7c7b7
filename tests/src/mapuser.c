// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of the program's (NVDIO_MAP_USER) by its address: that it is recognised, and
 * what munmap(), mremap(), mprotect(), fork(), madvise() and others do to it. A read
 * that was recognised by an address of before would go to the old pages, which the map
 * still has; the second address of a memfd shows these.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../driver/uapi/nvdio.h"
#include "t.h"

#define AT (8 * MiB)
#define NR 64UL
#define LEN (NR * PG)
#define READ (8 * PG)		/* more than two pages, which might need no map */

static int fd;
static uint64_t seed;
static const int rw = PROT_READ | PROT_WRITE;

/* ---- registered memory ---- */

struct area {
	char *p;		/* the registered address */
	char *other;		/* another one of its first pages, or NULL */
	uint32_t id;
};

static uint32_t add(const char *p, uint32_t flags)
{
	struct nvdio_map_add a = {
		.addr = (uintptr_t)p, .len = LEN, .flags = NVDIO_MAP_USER | flags
	};

	if (ioctl(fd, NVDIO_IOC_MAP_ADD, &a))
		bail("MAP_ADD");
	return a.id;
}

static void area_private(struct area *a)
{
	a->p = mmap(NULL, LEN, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (a->p == MAP_FAILED)
		bail("mmap");
	madvise(a->p, LEN, MADV_NOHUGEPAGE);
	memset(a->p, 0x5a, LEN);
	a->other = NULL;
	a->id = add(a->p, 0);
}

static void area_shared(struct area *a)
{
	int mem = memfd_create("mapuser", 0);

	if (mem < 0 || ftruncate(mem, LEN))
		bail("memfd");
	a->p = mmap(NULL, LEN, rw, MAP_SHARED, mem, 0);
	a->other = mmap(NULL, LEN, rw, MAP_SHARED, mem, 0);
	if (a->p == MAP_FAILED || a->other == MAP_FAILED)
		bail("mmap");
	close(mem);
	memset(a->p, 0x5a, LEN);
	a->id = add(a->p, 0);
}

static void area_end(struct area *a)
{
	if (ioctl(fd, NVDIO_IOC_MAP_DEL, &a->id))
		bail("MAP_DEL");
	munmap(a->p, LEN);
	if (a->other)
		munmap(a->other, LEN);
	for (int i = 0; i < 300 && ctrl_counter("maps"); i++)
		usleep(100 * 1000);
	is(ctrl_counter("maps"), 0, "no map is left");
}

/* ---- I/O ---- */

static void disk_fill(void)
{
	char *p = pages(READ);

	fill(p, READ, ++seed, 0);
	put(fd, p, READ, AT);
	munmap(p, READ);
}

/* New data are read into @p. Returns how many reads were recognised, or -1. */
static int reads(char *p, const char *what)
{
	uint64_t before;

	disk_fill();
	before = counter("stats/mapped");
	is_ret(pread(fd, p, READ, AT), READ, "%s: a read", what);
	before = counter("stats/mapped") - before;
	return holds(p, READ, seed, 0, "%s: contents", what) ? (int)before : -1;
}

/* As reads(), the other way. */
static int writes(char *p, const char *what)
{
	char *back = pages(READ);
	uint64_t before;
	bool same;

	fill(p, READ, ++seed, 0);
	before = counter("stats/mapped");
	is_ret(pwrite(fd, p, READ, AT), READ, "%s: a write", what);
	before = counter("stats/mapped") - before;
	get(fd, back, READ, AT);
	same = holds(back, READ, seed, 0, "%s: contents of the disk", what);
	munmap(back, READ);
	return same ? (int)before : -1;
}

static void recognised(char *p, const char *what)
{
	is(reads(p, what), 1, "%s: recognised", what);
	is(writes(p, what), 1, "%s: recognised", what);
}

/* It may be, soon; how soon is up to the driver. */
static void recognised_again(char *p, const char *what)
{
	int n = 0, got = 0;

	for (; n < 200 && !got; n++) {
		uint64_t before = counter("stats/mapped");

		if (pread(fd, p, READ, AT) != (ssize_t)READ)
			break;
		got = counter("stats/mapped") - before;
		if (!got)
			usleep(100 * 1000);
	}
	ok(got == 1, "%s: recognised again", what);
	recognised(p, what);
}

static void other_memory(char *p, const char *what)
{
	is(reads(p, what), 0, "%s: not recognised", what);
	is(writes(p, what), 0, "%s: not recognised", what);
}

/* ---- cases ---- */

static void known(void)
{
	struct area a, b;

	area_private(&a);
	recognised(a.p, "private memory");
	recognised(a.p + LEN - READ, "its end");
	recognised(a.p + PG + 512, "an odd place");
	area_shared(&b);
	recognised(b.p, "shared memory");
	ok(!memcmp(b.p, b.other, LEN), "seen by the other address");
	other_memory(b.other, "the other address");
	recognised(a.p, "the first memory");
	is_ret(ioctl(fd, NVDIO_IOC_MAP_DEL, &b.id), 0, "MAP_DEL");
	other_memory(b.p, "no longer registered");
	b.id = add(b.p, 0);
	recognised(b.p, "registered again");
	is_ret(ioctl(fd, NVDIO_IOC_MAP_DEL, &a.id), 0, "MAP_DEL");
	other_memory(a.p, "the first memory, no longer registered");
	a.id = add(a.p, NVDIO_MAP_READ_ONLY);
	is(reads(a.p, "registered for writes"), 0, "a read is not recognised");
	is(writes(a.p, "registered for writes"), 1, "a write is");
	is_ret(ioctl(fd, NVDIO_IOC_MAP_DEL, &a.id), 0, "MAP_DEL");
	munmap(a.p, LEN);
	area_end(&b);
}

static void untouched(const struct area *a)
{
	ok(a->other[0] == 0x77 && !memcmp(a->other, a->other + 1, LEN - 1),
	   "the old pages are as they were");
}

/* Something else at the address. The old pages must not be touched. */
static void replaced(void)
{
	struct area a;

	area_shared(&a);
	recognised(a.p, "registered");
	memset(a.other, 0x77, LEN);
	if (mmap(a.p, LEN, rw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != a.p)
		bail("mmap");
	other_memory(a.p, "replaced");
	memset(a.p, 1, LEN);
	untouched(&a);
	munmap(a.p, LEN);
	is_ret(pread(fd, a.p, READ, AT), -EFAULT, "unmapped: no read");
	is_ret(pwrite(fd, a.p, READ, AT), -EFAULT, "unmapped: no write");
	if (mmap(a.p, LEN, rw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != a.p)
		bail("mmap");
	other_memory(a.p, "mapped anew");
	untouched(&a);
	area_end(&a);
}

/* A page of it is replaced: that one, and none of the others, is new. */
static void replaced_part(void)
{
	struct area a;

	area_shared(&a);
	recognised(a.p, "registered");
	memset(a.other, 0x77, LEN);
	if (mmap(a.p + PG, PG, rw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != a.p + PG)
		bail("mmap");
	other_memory(a.p, "a page is replaced");
	ok(a.other[PG] == 0x77 && !memcmp(a.other + PG, a.other + PG + 1, PG - 1),
	   "the old page is as it was");
	area_end(&a);
}

static void moved(void)
{
	struct area a;
	char *q;

	area_shared(&a);
	recognised(a.p, "registered");
	q = mmap(NULL, LEN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mremap(a.p, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, q) != q)
		bail("mremap");
	is_ret(pread(fd, a.p, READ, AT), -EFAULT, "moved: nothing is left");
	other_memory(q, "moved");
	if (mremap(q, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, a.p) != a.p)
		bail("mremap");
	recognised_again(a.p, "moved back");
	area_end(&a);
}

static void protected(void)
{
	struct area a;

	area_private(&a);
	recognised(a.p, "registered");
	is_ret(mprotect(a.p, LEN, PROT_READ), 0, "mprotect() for reading");
	is_ret(pread(fd, a.p, READ, AT), -EFAULT, "no read");
	is_ret(pwrite(fd, a.p, READ, AT), READ, "but a write");
	is_ret(mprotect(a.p, PG, PROT_NONE), 0, "mprotect() of a page for nothing");
	is_ret(pwrite(fd, a.p, READ, AT), pins_prot_none() ? (long)READ : -EFAULT,
	       "a write only if the kernel pins it");
	is_ret(pread(fd, a.p, READ, AT), -EFAULT, "no read");
	is_ret(mprotect(a.p, LEN, rw), 0, "mprotect() for all");
	memset(a.p, 1, LEN);
	recognised_again(a.p, "writable");
	area_end(&a);
}

/* The program gets new pages, and the map keeps the old ones. */
static void dropped(void)
{
	struct area a;

	area_private(&a);
	recognised(a.p, "registered");
	is_ret(madvise(a.p, LEN, MADV_DONTNEED), 0, "MADV_DONTNEED");
	ok(all_zero(a.p, PG), "the memory is new");
	other_memory(a.p, "new memory");
	is_ret(madvise(a.p + READ, PG, MADV_DONTNEED), 0, "MADV_DONTNEED of a page");
	other_memory(a.p, "new memory, before it");
	area_end(&a);
}

/* The kernel must copy pinned pages for the child at once, or give one of both new ones. */
static void forked(void)
{
	int up[2], down[2], status = -1;
	struct area a;
	pid_t pid;
	char c;

	area_private(&a);
	recognised(a.p, "registered");
	fill(a.p, LEN, 4711, 0);
	if (pipe(up) || pipe(down))
		bail("pipe");
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		bail("fork");
	if (!pid) {
		bool same = differs(a.p, LEN, 4711, 0) < 0;

		/* It is no registered memory here, and its reads are its own. */
		same &= pread(fd, a.p, READ, AT) == (ssize_t)READ;
		same &= differs(a.p, READ, seed, 0) < 0;
		memset(a.p + READ, 3, LEN - READ);
		same &= write(up[1], "x", 1) == 1 && read(down[0], &c, 1) == 1;
		_exit(!same || a.p[READ] != 3 || differs(a.p, READ, seed, 0) >= 0);
	}
	if (read(up[0], &c, 1) != 1)
		bail("the child");
	holds(a.p, LEN, 4711, 0, "a child's reads and writes are not seen");
	fill(a.p, LEN, 42, 0);
	is(reads(a.p, "while there is a child") >= 0, 1, "it goes where it should");
	is(writes(a.p, "while there is a child") >= 0, 1, "it goes where it should");
	if (write(down[1], "x", 1) != 1)
		bail("pipe");
	ok(waitpid(pid, &status, 0) == pid && !status, "nor are those of its parent, there");
	recognised_again(a.p, "after fork()");
	area_end(&a);
}

/* ---- addresses with a tag ---- */

/*
 * The same memory by an address that has something in its upper bits, which arm64 does not
 * look at: system calls take it from who has said so. MMU notifiers and VMAs have it without.
 */
static void tagged(void)
{
	struct area a;
	char *t;

	if (prctl(PR_SET_TAGGED_ADDR_CTRL, PR_TAGGED_ADDR_ENABLE, 0, 0, 0)) {
		t_skip("addresses have no tags here");
		return;
	}
	area_shared(&a);
	t = (char *)((uintptr_t)a.p | 0x5aUL << 56);
	recognised(a.p, "registered without");
	recognised(t, "the same with a tag");
	is_ret(ioctl(fd, NVDIO_IOC_MAP_DEL, &a.id), 0, "MAP_DEL");
	a.id = add(t, 0);
	recognised(t, "registered with");
	recognised(a.p, "the same without a tag");
	memset(a.other, 0x77, LEN);
	if (mmap(a.p, LEN, rw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != a.p)
		bail("mmap");
	other_memory(t, "replaced, with a tag");
	other_memory(a.p, "replaced, without");
	untouched(&a);
	area_end(&a);
}

/* ---- a signal ---- */

static atomic_uint handled;

static void handler(int sig)
{
	(void)sig;
	atomic_fetch_add(&handled, 1);
}

struct interrupted {
	struct nvdio_map_add add;
	pthread_t thread;
	void *arg;
	int uffd;
};

/* Provides the argument of the call when the thread that makes it has a signal pending. */
static void *interrupt(void *arg)
{
	struct interrupted *in = arg;
	struct pollfd faulted = { .fd = in->uffd, .events = POLLIN };
	struct uffdio_copy copy = { .dst = (uintptr_t)in->arg, .len = PG };
	char *page = pages(PG);

	memcpy(page, &in->add, sizeof(in->add));
	copy.src = (uintptr_t)page;
	if (poll(&faulted, 1, 60000) != 1 || pthread_kill(in->thread, SIGUSR1) ||
	    ioctl(in->uffd, UFFDIO_COPY, &copy))
		_exit(3);
	return NULL;
}

/* The first MAP_ADD of an address space, the one that the kernel gives up for a signal. */
static void add_interrupted(void)
{
	const struct sigaction action = { .sa_handler = handler };
	struct interrupted in = { .thread = pthread_self() };
	struct nvdio_map_add *arg = in.arg = missing_pages(PG, &in.uffd);
	char *p = pages(LEN);
	pthread_t thread;

	in.add = (struct nvdio_map_add){
		.addr = (uintptr_t)p, .len = LEN, .flags = NVDIO_MAP_USER
	};
	if (sigaction(SIGUSR1, &action, NULL) ||
	    pthread_create(&thread, NULL, interrupt, &in))
		_exit(2);
	if (ioctl(fd, NVDIO_IOC_MAP_ADD, arg))
		_exit(errno);
	pthread_join(thread, NULL);
	_exit(atomic_load(&handled) != 1 || !arg->id);
}

static void signalled(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid < 0)
		bail("fork");
	if (!pid)
		add_interrupted();
	ok(waitpid(pid, &status, 0) == pid && WIFEXITED(status), "a signal during MAP_ADD");
	is(WEXITSTATUS(status), 0, "is handled, and the memory is registered");
}

/*
 * The same with signals that come faster than the kernel locks the address space, for which
 * it looks at each of many mappings.
 */
static void add_besieged(void)
{
	const struct sigaction action = { .sa_handler = handler };
	const struct itimerval often = { { 0, 500 }, { 0, 500 } }, never = { { 0, 0 }, { 0, 0 } };
	const size_t mappings = 60000;
	char *p = pages(LEN), *many = mmap(NULL, mappings * PG, PROT_NONE,
					   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct nvdio_map_add add = {
		.addr = (uintptr_t)p, .len = LEN, .flags = NVDIO_MAP_USER
	};
	int ret;

	for (size_t i = 0; i < mappings; i += 2)
		if (many == MAP_FAILED || mprotect(many + i * PG, PG, PROT_READ))
			_exit(2);
	if (sigaction(SIGALRM, &action, NULL) || setitimer(ITIMER_REAL, &often, NULL))
		_exit(3);
	ret = ioctl(fd, NVDIO_IOC_MAP_ADD, &add) ? errno : 0;
	setitimer(ITIMER_REAL, &never, NULL);
	_exit(ret);
}

static void besieged(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid < 0)
		bail("fork");
	if (!pid)
		add_besieged();
	for (int i = 0; i < 600 && !waitpid(pid, &status, WNOHANG); i++)
		usleep(100 * 1000);
	kill(pid, SIGKILL);
	ok(WIFEXITED(status), "MAP_ADD ends in spite of a signal every 500 us");
	is(WEXITSTATUS(status), 0, "and the memory is registered");
	waitpid(pid, NULL, 0);
}

static void setup(void)
{
	fd = dev_open(O_RDWR | O_DIRECT);
	seed = t_seed;
	one_queue();
}

static const struct t_case cases[] = {
	{ "known", known },
	{ "replaced", replaced },
	{ "replaced_part", replaced_part },
	{ "moved", moved },
	{ "protected", protected },
	{ "dropped", dropped },
	{ "forked", forked },
	{ "tagged", tagged },
	{ "signalled", signalled },
	{ "besieged", besieged },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
