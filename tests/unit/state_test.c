// SPDX-License-Identifier: GPL-2.0
/* Which states of a controller may follow which (driver/pure/ctrl_state.h). */
#include <stdarg.h>

#include "pure/ctrl_state.h"
#include "unit.h"

#define STATES (NVDIO_CTRL_DEAD + 1)

static const char *const names[] = {
	[NVDIO_CTRL_NEW] = "new",
	[NVDIO_CTRL_CONNECTING] = "connecting",
	[NVDIO_CTRL_LIVE] = "live",
	[NVDIO_CTRL_RESETTING] = "resetting",
	[NVDIO_CTRL_DELETING] = "deleting",
	[NVDIO_CTRL_DEAD] = "dead",
};

/* As in docs/driver.md. */
static bool drawn(enum nvdio_ctrl_state from, enum nvdio_ctrl_state to)
{
	static const enum nvdio_ctrl_state arrows[][2] = {
		{ NVDIO_CTRL_NEW, NVDIO_CTRL_CONNECTING },
		{ NVDIO_CTRL_NEW, NVDIO_CTRL_DELETING },
		{ NVDIO_CTRL_NEW, NVDIO_CTRL_DEAD },
		{ NVDIO_CTRL_CONNECTING, NVDIO_CTRL_LIVE },
		{ NVDIO_CTRL_CONNECTING, NVDIO_CTRL_RESETTING },
		{ NVDIO_CTRL_CONNECTING, NVDIO_CTRL_DELETING },
		{ NVDIO_CTRL_CONNECTING, NVDIO_CTRL_DEAD },
		{ NVDIO_CTRL_LIVE, NVDIO_CTRL_RESETTING },
		{ NVDIO_CTRL_LIVE, NVDIO_CTRL_DELETING },
		{ NVDIO_CTRL_RESETTING, NVDIO_CTRL_CONNECTING },
		{ NVDIO_CTRL_RESETTING, NVDIO_CTRL_DELETING },
		{ NVDIO_CTRL_RESETTING, NVDIO_CTRL_DEAD },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(arrows); i++)
		if (arrows[i][0] == from && arrows[i][1] == to)
			return true;
	return false;
}

static void transitions(void)
{
	for (int from = 0; from < STATES; from++)
		for (int to = 0; to < STATES; to++)
			ok(nvdio_ctrl_may_become(from, to) == drawn(from, to), "C3: %s %s %s",
			   names[from], drawn(from, to) ? "becomes" : "does not become",
			   names[to]);
}

/* What a state means for submitters. */
static void queues(void)
{
	for (int s = 0; s < STATES; s++) {
		enum nvdio_queue_state admin = nvdio_ctrl_admin_state(s);
		enum nvdio_queue_state io = nvdio_ctrl_io_state(s, false);
		enum nvdio_queue_state frozen = nvdio_ctrl_io_state(s, true);
		bool dead = s >= NVDIO_CTRL_DELETING;

		ok((admin == NVDIO_QUEUE_DEAD) == dead && (io == NVDIO_QUEUE_DEAD) == dead &&
		   (frozen == NVDIO_QUEUE_DEAD) == dead,
		   "C3: %s: queues %s", names[s], dead ? "refuse" : "do not refuse");
		ok((io == NVDIO_QUEUE_LIVE) == (s == NVDIO_CTRL_LIVE) &&
		   frozen != NVDIO_QUEUE_LIVE, "%s: I/O %s", names[s],
		   s == NVDIO_CTRL_LIVE ? "goes, unless frozen" : "does not go");
		ok((admin == NVDIO_QUEUE_LIVE) ==
		   (s == NVDIO_CTRL_LIVE || s == NVDIO_CTRL_CONNECTING),
		   "%s: admin commands %s", names[s],
		   admin == NVDIO_QUEUE_LIVE ? "go" : "do not go");
	}
}

/* Random requests: a controller that is deleted or dead stays so. */
static void random_lives(void)
{
	bool good = true;
	int turn;

	for (turn = 0; turn < 100000 && good; turn++) {
		enum nvdio_ctrl_state state = NVDIO_CTRL_NEW, end = state;

		for (int i = 0; i < 20; i++) {
			enum nvdio_ctrl_state to = below(&t_seed, STATES);

			if (nvdio_ctrl_may_become(state, to))
				state = to;
			if (end == NVDIO_CTRL_NEW && state >= NVDIO_CTRL_DELETING)
				end = state;
			good &= end == NVDIO_CTRL_NEW || state == end;
		}
	}
	ok(good, "C3: %d random lives end once", turn);
}

static const struct t_case cases[] = {
	{ "transitions", transitions },
	{ "queues", queues },
	{ "random_lives", random_lives },
};

int main(int argc, char **argv)
{
	return unit_run(argc, argv, cases, ARRAY_SIZE(cases));
}
