import type { CfnCondition, CfnResource } from "aws-cdk-lib";
import { CfnAlarm } from "aws-cdk-lib/aws-cloudwatch";
import { CfnEventSubscription } from "aws-cdk-lib/aws-rds";
import { tenantQueue } from "../../core/tenant/message.ts";
import { awsNames } from "../resources.ts";
import { databaseConnections } from "./database.ts";
import type { LoadBalancer } from "./load-balancer.ts";
import { logicalId, type RowhouseStack } from "./stack.ts";

interface Metric {
  readonly namespace: string;
  readonly metricName: string;
  readonly dimensions: Readonly<Record<string, string>>;
}

interface AlarmOptions {
  readonly name: string;
  readonly description: string;
  /** More than one are first brought together by `combine`. */
  readonly metrics: readonly Metric[];
  readonly combine?: "MAX" | "SUM";
  readonly statistic: "Average" | "Maximum" | "Minimum" | "Sum";
  readonly comparison: ">" | "<";
  readonly threshold: number;
  readonly periodSeconds: number;
  /** Periods in a row that must be beyond the threshold. */
  readonly periods: number;
  readonly actions: readonly string[];
  /** Without data nothing is wrong, unless nothing to measure is itself what is wrong. */
  readonly missingData?: "notBreaching" | "breaching";
  readonly condition?: CfnCondition;
}

function addAlarm(stack: RowhouseStack, options: AlarmOptions): void {
  const { name, metrics, statistic, periodSeconds } = options;
  const [metric] = metrics;
  const alarm = new CfnAlarm(stack, logicalId("Alarm", name), {
    alarmName: stack.named(name),
    alarmDescription: options.description,
    comparisonOperator: options.comparison === ">" ? "GreaterThanThreshold" : "LessThanThreshold",
    threshold: options.threshold,
    evaluationPeriods: options.periods,
    datapointsToAlarm: options.periods,
    treatMissingData: options.missingData ?? "notBreaching",
    alarmActions: [...options.actions],
    okActions: [...options.actions],
    ...(options.combine === undefined && metric
      ? {
          namespace: metric.namespace,
          metricName: metric.metricName,
          dimensions: dimensionsOf(metric),
          statistic,
          period: periodSeconds,
        }
      : {
          metrics: [
            { id: "all", expression: `${options.combine}(METRICS())`, label: name, returnData: true },
            ...metrics.map((each, index) => ({
              id: `m${index + 1}`,
              returnData: false,
              metricStat: {
                metric: {
                  namespace: each.namespace,
                  metricName: each.metricName,
                  dimensions: dimensionsOf(each),
                },
                period: periodSeconds,
                stat: statistic,
              },
            })),
          ],
        }),
  });
  if (options.condition) alarm.cfnOptions.condition = options.condition;
}

function dimensionsOf({ dimensions }: Metric) {
  return Object.entries(dimensions).map(([name, value]) => ({ name, value }));
}

/** Heavy and low use of a fleet, told to the controller, which launches or ends servers; heavy use to people too. */
export function addFleetAlarms(
  stack: RowhouseStack,
  options: {
    readonly fleet: "app" | "worker";
    readonly group: string;
    /** Parts of 1, as in the config. */
    readonly scaleOutAbove: number;
    readonly scaleInBelow: number;
    /** ARNs: of people's, and of the controller's. */
    readonly topics: { readonly alarms: string; readonly scaling: string };
  },
): void {
  const { fleet, group, topics } = options;
  const cpu = {
    metrics: [
      {
        namespace: "AWS/EC2",
        metricName: "CPUUtilization",
        dimensions: { AutoScalingGroupName: group },
      },
    ],
    statistic: "Average",
    periodSeconds: 60,
  } as const;
  addAlarm(stack, {
    ...cpu,
    name: `${fleet}-heavy-use`,
    description: `The fleet ${fleet} is busier than its limit`,
    comparison: ">",
    threshold: percent(options.scaleOutAbove),
    periods: 3,
    actions: [topics.alarms, topics.scaling],
  });
  addAlarm(stack, {
    ...cpu,
    name: `${fleet}-low-use`,
    description: `The fleet ${fleet} has more servers than it needs`,
    comparison: "<",
    threshold: percent(options.scaleInBelow),
    periods: 15,
    actions: [topics.scaling],
  });
}

/** 0.07 of 1 is 7, and not 7.000000000000001. */
function percent(part: number): number {
  return Number((part * 100).toFixed(6));
}

const gibibyte = 2 ** 30;

/** A database server's: work, connections, disk; and what RDS itself has to say of it. */
export function addDatabaseAlarms(
  stack: RowhouseStack,
  options: { readonly server: string; readonly topicArn: string },
): void {
  const { server, topicArn } = options;
  const identifier = awsNames.database(stack.prefix, server);
  const of = (metricName: string) => ({
    metrics: [{ namespace: "AWS/RDS", metricName, dimensions: { DBInstanceIdentifier: identifier } }],
    periodSeconds: 300,
    actions: [topicArn],
  });
  addAlarm(stack, {
    ...of("CPUUtilization"),
    name: `${server}-cpu`,
    description: `The database server ${server} is busy`,
    statistic: "Average",
    comparison: ">",
    threshold: 80,
    periods: 3,
  });
  addAlarm(stack, {
    ...of("DatabaseConnections"),
    name: `${server}-connections`,
    description: `The database server ${server} has four fifths of the connections that it may have`,
    statistic: "Maximum",
    comparison: ">",
    threshold: databaseConnections * 0.8,
    periods: 1,
  });
  addAlarm(stack, {
    ...of("FreeStorageSpace"),
    name: `${server}-storage`,
    description: `The database server ${server} is running out of disk faster than it grows`,
    statistic: "Minimum",
    comparison: "<",
    threshold: gibibyte,
    periods: 2,
  });
  new CfnEventSubscription(stack, "DatabaseEvents", {
    subscriptionName: stack.named(`${server}-events`),
    snsTopicArn: topicArn,
    sourceType: "db-instance",
    sourceIds: [identifier],
    eventCategories: ["availability", "failover", "failure", "low storage", "recovery"],
  }).addResourceDependency(stack.node.findChild("Database") as CfnResource);
}

