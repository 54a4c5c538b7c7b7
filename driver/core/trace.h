/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints, in events/nvdio of tracefs; docs/tracing.md says what they mean. The
 * first three turn on nvdio_watching (watch.h).
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM nvdio

#if !defined(NVDIO_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define NVDIO_TRACE_H

#include <linux/tracepoint.h>

#include "pure/ctrl_state.h"
#include "core/path.h"

TRACE_DEFINE_ENUM(NVDIO_PATH_OTHER);
TRACE_DEFINE_ENUM(NVDIO_PATH_DIRECT);
TRACE_DEFINE_ENUM(NVDIO_PATH_MAPPED);
TRACE_DEFINE_ENUM(NVDIO_PATH_COPY);
TRACE_DEFINE_ENUM(NVDIO_PATH_PASSTHRU);
TRACE_DEFINE_ENUM(NVDIO_PATH_BATCH);
TRACE_DEFINE_ENUM(NVDIO_PATH_RING);
TRACE_DEFINE_ENUM(NVDIO_CTRL_NEW);
TRACE_DEFINE_ENUM(NVDIO_CTRL_CONNECTING);
TRACE_DEFINE_ENUM(NVDIO_CTRL_LIVE);
TRACE_DEFINE_ENUM(NVDIO_CTRL_RESETTING);
TRACE_DEFINE_ENUM(NVDIO_CTRL_DELETING);
TRACE_DEFINE_ENUM(NVDIO_CTRL_DEAD);

#define nvdio_show_path(path)						\
	__print_symbolic(path,						\
			 { NVDIO_PATH_OTHER, "other" },			\
			 { NVDIO_PATH_DIRECT, "direct" },		\
			 { NVDIO_PATH_MAPPED, "mapped" },		\
			 { NVDIO_PATH_COPY, "copy" },			\
			 { NVDIO_PATH_PASSTHRU, "passthrough" },	\
			 { NVDIO_PATH_BATCH, "batch" },			\
			 { NVDIO_PATH_RING, "ring" })

#define nvdio_show_state(state)						\
	__print_symbolic(state,						\
			 { NVDIO_CTRL_NEW, "new" },			\
			 { NVDIO_CTRL_CONNECTING, "connecting" },	\
			 { NVDIO_CTRL_LIVE, "live" },			\
			 { NVDIO_CTRL_RESETTING, "resetting" },		\
			 { NVDIO_CTRL_DELETING, "deleting" },		\
			 { NVDIO_CTRL_DEAD, "dead" })

TRACE_EVENT_FN(nvdio_queued,
	TP_PROTO(int ctrl, u16 qid, u16 cid, u32 nsid, u8 opcode, u8 path,
		 u64 slba, u32 bytes),
	TP_ARGS(ctrl, qid, cid, nsid, opcode, path, slba, bytes),
	TP_STRUCT__entry(
		__field(int, ctrl)
		__field(u32, nsid)
		__field(u16, qid)
		__field(u16, cid)
		__field(u8, opcode)
		__field(u8, path)
		__field(u32, bytes)
		__field(u64, slba)
	),
	TP_fast_assign(
		__entry->ctrl = ctrl;
		__entry->nsid = nsid;
		__entry->qid = qid;
		__entry->cid = cid;
		__entry->opcode = opcode;
		__entry->path = path;
		__entry->bytes = bytes;
		__entry->slba = slba;
	),
	TP_printk("ctrl=%d nsid=%u qid=%u cid=%#x opcode=%#x path=%s slba=%llu bytes=%u",
		  __entry->ctrl, __entry->nsid, __entry->qid, __entry->cid,
		  __entry->opcode, nvdio_show_path(__entry->path),
		  __entry->slba, __entry->bytes),
	nvdio_watch_get, nvdio_watch_put
);

TRACE_EVENT_FN(nvdio_submitted,
	TP_PROTO(int ctrl, u16 qid, u16 cid, u32 nsid, u8 opcode),
	TP_ARGS(ctrl, qid, cid, nsid, opcode),
	TP_STRUCT__entry(
		__field(int, ctrl)
		__field(u32, nsid)
		__field(u16, qid)
		__field(u16, cid)
		__field(u8, opcode)
	),
	TP_fast_assign(
		__entry->ctrl = ctrl;
		__entry->nsid = nsid;
		__entry->qid = qid;
		__entry->cid = cid;
		__entry->opcode = opcode;
	),
	TP_printk("ctrl=%d nsid=%u qid=%u cid=%#x opcode=%#x", __entry->ctrl,
		  __entry->nsid, __entry->qid, __entry->cid, __entry->opcode),
	nvdio_watch_get, nvdio_watch_put
);

TRACE_EVENT_FN(nvdio_completed,
	TP_PROTO(int ctrl, u16 qid, u16 cid, u32 nsid, u16 status,
		 u64 latency),
	TP_ARGS(ctrl, qid, cid, nsid, status, latency),
	TP_STRUCT__entry(
		__field(int, ctrl)
		__field(u32, nsid)
		__field(u16, qid)
		__field(u16, cid)
		__field(u16, status)
		__field(u64, latency)
	),
	TP_fast_assign(
		__entry->ctrl = ctrl;
		__entry->nsid = nsid;
		__entry->qid = qid;
		__entry->cid = cid;
		__entry->status = status;
		__entry->latency = latency;
	),
	TP_printk("ctrl=%d nsid=%u qid=%u cid=%#x status=%#x latency=%llu",
		  __entry->ctrl, __entry->nsid, __entry->qid, __entry->cid,
		  __entry->status, __entry->latency),
	nvdio_watch_get, nvdio_watch_put
);

