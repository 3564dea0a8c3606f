/** What can be done to a tenant as a whole: one of these at a time. */
export const operationKinds = ["move", "restore", "import", "close"] as const;

export type OperationKind = (typeof operationKinds)[number];
