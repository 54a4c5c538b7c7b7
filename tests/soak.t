#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Stress with four CPUs and hardly any queue entries or bounce buffers: nothing may
# stand still, complain or leak. SOAK_TIME is how long in all, in seconds; "make soak"
# sets it, and without it this is one short pass.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
soaks "" 6.12 "${SOAK_TIME-}"
tap_end
