/** The steps of a restore into a tenant in their order, with what the person who waits reads. */
export const restoreSteps = [
  { name: "claim", title: "Waiting for nobody else" },
  { name: "place", title: "Choosing where the data goes" },
  { name: "create", title: "Making a place beside the present one" },
  { name: "load", title: "Loading the rows" },
  { name: "migrate", title: "Bringing the tables up to date" },
  { name: "compare-files", title: "Comparing the files" },
  { name: "freeze", title: "Holding requests back" },
  { name: "note-files", title: "Noting the files as they are" },
  { name: "restore-files", title: "Bringing the files back" },
  { name: "switch", title: "Switching over" },
  { name: "settle", title: "Serving again" },
  { name: "keep-before", title: "Keeping the state before as a backup" },
  { name: "release", title: "Tidying up" },
] as const;

export type RestoreStepName = (typeof restoreSteps)[number]["name"];

/** The same of a restore or import that makes a new tenant. */
export const foundSteps = [
  { name: "reserve-slug", title: "Reserving the address" },
  { name: "check-quota", title: "Checking the plan's limits" },
  { name: "place", title: "Choosing a database server" },
  { name: "create-database", title: "Creating the database" },
  { name: "load", title: "Loading the rows" },
  { name: "migrate", title: "Bringing the tables up to date" },
  { name: "restore-files", title: "Bringing the files back" },
  { name: "create-administrator", title: "Creating the administrator's account" },
  { name: "register-address", title: "Registering the address" },
  { name: "notify-crm", title: "Telling the CRM" },
  { name: "notify-billing", title: "Opening the billing account" },
  { name: "notify-support", title: "Opening the support account" },
  { name: "activate", title: "Opening the doors" },
] as const;

export type FoundStepName = (typeof foundSteps)[number]["name"];
