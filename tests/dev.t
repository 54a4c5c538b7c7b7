#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# "make check DEV=": what it refuses, and that it runs without the lab. The guest has the
# lab's root, and so the compiler.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

guest "6.12" --kernel 6.12 --peer --nvme '' --ns size=256M --timeout 1500 --run tests/guest/dev
tap_end