/** Of each shard of the cache: memory in use, and entries that were pushed out for want of it. */
export function addCacheAlarms(
  stack: RowhouseStack,
  options: {
    readonly shards: readonly (readonly string[])[];
    readonly condition: CfnCondition;
    readonly topicArn: string;
  },
): void {
  const { shards, condition, topicArn } = options;
  for (const [index, nodes] of shards.entries()) {
    const shard = `cache-shard-${index + 1}`;
    const of = (metricName: string) => ({
      metrics: nodes.map((CacheClusterId) => ({
        namespace: "AWS/ElastiCache",
        metricName,
        dimensions: { CacheClusterId },
      })),
      periodSeconds: 300,
      periods: 3,
      comparison: ">" as const,
      actions: [topicArn],
      condition,
    });
    addAlarm(stack, {
      ...of("DatabaseMemoryUsagePercentage"),
      name: `${shard}-memory`,
      description: "A node of the cache has little memory left",
      combine: "MAX",
      statistic: "Average",
      threshold: 80,
    });
    addAlarm(stack, {
      ...of("Evictions"),
      name: `${shard}-evictions`,
      description: "The cache forgets entries before their time",
      combine: "SUM",
      statistic: "Sum",
      threshold: 1_000,
    });
  }
}

/** The longest that a message should wait for whoever reads the queue. */
const queueAgeSeconds = { scaling: 300, [tenantQueue]: 900 };

export function addQueueAlarms(stack: RowhouseStack, topicArn: string): void {
  for (const [queue, seconds] of Object.entries(queueAgeSeconds)) {
    const of = (metricName: string, suffix = "") => ({
      metrics: [
        {
          namespace: "AWS/SQS",
          metricName,
          dimensions: { QueueName: `${awsNames.queue(stack.prefix, queue)}${suffix}` },
        },
      ],
      statistic: "Maximum" as const,
      comparison: ">" as const,
      periodSeconds: 60,
      actions: [topicArn],
    });
    addAlarm(stack, {
      ...of("ApproximateAgeOfOldestMessage"),
      name: `queue-${queue}-age`,
      description: `Messages of the queue ${queue} wait too long`,
      threshold: seconds,
      periods: 3,
    });
    addAlarm(stack, {
      ...of("ApproximateNumberOfMessagesVisible", "-dead"),
      name: `queue-${queue}-dead`,
      description: `The queue ${queue} has messages that nobody could handle`,
      threshold: 0,
      periods: 1,
    });
  }
}

/** A balancer's: answers with 5xx, its targets' and its own, and targets that are not well. */
export function addBalancerAlarms(
  stack: RowhouseStack,
  options: { readonly name: string; readonly balancer: LoadBalancer; readonly topicArn: string },
): void {
  const { name, balancer, topicArn } = options;
  const of = (metricName: string) => ({
    metrics: [
      {
        namespace: "AWS/ApplicationELB",
        metricName,
        dimensions: { LoadBalancer: balancer.fullName, TargetGroup: balancer.targetGroupFullName },
      },
    ],
    periodSeconds: 60,
    actions: [topicArn],
  });
  addAlarm(stack, {
    ...of("HTTPCode_Target_5XX_Count"),
    name: `${name}-target-5xx`,
    description: `Servers behind the balancer ${name} answer with errors`,
    statistic: "Sum",
    comparison: ">",
    threshold: 10,
    periods: 3,
  });
  addAlarm(stack, {
    ...of("HTTPCode_ELB_5XX_Count"),
    // It is the balancer's own answer, no target's.
    metrics: [
      {
        namespace: "AWS/ApplicationELB",
        metricName: "HTTPCode_ELB_5XX_Count",
        dimensions: { LoadBalancer: balancer.fullName },
      },
    ],
    name: `${name}-balancer-5xx`,
    description: `The balancer ${name} has nobody to answer`,
    statistic: "Sum",
    comparison: ">",
    threshold: 10,
    periods: 3,
  });
  addAlarm(stack, {
    ...of("UnHealthyHostCount"),
    name: `${name}-unhealthy`,
    description: `A server behind the balancer ${name} is not healthy`,
    statistic: "Maximum",
    comparison: ">",
    threshold: 0,
    periods: 5,
  });
  addAlarm(stack, {
    ...of("HealthyHostCount"),
    name: `${name}-nobody`,
    description: `No server behind the balancer ${name} is healthy`,
    statistic: "Maximum",
    comparison: "<",
    threshold: 1,
    periods: 3,
    missingData: "breaching",
  });
}
