import { bundleKeys, type ServerSoftware } from "./bundle.ts";

/**
 * The shell script that brings Node and Rowhouse from the region's bucket to `/opt/rowhouse`. It runs before each start
 * of the program and does nothing where both are in place. With `ROOT` in its environment all is below that folder.
 */
export function installScript(options: {
  readonly region: string;
  readonly bucket: string;
  readonly software: ServerSoftware;
}): string {
  const { node, rowhouse } = options.software;
  return `#!/bin/bash
set -euo pipefail
home="\${ROOT:-}/opt/rowhouse"
bucket=${quoted(options.bucket)}

# install <name> <key> <sha256>: the archive's content, without its outermost folder, becomes $home/<name>
install() {
  local target="$home/$1" key="$2" sha256="$3" work
  if [ "$(cat "$target/.sha256" 2>/dev/null)" = "$sha256" ]; then return; fi
  work="$(mktemp -d "$home/.install.XXXXXX")"
  aws s3 cp --only-show-errors --region ${quoted(options.region)} "s3://$bucket/$key" "$work/archive"
  if ! echo "$sha256  $work/archive" | sha256sum --check --status; then
    echo "s3://$bucket/$key does not have the SHA-256 $sha256" >&2
    exit 1
  fi
  mkdir "$work/content"
  tar --extract --file "$work/archive" --strip-components 1 --no-same-owner --directory "$work/content"
  echo "$sha256" > "$work/content/.sha256"
  chmod -R go=u-w "$work/content"
  rm -rf "$target"
  mv "$work/content" "$target"
  rm -rf "$work"
}

mkdir -p "$home"
rm -rf "$home"/.install.*
case "$(uname -m)" in
${[architecture(node, "arm64", "aarch64 | arm64"), architecture(node, "x64", "x86_64")].join("")}  *) echo "there is no Node ${node.version} for $(uname -m) in the bundle" >&2; exit 1 ;;
esac
install app ${quoted(bundleKeys.rowhouse(rowhouse.version))} ${quoted(rowhouse.sha256)}
`;
}

/** The case of one processor, where the bundle has Node for it. */
function architecture(node: ServerSoftware["node"], name: "arm64" | "x64", machine: string): string {
  const sha256 = node.sha256[name];
  if (sha256 === undefined) return "";
  return `  ${machine}) install node ${quoted(bundleKeys.node(node.version, name))} ${quoted(sha256)} ;;\n`;
}

/** One word for a shell, whatever is in it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
