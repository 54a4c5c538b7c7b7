// SPDX-License-Identifier: GPL-2.0
/*
 * Prints the rate of this machine's time stamp counter in kHz: a processor emulated by
 * TCG has the same. Each end of the interval is the quickest of many readings, so that
 * it is right on a busy machine, too.
 */
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

static double ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void both(double *at, unsigned long long *tsc)
{
	double best = 1e18;

	for (int i = 0; i < 500; i++) {
		double before = ns();
		unsigned long long c = __rdtsc();
		double after = ns();

		if (after - before < best) {
			best = after - before;
			*at = (before + after) / 2;
			*tsc = c;
		}
	}
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = 30000000 };
	unsigned long long from, to;
	double begin, end;

	both(&begin, &from);
	nanosleep(&pause, NULL);
	both(&end, &to);
	printf("%.0f\n", (to - from) / (end - begin) * 1e6);
	return 0;
}
