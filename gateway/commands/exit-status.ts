/** How commands end, by sysexits(3), where 0 and 1 are not enough. */

/** The command line cannot be understood. */
export const EX_USAGE = 64
/** The daemon that the question was for does not answer. */
export const EX_UNAVAILABLE = 69
/** The configuration cannot be used. */
export const EX_CONFIG = 78
