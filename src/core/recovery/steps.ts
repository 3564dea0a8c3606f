/** What a region's failover does, in order. Each step may be repeated after a crash at any moment. */
export const failOverSteps = [
  { name: "mark", title: "Mark the region as lost" },
  { name: "fence", title: "End what is left of it" },
  { name: "start", title: "Start the recovery region" },
  { name: "promote", title: "Make servers of the standbys" },
  { name: "adopt", title: "Take over who the tenants are" },
  { name: "logins", title: "Give every tenant new logins" },
  { name: "restore", title: "Restore backups where no standby was" },
  { name: "switch", title: "Tell the directory" },
  { name: "publish", title: "Lead the names to the recovery region" },
  { name: "verify", title: "Make sure that every tenant is served" },
  { name: "finish", title: "Write down what came of it" },
] as const;

/** What the way back does, in order; safe to repeat, too. */
export const failBackSteps = [
  { name: "mark", title: "Begin the way back" },
  { name: "addresses", title: "Keep the tenants' names where they are" },
  { name: "reset", title: "Set aside what the region had" },
  { name: "start", title: "Start the region, empty" },
  { name: "move", title: "Move its tenants back" },
  { name: "tidy", title: "Remove the servers that are empty now" },
  { name: "finish", title: "Write down that all is as before" },
] as const;

export type FailOverStep = (typeof failOverSteps)[number]["name"];
export type FailBackStep = (typeof failBackSteps)[number]["name"];
