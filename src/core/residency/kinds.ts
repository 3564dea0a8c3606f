/** The kinds of a tenant's data that its application writes. */
export const plantedByTenant = ["row", "cache", "file", "fileName", "message", "mail", "log"] as const;

/** The kinds that the platform writes: at the sign-up, and in the tenant's settings. */
const plantedByPlatform = ["name", "email", "settings"] as const;

/** Every kind of a tenant's data that gets a canary of its own. */
export const canaryKinds = [...plantedByPlatform, ...plantedByTenant] as const;

export type CanaryKind = (typeof canaryKinds)[number];
export type PlantedByTenant = (typeof plantedByTenant)[number];

/** What a check writes for a tenant that is in use: nothing that its people would see, or its application receive. */
export const harmlessKinds: readonly CanaryKind[] = ["row", "cache", "file", "fileName", "log"];

/** Table of the tenant's schema in which a check's row lies for as long as it lasts. */
export const canaryTable = "rowhouse_canary";
