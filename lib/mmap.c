// SPDX-License-Identifier: GPL-2.0
/*
 * mmap() of large anonymous memory is served. The others are here because what they do
 * to served memory has to be known, or would have another effect there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arena.h"

static void *mmap_serve(void *hint, size_t len, int flags)
{
	const bool private = (flags & MAP_TYPE) == MAP_PRIVATE;
	const int err = errno;
	void *p;

	arena_lock();
	p = arena_serve(hint, (len + ARENA_PAGE - 1) & -ARENA_PAGE, flags & MAP_POPULATE,
			private);
	arena_unlock();
	arena_count(p != MAP_FAILED);
	errno = err;
	return p;
}

/*
 * Only what is surely memory to be used. Not: a certain place, huge pages, stacks, and
 * reservations (MAP_NORESERVE, PROT_NONE), which may be larger than the machine's memory.
 */
static bool mmap_wanted(size_t len, int prot, int flags)
{
	const int known = MAP_TYPE | MAP_ANONYMOUS | MAP_POPULATE | MAP_NONBLOCK;

	if (prot != (PROT_READ | PROT_WRITE) || flags & ~known || !(flags & MAP_ANONYMOUS) ||
	    len > SIZE_MAX / 2)
		return false;
	switch (flags & MAP_TYPE) {
	case MAP_SHARED:
		return len >= arena_shared_min;
	case MAP_PRIVATE:
		return len >= arena_private_min;
	default:
		return false;
	}
}

ARENA_EXPORT void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	void *p;

	if (mmap_wanted(len, prot, flags)) {
		p = mmap_serve(addr, len, flags);
		if (p != MAP_FAILED)
			return p;
	}
	if (!(flags & MAP_FIXED) || !arena_maybe(addr, len))
		return arena_sys_mmap(addr, len, prot, flags, fd, offset);
	arena_lock();
	p = arena_sys_mmap(addr, len, prot, flags, fd, offset);
	if (p != MAP_FAILED)
		arena_remove(addr, (len + ARENA_PAGE - 1) & -ARENA_PAGE);
	arena_unlock();
	return p;
}

ARENA_EXPORT void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off64_t offset)
	__attribute__((alias("mmap")));

ARENA_EXPORT int munmap(void *addr, size_t len)
{
	int ret;

	if (!arena_maybe(addr, len))
		return arena_sys_munmap(addr, len);
	/* Else another thread could be served the same addresses in between. */
	arena_lock();
	ret = arena_sys_munmap(addr, len);
	if (!ret)
		arena_remove(addr, (len + ARENA_PAGE - 1) & -ARENA_PAGE);
	arena_unlock();
	return ret;
}

ARENA_EXPORT void *mremap(void *old, size_t old_len, size_t len, int flags, ...)
{
	void *to = NULL, *p;
	va_list ap;

	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) {
		va_start(ap, flags);
		to = va_arg(ap, void *);
		va_end(ap);
	}
	/* An old length of 0 means: once more, and not how much there is. */
	if (!arena_maybe(old, old_len ?: len) && !(flags & MREMAP_FIXED && arena_maybe(to, len)))
		return arena_sys_mremap(old, old_len, len, flags, to);
	arena_lock();
	/* It cannot grow, and would be elsewhere. Only less of it is no problem. */
	if (!old_len || len > old_len || flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))
		arena_ordinary(old, old_len ?: len);
	p = arena_sys_mremap(old, old_len, len, flags, to);
	if (p != MAP_FAILED && len < old_len && p == old) {
		len = (len + ARENA_PAGE - 1) & -ARENA_PAGE;
		old_len = (old_len + ARENA_PAGE - 1) & -ARENA_PAGE;
		arena_remove((char *)old + len, old_len - len);
	}
	if (p != MAP_FAILED && flags & MREMAP_FIXED)
		arena_remove(to, (len + ARENA_PAGE - 1) & -ARENA_PAGE);
	arena_unlock();
	return p;
}

/* Memory whose protection changes is ordinary from then on: fork() can copy all else. */
static void protection_changes(void *addr, size_t len, int prot)
{
	if (prot == (PROT_READ | PROT_WRITE) || !arena_maybe(addr, len))
		return;
	arena_lock();
	arena_ordinary(addr, len);
	arena_unlock();
}

ARENA_EXPORT int mprotect(void *addr, size_t len, int prot)
{
	protection_changes(addr, len, prot);
	return syscall(SYS_mprotect, addr, len, prot);
}

ARENA_EXPORT int pkey_mprotect(void *addr, size_t len, int prot, int pkey)
{
	protection_changes(addr, len, PROT_NONE);
	return syscall(SYS_pkey_mprotect, addr, len, prot, pkey);
}

/* The private parts of it read as 0, as those of ordinary memory would. */
static void forget(void *addr, size_t len)
{
	const uintptr_t end = ((uintptr_t)addr + len + ARENA_PAGE - 1) & -ARENA_PAGE;
	const struct arena_range *range;
	uintptr_t at = (uintptr_t)addr, to;

	while (at < end && (range = arena_next(at, end))) {
		at = range->start > at ? range->start : at;
		to = range->end < end ? range->end : end;
		if (range->private)
			memset((void *)at, 0, to - at);
		at = to;
	}
}

ARENA_EXPORT int madvise(void *addr, size_t len, int advice)
{
	int ret;

	if (!arena_maybe(addr, len))
		return syscall(SYS_madvise, addr, len, advice);
	arena_lock();
	if (advice == MADV_REMOVE || advice == MADV_WIPEONFORK)
		arena_ordinary(addr, len);
	ret = syscall(SYS_madvise, addr, len, advice);
	if (!ret && advice == MADV_DONTNEED)
		forget(addr, len);
	/* Advice on huge pages, swapping, dumps: not for this memory, and no error. */
	if (ret && errno == EINVAL && !((uintptr_t)addr % ARENA_PAGE) && arena_all(addr, len))
		ret = 0;
	arena_unlock();
	return ret;
}

/* There is no file behind served memory; the node would do a Flush, or refuse. */
ARENA_EXPORT int msync(void *addr, size_t len, int flags)
{
	const uintptr_t end = ((uintptr_t)addr + len + ARENA_PAGE - 1) & -ARENA_PAGE;
	const struct arena_range *range;
	uintptr_t at = (uintptr_t)addr, to;
	bool served;
	int ret;

	if (!(flags & MS_SYNC) || flags & MS_ASYNC || at % ARENA_PAGE || !arena_maybe(addr, len))
		return syscall(SYS_msync, addr, len, flags);
	for (ret = 0; !ret && at < end; at = to) {
		arena_lock();
		range = arena_next(at, end);
		served = range && range->start <= at;
		to = served ? range->end : range ? range->start : end;
		arena_unlock();
		if (to > end)
			to = end;
		/* Asynchronous: the errors of addresses, and nothing else. */
		ret = syscall(SYS_msync, at, to - at, served ? MS_ASYNC : flags);
	}
	return ret;
}
