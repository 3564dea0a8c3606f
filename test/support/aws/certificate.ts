import type { AwsAccess } from "../../../src/aws/client.ts";

/**
 * ARN of a certificate in the emulator, whose CloudFormation can't make one. One call is not worth ACM's client: signed is
 * nothing, because the emulator reads of a signature only whose it is and where it goes.
 */
export async function requestCertificate(access: AwsAccess, domain: string): Promise<string> {
  const { endpoint, credentials, region } = access;
  if (!endpoint || !credentials) throw new Error("Certificates of a real account come from its stacks.");
  const response = await fetch(endpoint, {
    method: "POST",
    headers: {
      authorization: `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/20260101/${region}/acm/aws4_request, SignedHeaders=host, Signature=none`,
      "content-type": "application/x-amz-json-1.1",
      "x-amz-target": "CertificateManager.RequestCertificate",
    },
    body: JSON.stringify({
      DomainName: domain,
      SubjectAlternativeNames: [`*.${domain}`],
      ValidationMethod: "DNS",
    }),
  });
  if (!response.ok) throw new Error(`The emulator made no certificate: ${await response.text()}`);
  const { CertificateArn } = (await response.json()) as { CertificateArn: string };
  return CertificateArn;
}
