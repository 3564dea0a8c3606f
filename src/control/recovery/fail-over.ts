import { lostSeconds } from "../../core/recovery/point.ts";
import type { StackProgress } from "../../ports/stacks.ts";
import type { FailOverOutcome, RecoveredTenant, TakeOverReport } from "./outcome.ts";
import type { RecoveryParts } from "./recoveries.ts";

/** Brings the tenants of a lost region back in another; see `failOverSteps`. Every step may be repeated. */
export async function failOver(
  parts: RecoveryParts,
  command: { readonly region: string; readonly to: string; readonly askedAt: Date },
  onProgress: StackProgress,
): Promise<FailOverOutcome> {
  const { region, to } = command;
  const { states, clock, onStep = async () => {} } = parts;
  await onStep("mark");
  const { epoch, aliveAt, askedAt } = await states.beginFailOver(region, to, command.askedAt);
  parts.close(region);
  onProgress(`${region} is marked as lost: nobody is served there any more`);

  await onStep("fence");
  const [{ wasAlive }] = await Promise.all([
    parts.fence(region, onProgress),
    startSuccessor(parts, to, onProgress),
  ]);
  const fencedAt = clock.now();

  onProgress(`${to} takes the tenants over`);
  const report = await parts.control(to).takeOver({ source: region, epoch });
  onProgress(`${report.tenants.length} tenants have their data in ${to}`);
  await onStep("publish");
  await parts.redirect(region, to);
  await parts.untilReady(to, onProgress);
  parts.open(to);

  await onStep("finish");
  const now = clock.now();
  const outcome = summarize({ region, to }, report, {
    // Whatever still lived may have acknowledged a write until it was ended.
    lastAlive: wasAlive ? fencedAt : (aliveAt ?? fencedAt),
    rtoSeconds: (now.getTime() - (askedAt ?? command.askedAt).getTime()) / 1000,
  });
  await states.advance(region, ["failing-over"], "failed-over", outcome);
  return outcome;
}

/** It may take seconds, while the fence takes its own. */
async function startSuccessor(parts: RecoveryParts, to: string, onProgress: StackProgress): Promise<void> {
  await parts.onStep?.("start");
  await parts.start(to, onProgress);
}

function summarize(
  { region, to }: { readonly region: string; readonly to: string },
  report: TakeOverReport,
  times: { readonly lastAlive: Date; readonly rtoSeconds: number },
): FailOverOutcome {
  const lost = ({ arrivedUntil }: RecoveredTenant) =>
    arrivedUntil === null ? null : lostSeconds(times.lastAlive, new Date(arrivedUntil));
  const byWay = (way: RecoveredTenant["way"]) => report.tenants.filter((tenant) => tenant.way === way);
  const ofStandbys = byWay("standby").flatMap((tenant) => lost(tenant) ?? []);
  const isKnown = ofStandbys.length > 0 && ofStandbys.length === byWay("standby").length;
  return {
    region,
    to,
    tenants: report.tenants.length,
    rpoSeconds: isKnown ? Math.max(...ofStandbys) : null,
    rtoSeconds: Math.round(times.rtoSeconds * 1000) / 1000,
    failed: report.failed,
    fromBackup: byWay("backup").map((tenant) => ({ slug: tenant.slug, rpoSeconds: lost(tenant) })),
    mail: report.mail,
    messages: report.messages,
  };
}
