/** It cannot work as asked; the message says what to do. */
export class WitnessFault extends Error {}

/** It was called wrongly; the message says how. */
export class WitnessUsage extends Error {}
