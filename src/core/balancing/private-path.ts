const platformSegment = "_rowhouse";
const privateSegments: ReadonlySet<string> = new Set(["balancer", "internal"]);

/** Nobody decodes more often; a path that is still encoded then is up to no good. */
const decodingPasses = 4;

/**
 * True when a request target in origin form may lead to what only the platform's own processes may reach
 * (`/_rowhouse/balancer`, `/_rowhouse/internal`), however a server behind might read it: percent-encoded, even
 * twice, with backslashes, doubled slashes, path parameters or capitals. A path to the platform that holds dot
 * segments can be read in too many ways, and counts as private whatever it names.
 */
export function isPrivatePath(target: string): boolean {
  // Both tests are cheap, and few honest paths need more.
  if (!target.includes("_") && !target.includes("%")) return false;
  const path = decodeFully(target.replace(/[?#].*$/s, "")).toLowerCase();
  if (!path.includes(platformSegment)) return false;
  const segments = path
    .split(/[/\\]/)
    .map((segment) => segment.replace(/[?#;].*$/s, ""))
    .filter((segment) => segment !== "");
  if (segments.some((segment) => segment === "." || segment === "..")) return true;
  if (encodedOctet.test(path)) return true;
  return segments[0] === platformSegment && privateSegments.has(segments[1] ?? "");
}

const encodedOctet = /%[0-9a-f]{2}/i;

function decodeFully(path: string): string {
  let decoded = path;
  for (let pass = 0; pass < decodingPasses && encodedOctet.test(decoded); pass++) {
    decoded = decoded.replace(/%([0-9a-f]{2})/gi, (_, code: string) =>
      String.fromCharCode(Number.parseInt(code, 16)),
    );
  }
  return decoded;
}
