/** Names of calls that make, change or remove something in an account that has a quota. */
export const resourceCall =
  /^(rds|ec2|autoscaling|elasticloadbalancing|elasticache|cloudformation|iam|acm|sns|secretsmanager|route53)\.(Create|Run|Register|Deregister|Put|Modify|Attach|Change|POST|Delete)/;
