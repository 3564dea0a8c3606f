import { Match } from "aws-cdk-lib/assertions";
import { describe, expect, test } from "vitest";
import { allTemplates, exampleTemplates } from "../../../test/support/aws/example-templates.ts";
import { assertions, resourcesOf } from "../../../test/support/aws/template-resources.ts";

const templates = exampleTemplates(2);
const region = templates.regions["eu-west-1"]!;

describe("alarms", () => {
  test("of heavy and low use go to the queue that the controller reads", () => {
    for (const [name, threshold] of [
      ["bookshop-app-heavy-use", 80],
      ["bookshop-worker-low-use", 10],
    ] as const) {
      assertions(region).hasResourceProperties("AWS::CloudWatch::Alarm", {
        AlarmName: name,
        Threshold: threshold,
        AlarmActions: Match.arrayWith([{ Ref: "TopicScaling" }]),
      });
    }
    assertions(region).hasResourceProperties("AWS::SNS::Subscription", {
      Protocol: "sqs",
      TopicArn: { Ref: "TopicScaling" },
    });
    assertions(region).hasResourceProperties("AWS::SQS::Queue", { QueueName: "bookshop-scaling" });
  });

  test("all have somebody who hears them", () => {
    const found = resourcesOf("AWS::CloudWatch::Alarm", allTemplates(templates));
    for (const { properties, id } of found)
      expect((properties.AlarmActions as []).length, id).toBeGreaterThan(0);
    const metrics = new Set(
      found.map(({ properties }) => properties.MetricName ?? JSON.stringify(properties.Metrics)),
    );
    for (const metric of [
      "CPUUtilization",
      "DatabaseConnections",
      "FreeStorageSpace",
      "ApproximateAgeOfOldestMessage",
      "HTTPCode_Target_5XX_Count",
      "HTTPCode_ELB_5XX_Count",
      "UnHealthyHostCount",
    ])
      expect(metrics).toContain(metric);
    expect([...metrics].join()).toMatch(/DatabaseMemoryUsagePercentage/);
    expect([...metrics].join()).toMatch(/Evictions/);
  });

  test("are mailed to whom the config names", () => {
    for (const template of [region, templates.global]) {
      assertions(template).hasResourceProperties("AWS::SNS::Subscription", {
        Protocol: "email",
        Endpoint: "ops@bookshop.example",
      });
    }
  });
});
