#pragma once

namespace webtrunk {

/**
 * Has the calling thread run before others that want its core, and give it back soon. Only where the process may say so (CAP_SYS_NICE,
 * or an RLIMIT_NICE that reaches so far), and unless somebody chose another scheduling class for it; otherwise nothing changes.
 */
void go_first();

}  // namespace webtrunk
