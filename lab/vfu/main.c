// SPDX-License-Identifier: GPL-2.0
/*
 * The controller's process. lab/vfu.py starts it with a socket that QEMU will
 * connect to; it ends when QEMU closes the connection.
 *
 * usage: controller SOCKET-FD|check LINE[;LINE...]
 *
 * The lines are carried out before the machine starts; that is all that "check"
 * does. "controller help" tells what there is.
 */
#include <err.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vfu.h"

static void script(const char *text)
{
	char *copy = strdup(text), *save = NULL, *line;

	if (!copy)
		err(1, "memory");
	for (line = strtok_r(copy, ";", &save); line; line = strtok_r(NULL, ";", &save))
		if (!script_line(line, stderr))
			exit(2);
	free(copy);
}

int main(int argc, char **argv)
{
	int listener, sock;

	if (argc == 2 && !strcmp(argv[1], "help"))
		return !script_line("help", stdout);
	if (argc != 3)
		errx(2, "usage: controller SOCKET-FD|check LINE[;LINE...]");
	signal(SIGPIPE, SIG_IGN);
	nvme_init();
	identify_init();
	script(argv[2]);
	if (!strcmp(argv[1], "check"))
		return 0;
	listener = atoi(argv[1]);
	script_start();
	config_init();
	sock = accept(listener, NULL, NULL);
	if (sock < 0)
		err(1, "accept");
	close(listener);
	proto_serve(sock);
	return 0;
}
