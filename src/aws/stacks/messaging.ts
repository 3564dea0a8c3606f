import { CfnSubscription, CfnTopic, CfnTopicPolicy } from "aws-cdk-lib/aws-sns";
import { CfnQueue, CfnQueuePolicy } from "aws-cdk-lib/aws-sqs";
import { awsNames } from "../resources.ts";
import { logicalId, type RowhouseStack } from "./stack.ts";

/** Services of AWS that tell of something. */
const publishers = ["cloudwatch.amazonaws.com", "events.rds.amazonaws.com"];

/** A topic for AWS's own services to publish to, under the region's key. Returns its ARN. */
function addTopic(stack: RowhouseStack, name: string, keyArn: string): string {
  const id = logicalId("Topic", name);
  const topic = new CfnTopic(stack, id, { topicName: stack.named(name), kmsMasterKeyId: keyArn });
  new CfnTopicPolicy(stack, `${id}Policy`, {
    topics: [topic.ref],
    policyDocument: {
      Version: "2012-10-17",
      Statement: [
        {
          Sid: "Publishers",
          Effect: "Allow",
          Principal: { Service: publishers },
          Action: "sns:Publish",
          Resource: topic.ref,
          Condition: { StringEquals: { "aws:SourceAccount": stack.at.accountId } },
        },
        onlyTls("sns:Publish", topic.ref),
      ],
    },
  });
  return topic.ref;
}

/** The alarms' topic, and a subscription for each address: its owner is asked by mail to confirm it. */
export function addAlarmTopic(
  stack: RowhouseStack,
  options: { readonly name: string; readonly keyArn: string; readonly emails: readonly string[] },
): string {
  const topicArn = addTopic(stack, options.name, options.keyArn);
  for (const email of options.emails) {
    new CfnSubscription(stack, logicalId("AlarmMail", email), {
      topicArn,
      protocol: "email",
      endpoint: email,
    });
  }
  return topicArn;
}

/** What the alarms of the fleets say is over in an hour at most: the alarm is raised again if it still holds. */
const scalingRetentionSeconds = 3600;
const deadLetterRetentionSeconds = 14 * 24 * 3600;

/** Topic of the fleets' alarms, and the queue `scaling` in which the controller finds them. Returns the topic's ARN. */
export function addScaling(stack: RowhouseStack, keyArn: string): string {
  const topicArn = addTopic(stack, "scaling", keyArn);
  const dead = new CfnQueue(stack, "QueueScalingDead", {
    queueName: `${awsNames.queue(stack.prefix, "scaling")}-dead`,
    sqsManagedSseEnabled: true,
    messageRetentionPeriod: deadLetterRetentionSeconds,
  });
  const queue = new CfnQueue(stack, "QueueScaling", {
    queueName: awsNames.queue(stack.prefix, "scaling"),
    sqsManagedSseEnabled: true,
    messageRetentionPeriod: scalingRetentionSeconds,
    visibilityTimeout: 30,
    redrivePolicy: { deadLetterTargetArn: dead.attrArn, maxReceiveCount: 5 },
  });
  addQueuePolicy(stack, "QueueScalingDeadPolicy", dead, []);
  addQueuePolicy(stack, "QueueScalingPolicy", queue, [
    {
      Sid: "Topic",
      Effect: "Allow",
      Principal: { Service: "sns.amazonaws.com" },
      Action: "sqs:SendMessage",
      Resource: queue.attrArn,
      Condition: { ArnEquals: { "aws:SourceArn": topicArn } },
    },
  ]);
  new CfnSubscription(stack, "ScalingSubscription", {
    topicArn,
    protocol: "sqs",
    endpoint: queue.attrArn,
    rawMessageDelivery: true,
  });
  return topicArn;
}

function addQueuePolicy(
  stack: RowhouseStack,
  id: string,
  queue: CfnQueue,
  statements: readonly object[],
): void {
  new CfnQueuePolicy(stack, id, {
    queues: [queue.ref],
    policyDocument: {
      Version: "2012-10-17",
      Statement: [...statements, onlyTls("sqs:*", queue.attrArn)],
    },
  });
}

function onlyTls(action: string, resource: string): object {
  return {
    Sid: "OnlyTls",
    Effect: "Deny",
    Principal: "*",
    Action: action,
    Resource: resource,
    Condition: { Bool: { "aws:SecureTransport": "false" } },
  };
}
