/** Domain of the control plane's registry with one item for each region that was made: where its own registry is. */
export const regionsDomain = "regions";

/** Domain with one item for each program that others of the platform reach: `address` as `host:port`. */
export const programsDomain = "programs";
