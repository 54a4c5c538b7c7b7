// SPDX-License-Identifier: GPL-2.0
/*
 * The channel in configuration space through which the guest's script sends
 * lines and reads their answers (vfu.h). It works whatever the link does.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "vfu.h"

static char request[CH_MAX + 1];
static char *answer;
static size_t answer_len;
static bool failed;
static uint32_t offset;

static void carry_out(uint32_t len)
{
	FILE *out;

	free(answer);
	answer = NULL;
	answer_len = 0;
	out = open_memstream(&answer, &answer_len);
	if (!out)
		err(1, "memory");
	if (len > CH_MAX) {
		fprintf(out, "a line of %u bytes\n", len);
		failed = true;
	} else {
		request[len] = '\0';
		failed = !script_line(request, out);
	}
	fclose(out);
	if (answer_len > CH_MAX)
		answer_len = CH_MAX;
}

void channel_read(uint32_t at, void *buf, uint32_t len)
{
	uint32_t value = 0;

	memset(buf, 0, len);
	if (at >= CH_WINDOW) {
		uint64_t from = (uint64_t)offset + at - CH_WINDOW;

		if (from < answer_len)
			memcpy(buf, answer + from,
			       len < answer_len - from ? len : answer_len - from);
		return;
	}
	if (at == CH_OFFSET)
		value = offset;
	else if (at == CH_LENGTH)
		value = answer_len | (failed ? CH_FAILED : 0);
	else if (at == CH_MAGIC)
		value = CH_MAGIC_VALUE;
	memcpy(buf, &value, len < 4 ? len : 4);
}

void channel_write(uint32_t at, const void *buf, uint32_t len)
{
	uint32_t value = 0;

	if (at >= CH_WINDOW) {
		uint64_t to = (uint64_t)offset + at - CH_WINDOW;

		if (to + len <= CH_MAX)
			memcpy(request + to, buf, len);
		return;
	}
	memcpy(&value, buf, len < 4 ? len : 4);
	if (at == CH_OFFSET)
		offset = value;
	else if (at == CH_LENGTH)
		carry_out(value);
}
