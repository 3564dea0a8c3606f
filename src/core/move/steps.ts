/** The steps of a move in their order, with what the person who waits reads. */
export const moveSteps = [
  { name: "claim", title: "Taking the tenant" },
  { name: "check", title: "Checking where it goes" },
  { name: "prepare", title: "Making the new place" },
  { name: "compare-structure", title: "Comparing the tables" },
  { name: "copy-files", title: "Copying the files" },
  { name: "copy-rows", title: "Copying the rows" },
  { name: "follow", title: "Following the changes" },
  { name: "hand-over", title: "Handing over" },
  { name: "verify", title: "Comparing both copies" },
  { name: "leave", title: "Leaving the old place" },
  { name: "release", title: "Writing it down" },
] as const;

export type MoveStepName = (typeof moveSteps)[number]["name"];
