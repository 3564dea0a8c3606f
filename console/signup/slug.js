/** Letters that no decomposition turns into a-z. */
const spelledOut = {
  ß: "ss",
  æ: "ae",
  œ: "oe",
  ø: "o",
  ł: "l",
  đ: "d",
  ð: "d",
  þ: "th",
  "&": " and ",
  "+": " plus ",
};

/** The address that a company's name asks for; empty where it has no letter of the alphabet. */
export function suggestSlug(name) {
  return name
    .toLowerCase()
    .replace(/[ßæœøłđðþ&+]/g, (letter) => spelledOut[letter])
    .normalize("NFKD")
    .replace(/[\u0300-\u036f'’.]/g, "")
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^[^a-z]+/, "")
    .slice(0, 40)
    .replace(/-+$/, "");
}

/** What is wrong with an address in its present form, or `undefined`. `rules` are those of `/signup/options`. */
export function slugProblem(slug, rules) {
  if (slug === "") return "Choose an address.";
  if (rules.reserved.includes(slug))
    return "This address is kept for the platform itself. Choose another one.";
  if (new RegExp(rules.pattern).test(slug)) return undefined;
  if (!/^[a-z]/.test(slug)) return "An address begins with a letter from a to z.";
  if (slug.endsWith("-")) return "An address can’t end with a hyphen.";
  return "Use lower-case letters, digits and hyphens only.";
}