TRACE_EVENT(nvdio_tag_wait,
	TP_PROTO(int ctrl, u16 qid, u32 nsid, bool held),
	TP_ARGS(ctrl, qid, nsid, held),
	TP_STRUCT__entry(
		__field(int, ctrl)
		__field(u32, nsid)
		__field(u16, qid)
		__field(bool, held)
	),
	TP_fast_assign(
		__entry->ctrl = ctrl;
		__entry->nsid = nsid;
		__entry->qid = qid;
		__entry->held = held;
	),
	TP_printk("ctrl=%d nsid=%u qid=%u held=%d", __entry->ctrl,
		  __entry->nsid, __entry->qid, __entry->held)
);

TRACE_EVENT(nvdio_tag_got,
	TP_PROTO(int ctrl, u16 qid, u32 nsid, u64 waited, bool got),
	TP_ARGS(ctrl, qid, nsid, waited, got),
	TP_STRUCT__entry(
		__field(int, ctrl)
		__field(u32, nsid)
		__field(u16, qid)
		__field(bool, got)
		__field(u64, waited)
	),
	TP_fast_assign(
		__entry->ctrl = ctrl;
		__entry->nsid = nsid;
		__entry->qid = qid;
		__entry->got = got;
		__entry->waited = waited;
	),
	TP_printk("ctrl=%d nsid=%u qid=%u got=%d waited=%llu", __entry->ctrl,
		  __entry->nsid, __entry->qid, __entry->got, __entry->waited)
);

DECLARE_EVENT_CLASS(nvdio_bounce,
	TP_PROTO(int ctrl, u32 nsid, const void *waiter),
	TP_ARGS(ctrl, nsid, waiter),
	TP_STRUCT__entry(
		__field(int, ctrl)
		__field(u32, nsid)
		__field(const void *, waiter)
	),
	TP_fast_assign(
		__entry->ctrl = ctrl;
		__entry->nsid = nsid;
		__entry->waiter = waiter;
	),
	TP_printk("ctrl=%d nsid=%u waiter=%p", __entry->ctrl, __entry->nsid,
		  __entry->waiter)
);

DEFINE_EVENT(nvdio_bounce, nvdio_bounce_wait,
	TP_PROTO(int ctrl, u32 nsid, const void *waiter),
	TP_ARGS(ctrl, nsid, waiter)
);

/* nsid: of the operation that returned the buffer. */
DEFINE_EVENT(nvdio_bounce, nvdio_bounce_got,
	TP_PROTO(int ctrl, u32 nsid, const void *waiter),
	TP_ARGS(ctrl, nsid, waiter)
);

TRACE_EVENT(nvdio_copy_pass,
	TP_PROTO(int ctrl, u32 nsid, bool write, u64 pos, u64 left, u32 nr),
	TP_ARGS(ctrl, nsid, write, pos, left, nr),
	TP_STRUCT__entry(
		__field(int, ctrl)
		__field(u32, nsid)
		__field(bool, write)
		__field(u32, nr)
		__field(u64, pos)
		__field(u64, left)
	),
	TP_fast_assign(
		__entry->ctrl = ctrl;
		__entry->nsid = nsid;
		__entry->write = write;
		__entry->nr = nr;
		__entry->pos = pos;
		__entry->left = left;
	),
	TP_printk("ctrl=%d nsid=%u write=%d pos=%llu left=%llu buffers=%u",
		  __entry->ctrl, __entry->nsid, __entry->write, __entry->pos,
		  __entry->left, __entry->nr)
);

TRACE_EVENT(nvdio_retry,
	TP_PROTO(int ctrl, u16 qid, u16 cid, u32 nsid, u16 status, u32 nr,
		 u32 ms),
	TP_ARGS(ctrl, qid, cid, nsid, status, nr, ms),
	TP_STRUCT__entry(
		__field(int, ctrl)
		__field(u32, nsid)
		__field(u16, qid)
		__field(u16, cid)
		__field(u16, status)
		__field(u32, nr)
		__field(u32, ms)
	),
	TP_fast_assign(
		__entry->ctrl = ctrl;
		__entry->nsid = nsid;
		__entry->qid = qid;
		__entry->cid = cid;
		__entry->status = status;
		__entry->nr = nr;
		__entry->ms = ms;
	),
	TP_printk("ctrl=%d nsid=%u qid=%u cid=%#x status=%#x nr=%u delay_ms=%u",
		  __entry->ctrl, __entry->nsid, __entry->qid, __entry->cid,
		  __entry->status, __entry->nr, __entry->ms)
);

TRACE_EVENT(nvdio_state,
	TP_PROTO(int ctrl, u8 from, u8 to),
	TP_ARGS(ctrl, from, to),
	TP_STRUCT__entry(
		__field(int, ctrl)
		__field(u8, from)
		__field(u8, to)
	),
	TP_fast_assign(
		__entry->ctrl = ctrl;
		__entry->from = from;
		__entry->to = to;
	),
	TP_printk("ctrl=%d from=%s to=%s", __entry->ctrl,
		  nvdio_show_state(__entry->from),
		  nvdio_show_state(__entry->to))
);

#endif /* NVDIO_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH core
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
