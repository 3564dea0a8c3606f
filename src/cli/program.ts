import { Command } from "commander";
import { addAuditList } from "./command/audit/list.ts";
import { addAwsDeploy } from "./command/aws/deploy.ts";
import { addAwsSynth } from "./command/aws/synth.ts";
import { addDatabaseFailOver } from "./command/database/fail-over.ts";
import { addDatabaseList } from "./command/database/list.ts";
import { addDoctor } from "./command/doctor.ts";
import { addDown } from "./command/down.ts";
import { addLogs } from "./command/logs.ts";
import { addMigrateRun } from "./command/migrate/run.ts";
import { addMigrateStatus } from "./command/migrate/status.ts";
import { addNew } from "./command/new.ts";
import { addRegionCreate } from "./command/region/create.ts";
import { addRegionDelete } from "./command/region/delete.ts";
import { addRegionFailBack } from "./command/region/fail-back.ts";
import { addRegionFailOver } from "./command/region/fail-over.ts";
import { addRegionList } from "./command/region/list.ts";
import { addStatus } from "./command/status.ts";
import { addTenantBackup } from "./command/tenant/backup.ts";
import { addTenantBackups } from "./command/tenant/backups.ts";
import { addTenantCertificate } from "./command/tenant/certificate.ts";
import { addTenantClose } from "./command/tenant/close.ts";
import { addTenantCreate } from "./command/tenant/create.ts";
import { addTenantExport } from "./command/tenant/export.ts";
import { addTenantImport } from "./command/tenant/import.ts";
import { addTenantList } from "./command/tenant/list.ts";
import { addTenantMove } from "./command/tenant/move.ts";
import { addTenantRestore } from "./command/tenant/restore.ts";
import { addTenantResume } from "./command/tenant/resume.ts";
import { addTenantShow } from "./command/tenant/show.ts";
import { addTenantSuspend } from "./command/tenant/suspend.ts";
import { addUp } from "./command/up.ts";
import { example, type Invocation } from "./invocation.ts";

/** The command line as a whole. Nothing in it ends the process: faults are thrown, usage errors too. */
export function createProgram(invocation: Invocation): Command {
  const { context, output } = invocation;
  const program = new Command("rowhouse")
    .description("Runs one Node.js application for many customers.")
    .option("--json", "one JSON document on stdout, and nothing else there")
    .option("--config <file>", "the rowhouse.config.ts; default: the nearest upward")
    .option("--state-dir <folder>", "where everything is kept; default: .rowhouse beside the config")
    .version(context.version, "-V, --version", "the version of Rowhouse")
    .configureHelp({ showGlobalOptions: true })
    .exitOverride()
    .configureOutput({
      writeOut: (text) =>
        output.result(text.trim() === context.version ? { version: context.version } : { help: text }, () =>
          text.trimEnd(),
        ),
      writeErr: (text) => output.progress(text.trimEnd()),
      // The boundary prints all errors in one form.
      outputError: () => {},
    })
    .addHelpText("after", example(invocation, "$0 up"));
  addUp(program, invocation);
  addDown(program, invocation);
  addStatus(program, invocation);
  addDoctor(program, invocation);
  addLogs(program, invocation);
  addNew(program, invocation);
  const tenant = program
    .command("tenant")
    .description("sign tenants up, show, suspend, resume and close them")
    .addHelpText("after", example(invocation, "$0 tenant list"));
  addTenantCreate(tenant, invocation);
  addTenantList(tenant, invocation);
  addTenantShow(tenant, invocation);
  addTenantSuspend(tenant, invocation);
  addTenantResume(tenant, invocation);
  addTenantClose(tenant, invocation);
  addTenantBackup(tenant, invocation);
  addTenantBackups(tenant, invocation);
  addTenantRestore(tenant, invocation);
  addTenantExport(tenant, invocation);
  addTenantImport(tenant, invocation);
  addTenantCertificate(tenant, invocation);
  addTenantMove(tenant, invocation);
  const region = program
    .command("region")
    .description("list, create and delete regions, each a full copy of the system")
    .addHelpText("after", example(invocation, "$0 region list"));
  addRegionList(region, invocation);
  addRegionCreate(region, invocation);
  addRegionFailOver(region, invocation);
  addRegionFailBack(region, invocation);
  addRegionDelete(region, invocation);
  const database = program
    .command("database")
    .description("list database servers, and fail one over to its standby")
    .addHelpText("after", example(invocation, "$0 database list"));
  addDatabaseList(database, invocation);
  addDatabaseFailOver(database, invocation);
  const migrate = program
    .command("migrate")
    .description("bring tenants' schemas up to date")
    .addHelpText("after", example(invocation, "$0 migrate status"));
  addMigrateStatus(migrate, invocation);
  addMigrateRun(migrate, invocation);
  const audit = program
    .command("audit")
    .description("read what was decided about tenants, and by whom")
    .addHelpText("after", example(invocation, "$0 audit list"));
  addAuditList(audit, invocation);
  const aws = program
    .command("aws")
    .description("the same system on an AWS account")
    .addHelpText("after", example(invocation, "$0 aws synth"));
  addAwsSynth(aws, invocation);
  addAwsDeploy(aws, invocation);
  return program;
}
