/**
 * Resource types of the templates that the emulator's CloudFormation knows nothing of, and what is missing there for it. It
 * reports their stacks as complete all the same.
 */
export const ignoredTypes: Readonly<Record<string, string>> = {
  "AWS::CertificateManager::Certificate": "certificates: a deployment there brings its own",
  "AWS::CloudFront::Distribution": "the edge",
  "AWS::CloudFront::ResponseHeadersPolicy": "the edge",
  "AWS::CloudWatch::Alarm": "alarms",
  "AWS::ElastiCache::ReplicationGroup": "the cache: a deployment there brings its own",
  "AWS::ElastiCache::SubnetGroup": "the cache",
  "AWS::RDS::EventSubscription": "RDS's own events",
  "AWS::S3::BucketPolicy": "that buckets refuse what comes without TLS",
  "AWS::SNS::Subscription": "mails of alarms, and the queue of the fleets' alarms",
  "AWS::SNS::TopicPolicy": "who may publish alarms",
  "AWS::SQS::QueuePolicy": "that the fleets' alarms may come to their queue",
  "AWS::SecretsManager::Secret": "tokens and administrators' logins: whoever deploys there makes them",
  "AWS::WAFv2::WebACL": "the edge",
};
