/** Registry domain with one item for each instance: what it is to run, and what it says of itself. */
export const instancesDomain = "instances";
