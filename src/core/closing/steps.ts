/** The steps of a tenant's closing in their order, with what the person who waits reads. */
export const closeSteps = [
  { name: "claim", title: "Waiting for nobody else" },
  { name: "begin-close", title: "Closing the doors" },
  { name: "lock-out", title: "Ending the last queries" },
  { name: "count", title: "Counting what there is" },
  { name: "export", title: "Keeping a last export" },
  { name: "notify-systems", title: "Telling CRM, billing and support" },
  { name: "remove-address", title: "Removing the address" },
  { name: "remove-rows", title: "Removing the rows and roles" },
  { name: "remove-files", title: "Removing the files" },
  { name: "remove-cache", title: "Clearing the cache" },
  { name: "remove-messages", title: "Removing the queued messages" },
  { name: "remove-mail", title: "Removing the mail" },
  { name: "remove-backups", title: "Removing the backups" },
  { name: "remove-copies", title: "Removing the recovery region's copies" },
  { name: "remove-profile", title: "Forgetting who the tenant was" },
  { name: "remove-workflows", title: "Forgetting how it signed up" },
  { name: "remove-elsewhere", title: "Asking the other regions" },
  { name: "verify", title: "Looking that nothing is left" },
  { name: "certify", title: "Writing the certificate" },
  { name: "end-close", title: "Writing it down" },
] as const;

export type CloseStepName = (typeof closeSteps)[number]["name"];

type PartOf<Name> = Name extends `remove-${infer Part}` ? Part : never;

/** The parts of a tenant's data, each with a step of its own that removes it. */
export type PartName = Exclude<PartOf<CloseStepName>, "elsewhere">;
