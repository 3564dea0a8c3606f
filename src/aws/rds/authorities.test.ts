import { X509Certificate } from "node:crypto";
import { getCACertificates } from "node:tls";
import { expect, it } from "vitest";
import { rdsAuthorities } from "./authorities.ts";

const certificates = (pem: string) => pem.match(/-----BEGIN[\s\S]+?-----END CERTIFICATE-----/g) ?? [];

it("trusts the region's own authorities and no other region's", () => {
  const names = certificates(rdsAuthorities("eu-west-1", [])).map((pem) => new X509Certificate(pem).subject);
  expect(names.length).toBeGreaterThanOrEqual(3);
  for (const name of names) expect(name).toContain("CN=Amazon RDS eu-west-1 ");
});

it("trusts those of NODE_EXTRA_CA_CERTS besides", () => {
  const extra = getCACertificates("extra").length;
  const alone = certificates(rdsAuthorities("eu-west-1", [])).length;
  expect(certificates(rdsAuthorities("eu-west-1"))).toHaveLength(alone + extra);
  const [other] = certificates(rdsAuthorities("us-east-1", []));
  expect(rdsAuthorities("eu-west-1", [other!])).toContain(other);
});

it("says where to find the authorities of a region that it does not know", () => {
  expect(() => rdsAuthorities("xx-nowhere-1", [])).toThrow(
    "https://truststore.pki.rds.amazonaws.com/xx-nowhere-1/xx-nowhere-1-bundle.pem",
  );
});
