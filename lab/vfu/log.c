// SPDX-License-Identifier: GPL-2.0
/* What the controller saw: counters, and the last events in the order of their coming. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "vfu.h"

#define LOG_LINES	1024
#define LOG_WIDTH	120

static char lines[LOG_LINES][LOG_WIDTH];
static uint64_t nr_lines;
static uint64_t counters[NR_COUNTERS];
static uint64_t commands[2][256];

static const char *const names[NR_COUNTERS] = {
	[C_DMA_NO_MASTER] = "dma-no-master",
	[C_DMA_UNMAPPED] = "dma-unmapped",
	[C_FUA] = "fua",
	[C_DOORBELLS] = "doorbells",
	[C_BAD_DOORBELLS] = "bad-doorbells",
	[C_IRQS] = "irqs",
	[C_ENABLES] = "enables",
	[C_DISABLES] = "disables",
	[C_SHUTDOWNS] = "shutdowns",
	[C_EN_CLEARED_IN_SHUTDOWN] = "disabled-in-shutdown",
	[C_FLRS] = "flrs",
	[C_RESETS] = "resets",
	[C_FATAL] = "fatal",
	[C_MMIO_READS] = "mmio-reads",
	[C_MMIO_WRITES] = "mmio-writes",
	[C_CC_ONES] = "cc-ones",
	[C_GHOST_DONE] = "ghost-done",
	[C_GHOST_REFUSED] = "ghost-refused",
	[C_HMB_GIVEN] = "hmb-given",
	[C_HMB_RETURNED] = "hmb-returned",
	[C_HMB_BAD] = "hmb-bad",
	[C_HMB_USED] = "hmb-used",
	[C_HMB_LOST] = "hmb-lost",
	[C_HMB_STRAY] = "hmb-stray",
	[C_HMB_REFUSED] = "hmb-refused",
	[C_PAUSED_IO] = "paused-io",
	[C_INJECTED] = "injected",
	[C_STAMPS_GOOD] = "stamps-good",
	[C_STAMPS_BAD] = "stamps-bad",
	[C_STAMPS_AGAIN] = "stamps-again",
	[C_STAMPS_BACK] = "stamps-back",
};

void count(enum counter c)
{
	counters[c]++;
}

uint64_t counted(enum counter c)
{
	return counters[c];
}

void count_command(bool io, uint8_t opcode)
{
	commands[io][opcode]++;
}

void log_event(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(lines[nr_lines++ % LOG_LINES], LOG_WIDTH, format, ap);
	va_end(ap);
}

void log_show(FILE *out, unsigned int max)
{
	uint64_t i = nr_lines > LOG_LINES ? nr_lines - LOG_LINES : 0;

	if (nr_lines - i > max)
		i = nr_lines - max;
	for (; i < nr_lines; i++)
		fprintf(out, "%lu %s\n", i, lines[i % LOG_LINES]);
}

void counters_show(FILE *out)
{
	unsigned int i, io;

	for (i = 0; i < NR_COUNTERS; i++)
		fprintf(out, "%s=%lu\n", names[i], counters[i]);
	for (io = 0; io < 2; io++)
		for (i = 0; i < 256; i++)
			if (commands[io][i])
				fprintf(out, "%s=%lu\n", opcode_name(io, i), commands[io][i]);
}

bool counter_find(const char *name, uint64_t *value)
{
	int io, opcode;
	unsigned int i;

	*value = 0;
	for (i = 0; i < NR_COUNTERS; i++) {
		if (!strcmp(name, names[i])) {
			*value = counters[i];
			return true;
		}
	}
	if (!opcode_parse(name, &io, &opcode))
		return false;
	for (i = 0; i < 512; i++)
		if ((io < 0 || (unsigned int)io == i / 256) &&
		    (opcode < 0 || (unsigned int)opcode == i % 256))
			*value += commands[i / 256][i % 256];
	return true;
}

void counters_clear(void)
{
	memset(counters, 0, sizeof(counters));
	memset(commands, 0, sizeof(commands));
}
