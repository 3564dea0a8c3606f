/** Where a stack is. */
export interface StackLocation {
  readonly stackName: string;
  readonly region: string;
}

/** A parameter's value: known already, or an output of a stack that was deployed before. */
export type ParameterSource = string | (StackLocation & { readonly output: string });

/**
 * A CloudFormation template and what its stack is called. A template has more than the 51,200 bytes that a call can
 * carry, so it goes by way of a bucket; roles have names, so it needs CAPABILITY_NAMED_IAM.
 */
export interface Template extends StackLocation {
  readonly template: CloudFormationTemplate;
  /** Values for the template's parameters that have no default. */
  readonly parameters: Readonly<Record<string, ParameterSource>>;
}

export interface CloudFormationTemplate {
  readonly Parameters?: Readonly<Record<string, { readonly Type: string; readonly Default?: unknown }>>;
  readonly Resources: Readonly<Record<string, CloudFormationResource>>;
  readonly Outputs?: Readonly<Record<string, { readonly Value: unknown }>>;
}

export interface CloudFormationResource {
  readonly Type: string;
  readonly Properties?: Readonly<Record<string, unknown>>;
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
}

/** Parameters that a deployment sets to other than their default. */
export const templateParameters = {
  /** Global and region: "off" lifts the deletion protection, before a stack is deleted. */
  protection: "Protection",
  /** Region: "on" once the recovery region's stack, and so its bucket, is there. Only with a recovery region. */
  replication: "Replication",
  /** Region: `host:port` of a cache that there is already; then the stack makes none. */
  cacheEndpoint: "CacheEndpoint",
  /** Global and region: a parameter group of RDS that there is already; then the stack makes none. */
  databaseParameterGroup: "DatabaseParameterGroup",
  /** Global, edge and region: a certificate of ACM for the domain that there is already; then the stack makes none. */
  certificateArn: "CertificateArn",
} as const;

/** The stacks of a config, each as what `Part` is. They are deployed in this order. */
export interface Parts<Part> {
  /** The hosted zone, when it is to be made: the domain must be delegated to it before certificates can be issued. */
  readonly zone?: Part;
  /** The control plane, in the control region. */
  readonly global: Part;
  /** CloudFront, in us-east-1, where its certificate has to be. */
  readonly edge: Part;
  readonly regions: Readonly<Record<string, Part>>;
  /** For each region, how its network and the control plane's are brought together. */
  readonly peerings: Readonly<Record<string, Peering<Part>>>;
  /** For each two regions, how their networks are brought together. */
  readonly links: readonly Link<Part>[];
}

export interface Peering<Part> {
  /** In the region: the connection, and the controllers' routes to the control plane. */
  readonly request: Part;
  /** In the control region: the routes back, and what the controllers may reach. */
  readonly accept: Part;
}

/** The ways between two regions' controllers and databases. */
export interface Link<Part> {
  /** The one that asks for the connection, and the one that accepts it. */
  readonly regions: readonly [string, string];
  readonly request: Part;
  readonly accept: Part;
}

/** All templates of a config. */
export type Templates = Parts<Template>;
