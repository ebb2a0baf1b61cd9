#pragma once

#include "conntrack/filter.h"
#include "netlink/batch.h"

namespace vethwork {

/// Appends messages with which the kernel itself selects and deletes the matching connections (IPCTNL_MSG_CT_DELETE
/// with CTA_FILTER), one for each end of a direction that may match. Returns false and appends nothing if the filter
/// has more than one address.
///
/// Linux supports it from 6.11 on. Earlier kernels read the message as the deletion of one connection, and refuse it
/// with EINVAL because its tuple is incomplete.
bool encodeFlush(const ConnectionFilter& filter, Batch& batch);

}  // namespace vethwork
