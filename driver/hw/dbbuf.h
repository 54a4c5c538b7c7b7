/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shadow doorbells (NVMe Base 2.0, B.5), which emulated controllers have so that
 * a guest need not write the registers.
 */
#ifndef NVDIO_DBBUF_H
#define NVDIO_DBBUF_H

#include <linux/compiler.h>
#include <linux/types.h>
#include <asm/barrier.h>
#include <asm/byteorder.h>

/**
 * nvdio_dbbuf_update() - write a shadow doorbell (NVMe Base 2.0, B.5)
 * @value: new tail or head
 * @old: previous value
 * @db: shadow doorbell
 * @ei: its EventIdx
 *
 * Context: the lock of @db held.
 * Return: true if the doorbell register must be written as well, because the
 * controller may have stopped polling the shadow doorbell.
 */
static inline bool nvdio_dbbuf_update(u16 value, u16 old, __le32 *db,
				      __le32 *ei)
{
	u16 event_idx;

	/* Order queue entries before the doorbell. */
	wmb();
	WRITE_ONCE(*db, cpu_to_le32(value));
	/* Order the doorbell before reading EventIdx. */
	mb();
	event_idx = le32_to_cpu(READ_ONCE(*ei));
	return (u16)(value - event_idx - 1) < (u16)(value - old);
}

#endif /* NVDIO_DBBUF_H */
