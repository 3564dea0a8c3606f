import { bundleKeys } from "./bundle.ts";

/** What Chef is to do on a server before Rowhouse starts there. */
export interface ChefOptions {
  /** As in `recipe[hardening]` or `role[base]`, in order. */
  readonly runList: readonly string[];
  /** With an organization, as in `https://chef.example/organizations/acme`. Without one Chef runs in local mode. */
  readonly serverUrl?: string | undefined;
  /** Client that a new server introduces itself as. Default: `rowhouse-validator`. */
  readonly validationName?: string | undefined;
  /** Chef's own value; from version 15 on it refuses to run without. */
  readonly license?: "accept" | "accept-no-persist" | "accept-silent" | undefined;
}

/** The parts of a cloud-config that Chef needs; `runcmd` comes before Rowhouse's own. */
interface ChefCloudConfig {
  readonly bootcmd: readonly (readonly string[])[];
  readonly chef: Readonly<Record<string, unknown>>;
  readonly runcmd: readonly (string | readonly string[])[];
}

const configFile = "/etc/chef/client.rb";
const validationKey = "/etc/chef/validation.pem";
const localFolder = "/var/chef";

/**
 * cloud-init's module `chef` installs Chef and writes its configuration with the run list; the run itself is a command
 * of its own, because Rowhouse starts only on a server that has converged. What the run needs comes from the region's
 * bucket, early at the first boot: the key to introduce a server with, or the cookbooks. The module insists on
 * `server_url` and `validation_name` in local mode too, where Chef uses neither. Source: cloud-init, `cc_chef.py`.
 */
export function chefCloudConfig(options: {
  readonly chef: ChefOptions;
  readonly region: string;
  readonly bucket: string;
}): ChefCloudConfig {
  const { serverUrl, runList, license, validationName = "rowhouse-validator" } = options.chef;
  const fetch = (key: string, target: string) => [
    ...["aws", "s3", "cp", "--only-show-errors", "--region", options.region],
    ...[`s3://${options.bucket}/${key}`, target],
  ];
  const chef = {
    install_type: "omnibus",
    run_list: [...runList],
    validation_name: validationName,
    ...(license === undefined ? {} : { chef_license: license }),
  };
  if (serverUrl !== undefined) {
    return {
      bootcmd: [once("chef-key", ...fetch(bundleKeys.chefValidationKey, validationKey))],
      chef: { ...chef, server_url: serverUrl, validation_cert: "system", validation_key: validationKey },
      // From its first run on, the server has a key of its own.
      runcmd: [`chef-client --config ${configFile} || exit 1`, ["rm", "-f", validationKey]],
    };
  }
  const archive = `${localFolder}/cookbooks.tgz`;
  return {
    bootcmd: [
      once("chef-cookbooks", ...fetch(bundleKeys.cookbooks, archive)),
      once("chef-unpack", "tar", "--extract", "--file", archive, "--directory", localFolder),
    ],
    chef: { ...chef, server_url: "chefzero://localhost:8889" },
    runcmd: [
      `chef-client --local-mode --config ${configFile} --config-option cookbook_path=${localFolder}/cookbooks || exit 1`,
    ],
  };
}

/** A boot command that a server runs at its first boot only. */
function once(name: string, ...command: readonly string[]): readonly string[] {
  return ["cloud-init-per", "instance", `rowhouse-${name}`, ...command];
}
