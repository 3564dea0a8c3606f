/** The steps of a sign-up in their order, with what the person who waits reads. */
export const signupSteps = [
  { name: "reserve-slug", title: "Reserving the address" },
  { name: "check-quota", title: "Checking the plan's limits" },
  { name: "place", title: "Choosing a database server" },
  { name: "create-database", title: "Creating the database" },
  { name: "migrate", title: "Setting up the tables" },
  { name: "register-address", title: "Registering the address" },
  { name: "notify-crm", title: "Telling the CRM" },
  { name: "notify-billing", title: "Opening the billing account" },
  { name: "notify-support", title: "Opening the support account" },
  { name: "create-administrator", title: "Creating the administrator's account" },
  { name: "seed", title: "Filling in the first data" },
  { name: "welcome-mail", title: "Sending the welcome mail" },
  { name: "notify-operators", title: "Telling the operators" },
  { name: "activate", title: "Opening the doors" },
] as const;

export type SignupStepName = (typeof signupSteps)[number]["name"];
