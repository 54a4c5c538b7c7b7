# SPDX-License-Identifier: GPL-2.0
"""The modules of tools/nvdio."""
