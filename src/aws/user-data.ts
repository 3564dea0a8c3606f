import { stringify } from "yaml";
import type { ServerSoftware } from "./bundle.ts";
import { type ChefOptions, chefCloudConfig } from "./chef.ts";
import { installScript } from "./install-script.ts";

/** What a server runs: the names of the programs in `src/programs/aws`. */
export type ServerProgram = "app" | "worker" | "controller" | "control-plane";

export interface UserDataOptions {
  readonly program: ServerProgram;
  readonly region: string;
  readonly prefix: string;
  /** Where the server finds its software and the region's document. */
  readonly bucket: string;
  readonly software: ServerSoftware;
  /** When the fleet names a run list. */
  readonly chef?: ChefOptions | undefined;
}

const machineFile = "/etc/rowhouse/machine.json";
const installFile = "/opt/rowhouse/install";
const unitName = "rowhouse.service";

/**
 * The user data of a server: a cloud-config for Amazon Linux 2023 that writes down which program of which region this is,
 * and a systemd unit that installs and runs it. Nothing in it is secret: whoever may describe the launch template reads it.
 * At most 16 kB are allowed. Source: Amazon EC2, "Run commands when you launch an EC2 instance with user data input".
 */
export function userData(options: UserDataOptions): string {
  const { program, region, prefix, bucket, software, chef } = options;
  const machine = { region, prefix, bucket, program, software };
  const { runcmd = [], ...beforeRowhouse } =
    chef === undefined ? {} : chefCloudConfig({ chef, region, bucket });
  const cloudConfig = {
    users: [
      "default",
      { name: "rowhouse", system: true, homedir: "/var/lib/rowhouse", no_create_home: true },
    ],
    write_files: [
      { path: machineFile, permissions: "0644", content: `${JSON.stringify(machine, undefined, 2)}\n` },
      { path: installFile, permissions: "0755", content: installScript({ region, bucket, software }) },
      { path: `/etc/systemd/system/${unitName}`, permissions: "0644", content: unit(program) },
    ],
    ...beforeRowhouse,
    runcmd: [
      ...runcmd,
      ["systemctl", "daemon-reload"],
      // Without waiting: the unit installs first, and cloud-init need not stand by.
      ["systemctl", "enable", "--now", "--no-block", unitName],
    ],
  };
  return `#cloud-config\n${stringify(cloudConfig, { lineWidth: 0 })}`;
}

/**
 * The unit: what fails to install or ends is started again a second later, for ever. At the end it has 40 s to finish,
 * longer than a drain; EC2's own order to shut down comes to it as systemd's SIGTERM.
 */
function unit(program: ServerProgram): string {
  return `[Unit]
Description=Rowhouse ${program}
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
User=rowhouse
ExecStartPre=+${installFile}
ExecStart=/opt/rowhouse/node/bin/node /opt/rowhouse/app/dist/programs/aws/${program}.js --machine ${machineFile}
Environment=NODE_ENV=production
Environment=AWS_EC2_METADATA_V1_DISABLED=true
Restart=always
RestartSec=1
TimeoutStartSec=600
TimeoutStopSec=40
StateDirectory=rowhouse
StateDirectoryMode=0700
WorkingDirectory=/var/lib/rowhouse
LimitNOFILE=1048576
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
PrivateDevices=yes
PrivateTmp=yes
RestrictSUIDSGID=yes

[Install]
WantedBy=multi-user.target
`;
}
