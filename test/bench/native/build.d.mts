/** Gives the path of the program. Throws an Error that says what is missing. */
export function buildLoadGenerator(): string
