// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../driver/uapi/nvdio.h"
#include "fuzz_maps.h"
#include "t.h"

/* Identifiers of this process. What is printed is where they are here. */
#define IDS 8

static uint32_t ids[IDS];

static bool one_in(unsigned int n)
{
	return !fuzz_any(n);
}

/* Some pages of the memory. */
static char *part(size_t *len)
{
	size_t at = fuzz_any(FUZZ_MAPS_LEN / PG) * PG;

	/* So that many calls meet. */
	if (one_in(3))
		at = fuzz_any(4) * (FUZZ_MAPS_LEN / 4);
	*len = PG * (1 + fuzz_any(one_in(4) ? 600 : 40));
	if (*len > FUZZ_MAPS_LEN - at)
		*len = FUZZ_MAPS_LEN - at;
	return fuzz_base + FUZZ_MAPS + at;
}

uint32_t fuzz_map_id(unsigned int which)
{
	return which < IDS ? ids[which] : which - IDS;
}

/* ---- addresses ---- */

static void map_node(char *at, size_t len)
{
	static const int prots[] = { 3, 3, 3, 3, 1, 2, 0, 7 };
	int f = fuzz_file(), prot = prots[fuzz_any(8)], what = fuzz_any(10);
	unsigned int which = fuzz_any(IDS + 20), page = one_in(3) ? fuzz_any(40) : 0;
	uint64_t off = NVDIO_MMAP_ALLOC + page * PG;

	if (what == 0)
		off = page * PG;
	else if (what < 4)
		off = NVDIO_MMAP_ID((uint64_t)fuzz_map_id(which)) + page * PG;
	else if (what == 4)
		off = (which & 1 ? NVDIO_MMAP_CMB : NVDIO_MMAP_REGS) + page * PG;
	if (!fuzz_doing("maps mmap %d fd %d id %u page %u prot %d at %p %#zx", what, f, which, page,
			prot, (void *)at, len))
		return;
	/* Device memory is not touched: it may be a bus error at any time. */
	at = mmap(what == 4 ? NULL : at, len, prot, MAP_SHARED | (what == 4 ? 0 : MAP_FIXED),
		  fuzz_fd(f), off);
	fuzz_did(at == MAP_FAILED ? -1 : 0);
	if (what == 4 && at != MAP_FAILED)
		munmap(at, len);
}

