// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/fs.h>
#include <linux/nvme_ioctl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz_change.h"
#include "t.h"

#define PCI "/sys/bus/pci/devices/%s/"
#define DRIVER "/sys/bus/pci/drivers/nvdio/"
#define VFU "/usr/bin/vfu"

static uint64_t state;
static pid_t changer;

/* Enough for changes[]. */
#define KINDS 32

static struct {
	atomic_uint done, of[KINDS], refused;
	char doing[128];
} *shared;

/* ---- where things are ---- */

static const char *pci(void)
{
	return getenv("NVDIO_PCI") ?: "";
}

/* The last part of the first path that matches, behind "/dev/". */
static const char *device(char *path, size_t size, const char *below)
{
	char pattern[128];
	glob_t g;

	snprintf(path, size, "/dev/nvdio-is-not-there");
	snprintf(pattern, sizeof(pattern), PCI "nvdio/%s", pci(), below);
	if (glob(pattern, 0, NULL, &g))
		return path;
	snprintf(path, size, "/dev/%s", strrchr(g.gl_pathv[0], '/') + 1);
	globfree(&g);
	return path;
}

const char *fuzz_node(void)
{
	static char path[64];

	return device(path, sizeof(path), "nvdio*/nvdio*n*");
}

const char *fuzz_ctrl(void)
{
	static char path[64];

	return device(path, sizeof(path), "nvdio*");
}

bool fuzz_is_vfu(void)
{
	return !access(VFU, X_OK);
}

void fuzz_wait_for_node(const atomic_bool *stop)
{
	for (unsigned int i = 0; i < 100 && !*stop && access(fuzz_node(), F_OK); i++)
		usleep(100000);
}

/* ---- changes ---- */

