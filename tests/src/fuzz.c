// SPDX-License-Identifier: GPL-2.0
/*
 * Nearly valid calls of every kind on the nodes of one controller, by several processes,
 * root's and others', that come, go and are killed, while one more process resets, unbinds
 * and removes the controller (fuzz_change.h). What the calls return does not matter. All
 * must end, none may write outside of the memory that it was given, and the kernel must
 * have nothing to say (lab/vm reads its log).
 *
 *	NVDIO_SEED=N fuzz DEVICE [SECONDS]		run
 *	NVDIO_SEED=N fuzz DEVICE 0 CALLS		print that many calls of each process
 *
 * The same seed gives the same calls: they depend on nothing that a call has returned.
 * How the processes interleave does not repeat.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz_calls.h"
#include "fuzz_change.h"
#include "t.h"

#define WORKERS 8U		/* the odd ones are not root */
#define STALL 240U		/* beats without a call by anybody: all stand still */
#define BEAT_US 500000U
#define CHILD_CALLS 400U

struct worker {
	atomic_uint children, killed, crashed, damaged;
	atomic_bool ended;
	uint64_t state;
	struct fuzz_progress how;
};

static struct {
	atomic_bool stop;
	struct worker w[WORKERS];
} *shared;

/* So many calls of each worker are only printed. */
static unsigned int listed;
static double seconds = 60;
static struct worker *me;
static unsigned int nsid;

/* ---- children ---- */

static void check_canary(void)
{
	if (fuzz_overrun())
		atomic_fetch_add(&me->damaged, 1);
}

/* As one whom the nodes were opened for, with little memory to lock. */
static void become_nobody(void)
{
	struct rlimit limit = { MiB, MiB };

	setrlimit(RLIMIT_MEMLOCK, &limit);
	if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))
		bail("setuid");
	/* setuid() has cleared it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static _Noreturn void child(struct worker *w, unsigned int n, uint64_t seed)
{
	unsigned int calls;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	me = w;
	fuzz_begin(&w->how, &seed, nsid, false);
	fuzz_open();
	if (n % 2)
		become_nobody();
	calls = CHILD_CALLS / 2 + below(&seed, CHILD_CALLS);
	while (calls-- && !atomic_load(&shared->stop)) {
		fuzz_call();
		check_canary();
	}
	/* Else with I/O in flight. */
	if (below(&seed, 2))
		fuzz_end();
	_exit(0);
}

/* One child after the other, of which some are killed. */
static _Noreturn void worker(struct worker *w, unsigned int n)
{
	int status;
	pid_t pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!atomic_load(&shared->stop)) {
		uint64_t seed = rnd(&w->state) | 1;
		unsigned int us = below(&w->state, 4) ? 0 : 1 + below(&w->state, 2000000);

		fuzz_wait_for_node(&shared->stop);
		fflush(stdout);
		pid = fork();
		if (!pid)
			child(w, n, seed);
		if (pid < 0)
			bail("fork");
		atomic_fetch_add(&w->children, 1);
		if (us) {
			usleep(us);
			kill(pid, SIGKILL);
		}
		if (waitpid(pid, &status, 0) != pid)
			bail("waitpid");
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
			atomic_fetch_add(&w->killed, 1);
		else if (status)
			atomic_fetch_add(&w->crashed, 1);
	}
	atomic_store(&w->ended, true);
	_exit(0);
}

/* ---- all of it ---- */

static unsigned int sum_calls(void)
{
	unsigned int sum = 0;

	for (unsigned int i = 0; i < WORKERS; i++)
		sum += atomic_load(&shared->w[i].how.calls) + atomic_load(&shared->w[i].children) +
		       atomic_load(&shared->w[i].ended);
	return sum;
}

/* Sleep for a beat; false when nobody has called anything for too long. */
static bool beat(void)
{
	static unsigned int seen, since;
	unsigned int all;

	usleep(BEAT_US);
	all = sum_calls();
	since = all == seen ? since + 1 : 0;
	seen = all;
	return since < STALL;
}

static bool all_ended(void)
{
	for (unsigned int i = 0; i < WORKERS; i++)
		if (!atomic_load(&shared->w[i].ended))
			return false;
	return true;
}

static void show_stalled(void)
{
	int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, "w", 1);
	for (unsigned int i = 0; i < WORKERS; i++)
		if (!atomic_load(&shared->w[i].ended))
			note("worker %u after %u calls: %s", i, shared->w[i].how.calls,
			     shared->w[i].how.doing);
}

static void list_calls(void)
{
	for (unsigned int i = 0; i < WORKERS; i++) {
		uint64_t seed = rnd(&shared->w[i].state) | 1;

		fuzz_begin(&shared->w[i].how, &seed, nsid, true);
		below(&seed, CHILD_CALLS);
		for (unsigned int n = 0; n < listed; n++)
			fuzz_call();
	}
	ok(true, "%u calls of each of %u processes", listed, WORKERS);
}

static void report(bool moving)
{
	unsigned int calls = 0, worked = 0, children = 0, killed = 0, crashed = 0, damaged = 0;

	for (unsigned int i = 0; i < WORKERS; i++) {
		const struct worker *w = &shared->w[i];

		calls += w->how.calls;
		worked += w->how.worked;
		children += w->children;
		killed += w->killed;
		crashed += w->crashed;
		damaged += w->damaged;
	}
	ok(moving, "no process stands still (%u processes of %u workers, %u killed)", children,
	   WORKERS, killed);
	ok(calls > 1000 && worked > calls / 20, "%u calls, of which %u succeeded", calls, worked);
	is(crashed, 0, "no process has crashed");
	is(damaged, 0, "nothing was written behind a buffer");
}

static void fuzz(void)
{
	uint64_t changes = rnd(&t_seed) | 1;
	double end = now() + seconds;
	bool moving = true;
	pid_t pids[WORKERS];

	for (unsigned int i = 0; i < WORKERS; i++)
		shared->w[i].state = rnd(&t_seed) | 1;
	if (listed) {
		list_calls();
		return;
	}
	fflush(stdout);
	for (unsigned int i = 0; i < WORKERS; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			bail("fork");
		if (!pids[i])
			worker(&shared->w[i], i);
	}
	fuzz_change_start(changes, &shared->stop);
	while (moving && now() < end)
		moving = beat();
	atomic_store(&shared->stop, true);
	while (moving && !all_ended())
		moving = beat();
	if (!moving)
		show_stalled();
	ok(fuzz_change_end(moving), "the controller was reset, unbound and removed meanwhile");
	for (unsigned int i = 0; i < WORKERS; i++) {
		kill(pids[i], SIGKILL);
		if (moving)
			waitpid(pids[i], NULL, 0);
	}
	report(moving);
}

static void setup(void)
{
	/* It ends by itself; STALL is the limit. */
	alarm(0);
	if (t_args[0])
		seconds = atof(t_args[0]);
	if (t_args[0] && t_args[1])
		listed = atoi(t_args[1]);
	nsid = dev_nsid();
	shared = shared_memory(sizeof(*shared));
}

static const struct t_case cases[] = {
	{ "fuzz", fuzz },
};

int main(int argc, char **argv)
{
	t_args_usage = "[SECONDS [CALLS]]";
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