static void map_fork(char *at, size_t len)
{
	int f = fuzz_file(), how = fuzz_any(3);
	uint64_t off = fuzz_offset();
	pid_t pid;

	if (!fuzz_doing("maps fork %d fd %d %p %#zx at %#lx", how, f, (void *)at, len, off))
		return;
	pid = fork();
	fuzz_did(pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (how)
			(void)!pread(fuzz_fd(f), at, len, off);
		if (how > 1)
			munmap(at, len);
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

void fuzz_maps_memory(void)
{
	static const int advices[] = { MADV_DONTNEED, MADV_DONTFORK, MADV_DOFORK, MADV_COLD,
		MADV_PAGEOUT, MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_HUGEPAGE,
		MADV_REMOVE, MADV_WIPEONFORK, MADV_FREE, MADV_COLLAPSE, MADV_MERGEABLE };
	size_t len, len2;
	char *at = part(&len), *to = part(&len2);
	int what = fuzz_any(14), arg = fuzz_any(ARRAY_SIZE(advices)), prot = fuzz_any(8);

	if (what < 5) {
		map_node(at, len);
		return;
	}
	if (what == 5) {
		map_fork(at, len);
		return;
	}
	if (!fuzz_doing("maps memory %d %d %d %p %#zx to %p %#zx", what, arg, prot, (void *)at, len,
			(void *)to, len2))
		return;
	switch (what) {
	case 6:
		fuzz_did(munmap(at, len));
		break;
	case 7:
		fuzz_did(mprotect(at, len, prot));
		break;
	case 8:
		fuzz_did(mprotect(at, len, PROT_READ | PROT_WRITE));
		break;
	case 9:
		fuzz_did(mremap(at, len, len2, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED ?
			 -1 : 0);
		break;
	case 10:
		fuzz_did(mremap(at, prot & 1 ? 0 : len, len2, 0) == MAP_FAILED ? -1 : 0);
		break;
	case 11:
	case 12:
		fuzz_did(madvise(at, len, advices[arg]));
		break;
	default:
		fuzz_did(mmap(at, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
			      MAP_FIXED, -1, 0) == MAP_FAILED ? -1 : 0);
	}
}

void fuzz_maps_fill(size_t len)
{
	char *at = fuzz_base + FUZZ_MAPS;

	if (mmap(at, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fuzz_fd(0),
		 NVDIO_MMAP_ALLOC) == MAP_FAILED)
		mmap(at, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		     0);
}

/* ---- identifiers ---- */

/* A structure of @size bytes is passed as one of another size now and then. */
static unsigned int resized(unsigned int cmd, size_t size)
{
	static const unsigned int sizes[] = { 0, 4, 8, 24, 32, 40, 48, 64, 4096, 16383 };
	size_t other = sizes[fuzz_any(ARRAY_SIZE(sizes))];

	return _IOC(_IOC_DIR(cmd), _IOC_TYPE(cmd), _IOC_NR(cmd), one_in(12) ? other : size);
}

static void add(int f)
{
	static const uint32_t kinds[] = { NVDIO_MAP_ALLOC, NVDIO_MAP_USER, NVDIO_MAP_USER,
		NVDIO_MAP_USER, NVDIO_MAP_DMABUF };
	struct nvdio_map_add room[420] = { { .flags = kinds[fuzz_any(5)] } }, *a = room;
	unsigned int cmd = resized(NVDIO_IOC_MAP_ADD, sizeof(*a)), slot = fuzz_any(IDS);
	uint64_t odd = 1ULL << fuzz_any(64), behind = (uintptr_t)fuzz_base + 8 * MiB;
	size_t len;

	a->addr = (uintptr_t)part(&len);
	a->len = len;
	/* Ordinary memory, up to what must not change. */
	if (one_in(2))
		a->addr = (uintptr_t)fuzz_base + 8 * MiB - len;
	if (!(a->flags & NVDIO_MAP_USER))
		a->addr = 0;
	if (a->flags & NVDIO_MAP_DMABUF)
		a->dmabuf_fd = (int)fuzz_any(40) - 1;
	if (one_in(4))
		a->flags |= 1U << fuzz_any(7);
	if (one_in(10))
		a->addr = odd;
	if (one_in(10))
		a->len = odd;
	/* Not with it: commands by identifier may change all of a map. */
	if (a->addr < behind && a->len > behind - a->addr && a->len < 1ULL << 40)
		a->len = behind - a->addr;
	if (!fuzz_doing("maps add fd %d cmd %#x to %u %#llx %#llx flags %#x %d", f, cmd, slot,
			a->addr, a->len, a->flags, a->dmabuf_fd))
		return;
	if (ioctl(fuzz_fd(f), cmd, a)) {
		fuzz_did(-1);
		return;
	}
	fuzz_did(0);
	ids[slot] = a->id;
}

void fuzz_maps_alloc(int f, unsigned int slot)
{
	struct nvdio_map_add a = { .len = 32 * PG, .flags = NVDIO_MAP_ALLOC };

	if (!fuzz_doing("maps alloc fd %d to %u", f, slot))
		return;
	fuzz_did(ioctl(fuzz_fd(f), NVDIO_IOC_MAP_ADD, &a));
	if (a.id)
		ids[slot] = a.id;
}

static void rw(int f)
{
	struct nvdio_rw room[520] = { { .flags = fuzz_any(4) } }, *r = room;
	unsigned int cmd = resized(NVDIO_IOC_RW, sizeof(*r));
	unsigned int which = one_in(4) ? fuzz_any(1100) : fuzz_any(IDS);

	r->offset = fuzz_offset();
	r->len = one_in(3) ? fuzz_length() : dev.lba * (1 + fuzz_any(64));
	r->map_offset = one_in(3) ? 0 : fuzz_any(64) * dev.lba;
	if (one_in(8))
		r->map_offset = 1ULL << fuzz_any(64);
	if (one_in(8))
		r->len = 1ULL << fuzz_any(64);
	if (one_in(20))
		r->flags = 1U << fuzz_any(32);
	if (!fuzz_doing("maps rw fd %d cmd %#x id %u flags %#x from %#llx at %#llx %#llx", f, cmd,
			which, r->flags, r->map_offset, r->offset, r->len))
		return;
	r->id = fuzz_map_id(which);
	fuzz_did(ioctl(fuzz_fd(f), cmd, r));
}

void fuzz_maps_ioctl(void)
{
	int f = fuzz_file(), what = fuzz_any(9);
	unsigned int cmd = resized(NVDIO_IOC_INFO, sizeof(struct nvdio_info)), which;
	struct nvdio_info room[320];
	uint32_t id;

	if (what < 3) {
		add(f);
		return;
	}
	if (what < 6) {
		rw(f);
		return;
	}
	which = one_in(6) ? fuzz_any(1100) : fuzz_any(IDS);
	if (!fuzz_doing("maps %d fd %d cmd %#x id %u", what, f, cmd, which))
		return;
	id = fuzz_map_id(which);
	memset(room, 0, sizeof(room));
	fuzz_did(what == 6 ? ioctl(fuzz_fd(f), cmd, room) :
			     ioctl(fuzz_fd(f), NVDIO_IOC_MAP_DEL, &id));
}