static bool put_text(const char *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Whether @text was accepted by a file of sysfs. */
static bool put_text(const char *text, const char *fmt, ...)
{
	char path[128];
	va_list ap;
	bool done;
	int fd;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	if (fd >= 0)
		close(fd);
	return done;
}

static bool bound(void)
{
	char path[96];

	snprintf(path, sizeof(path), PCI "driver", pci());
	return !access(path, F_OK);
}

static void unbind(void)
{
	put_text(pci(), DRIVER "unbind");
}

static void bind(void)
{
	put_text(pci(), DRIVER "bind");
}

/* A line for the controller of lab/vfu, if it is one. */
static void vfu(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void vfu(const char *fmt, ...)
{
	char line[96], *argv[8] = { VFU };
	va_list ap;
	int status = 0;
	pid_t pid;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (!fuzz_is_vfu())
		return;
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDOUT_FILENO);
		for (unsigned int i = 1; i < 7; i++)
			argv[i] = strtok(i == 1 ? line : NULL, " ");
		execv(VFU, argv);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	if (status)
		atomic_fetch_add(&shared->refused, 1);
}

static void rebind(void)
{
	unbind();
	bind();
}

static void nvme_reset(void)
{
	int fd = open(fuzz_ctrl(), O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	ioctl(fd, NVME_IOCTL_RESET);
	close(fd);
}

static void pci_reset(void)
{
	put_text("1", PCI "reset", pci());
}

static void rescan(void)
{
	int fd = open(fuzz_ctrl(), O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	ioctl(fd, NVME_IOCTL_RESCAN);
	close(fd);
}

static void plug_again(void)
{
	put_text("1", PCI "remove", pci());
	put_text("1", "/sys/bus/pci/rescan");
	put_text("nvdio", PCI "driver_override", pci());
	bind();
}

/* Twice at once: one of them has to wait, or finds nothing. */
static void two_unbinds(void)
{
	pid_t pid = fork();

	if (!pid) {
		unbind();
		_exit(0);
	}
	nvme_reset();
	unbind();
	if (pid > 0)
		waitpid(pid, NULL, 0);
	bind();
}

static void random_faults(void)
{
	unsigned int seed = rnd(&state) & 0xffff, permille = 2 + below(&state, 10);

	vfu("fuzz %u %u", seed, permille);
}

static void no_faults(void)
{
	vfu("clear");
}

static void gone_for_a_moment(void)
{
	vfu("csts once");
}

static void interrupts(void)
{
	vfu("storm 1 100");
}

static void memory_pressure(void)
{
	put_text("3", "/proc/sys/vm/drop_caches");
	put_text("1", "/proc/sys/vm/compact_memory");
}

/* The commands that fuzz.c sends may have formatted or detached the namespace. */
static void repair(void)
{
	struct nvme_passthru_cmd format = { .opcode = 0x80, .nsid = 1, .timeout_ms = 60000 };
	int fd = open(fuzz_ctrl(), O_RDWR | O_CLOEXEC), ns, writable = 0;

	if (fd >= 0) {
		ioctl(fd, NVME_IOCTL_ADMIN_CMD, &format);
		ioctl(fd, NVME_IOCTL_RESCAN);
		close(fd);
	}
	ns = open(fuzz_node(), O_RDWR | O_CLOEXEC);
	if (ns >= 0) {
		ioctl(ns, BLKROSET, &writable);
		close(ns);
	}
}

static const struct {
	const char *name;
	void (*change)(void);
} changes[] = {
	{ "reset", nvme_reset }, { "reset", nvme_reset }, { "function level reset", pci_reset },
	{ "unbind and bind", rebind }, { "unbind and bind", rebind }, { "rescan", rescan },
	{ "remove and rescan the bus", plug_again }, { "two unbinds and a reset", two_unbinds },
	{ "memory pressure", memory_pressure }, { "repair", repair }, { "repair", repair },
	/* From here on for lab/vfu only. */
#define PLAIN 11
	{ "random faults", random_faults }, { "random faults", random_faults },
	{ "random faults", random_faults }, { "random faults", random_faults },
	{ "no faults", no_faults }, { "no faults", no_faults },
	{ "CSTS is all ones once", gone_for_a_moment }, { "interrupts", interrupts },
};

static bool dead(void)
{
	char path[128], text[16] = "";
	int fd;

	snprintf(path, sizeof(path), "/sys/class/nvdio/%s/state", strrchr(fuzz_ctrl(), '/') + 1);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true;
	(void)!read(fd, text, sizeof(text) - 1);
	close(fd);
	return !strncmp(text, "dead", 4);
}

static void doing(const char *what)
{
	snprintf(shared->doing, sizeof(shared->doing), "%s", what);
}

/* A controller that was given up, or could not be bound, comes back. */
static void revive(void)
{
	for (unsigned int i = 0; i < 10 && (!bound() || dead()); i++) {
		doing("revive");
		vfu("clear");
		rebind();
	}
}

static _Noreturn void change(const atomic_bool *stop)
{
	unsigned int nr = fuzz_is_vfu() ? ARRAY_SIZE(changes) : PLAIN;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!*stop) {
		unsigned int i = below(&state, nr);

		usleep(50000 + below(&state, 1000000));
		doing(changes[i].name);
		changes[i].change();
		atomic_fetch_add(&shared->done, 1);
		atomic_fetch_add(&shared->of[i], 1);
		revive();
	}
	doing("the end");
	vfu("clear");
	rebind();
	revive();
	repair();
	_exit(0);
}

void fuzz_change_start(uint64_t seed, const atomic_bool *stop)
{
	shared = shared_memory(sizeof(*shared));
	state = seed;
	fflush(stdout);
	changer = fork();
	if (changer < 0)
		bail("fork");
	if (!changer)
		change(stop);
}

bool fuzz_change_end(bool wait)
{
	int status = -1;

	/* Patient: it has to wait for timeouts of the controller. */
	for (unsigned int i = 0; wait && i < 2400; i++) {
		if (waitpid(changer, &status, WNOHANG) == changer)
			break;
		usleep(100000);
	}
	note("%u changes; the last: %s", atomic_load(&shared->done), shared->doing);
	for (unsigned int i = 0; i < ARRAY_SIZE(changes); i++)
		if (shared->of[i])
			note("  %u times: %s", atomic_load(&shared->of[i]), changes[i].name);
	if (shared->refused)
		note("  the controller of lab/vfu has refused %u", atomic_load(&shared->refused));
	if (status == -1)
		kill(changer, SIGKILL);
	return !status && atomic_load(&shared->done);
}
